"""LightGCN and the item graph, on Amazon Baby: learning rate, penalty, depth, and the graph.

Command:  recgoat tune experiments/plain_graph_baby.py --search experiments/search/plain_graph_baby.py --trials 24
Cost:     a trial is a run of plain_graph_baby, about 8 minutes on one CPU core; many are pruned earlier
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

AS_IT_IS = {
    "learning_rate": 3e-3,
    "regularization_weight": 2e-3,
    "num_layers": 3,
    "id_graph_weight": 1.3,
    "co_purchase_share": 0.23,
    "text_share": 0.75,
}
FIRST = (
    AS_IT_IS,
    {**AS_IT_IS, "regularization_weight": 4e-3},
    {**AS_IT_IS, "id_graph_weight": 2.0},
    {**AS_IT_IS, "num_layers": 4},
    {**AS_IT_IS, "co_purchase_share": 0.4},
    {**AS_IT_IS, "num_layers": 2},
    {**AS_IT_IS, "learning_rate": 1.5e-3},
)
"""The experiment as it is, and one step in each direction."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial."""
    assert isinstance(experiment.model, RecGoatConfig)
    text_share = trial.suggest_float("text_share", 0.5, 0.95)
    model = replace(
        experiment.model,
        regularization_weight=trial.suggest_float("regularization_weight", 5e-4, 1e-2, log=True),
        num_layers=trial.suggest_int("num_layers", 1, 4),
        id_graph_weight=trial.suggest_float("id_graph_weight", 0.5, 4.0, log=True),
        co_purchase_share=trial.suggest_float("co_purchase_share", 0.0, 0.6),
        modality_shares=(("image", 1.0), ("text", text_share / (1 - text_share))),
    )
    rate = trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True)
    return replace(experiment, model=model, optimizer=replace(experiment.optimizer, learning_rate=rate))
