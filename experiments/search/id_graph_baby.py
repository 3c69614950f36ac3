"""The item graph on ID vectors, on Amazon Baby: optimiser, batches, penalty, depth, contrast, and the graph itself.

Command:  recgoat tune experiments/id_graph_baby.py --search experiments/search/id_graph_baby.py --trials 24
Cost:     a trial is a run of id_graph_baby, about 4 minutes on 2 CPU cores; many are pruned earlier
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

AS_IT_IS = {
    "learning_rate": 3e-3,
    "batch_size": 4096,
    "regularization_weight": 2e-3,
    "num_layers": 3,
    "id_graph_weight": 1.3,
    "co_purchase_share": 0.23,
    "text_share": 0.75,
    "id_graph_contrast_weight": 0.01,
}
FIRST = (AS_IT_IS, {**AS_IT_IS, "learning_rate": 1e-3, "batch_size": 2048})
"""The experiment as it is, and with small steps."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial."""
    assert isinstance(experiment.model, RecGoatConfig)
    text_share = trial.suggest_float("text_share", 0.5, 0.95)
    model = replace(
        experiment.model,
        regularization_weight=trial.suggest_float("regularization_weight", 5e-4, 1e-2, log=True),
        num_layers=trial.suggest_int("num_layers", 2, 4),
        id_graph_weight=trial.suggest_float("id_graph_weight", 0.25, 2.0),
        co_purchase_share=trial.suggest_float("co_purchase_share", 0.0, 0.6),
        modality_shares=(("image", 1.0), ("text", text_share / (1 - text_share))),
        id_graph_contrast_weight=trial.suggest_float("id_graph_contrast_weight", 1e-3, 1e-1, log=True),
    )
    rate = trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True)
    return replace(
        experiment,
        model=model,
        optimizer=replace(experiment.optimizer, learning_rate=rate),
        loop=replace(experiment.loop, batch_size=trial.suggest_categorical("batch_size", (2048, 4096))),
    )
