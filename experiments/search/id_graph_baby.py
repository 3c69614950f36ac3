"""The item graph on ID vectors, on Amazon Baby: ranking loss, penalty, optimiser, depth, and the graph itself.

Command:  recgoat tune experiments/id_graph_baby.py --search experiments/search/id_graph_baby.py --trials 24
Cost:     a trial is a run of id_graph_baby, about 4 minutes on 2 CPU cores; many are pruned earlier
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

FIRST = (
    {
        "ranking": "bpr",
        "penalty_bpr": 2e-3,
        "learning_rate": 3e-3,
        "num_layers": 3,
        "id_graph_weight": 1.0,
        "co_purchase_share": 0.3,
        "text_share": 0.75,
        "id_graph_contrast_weight": 0.01,
    },
    {
        "ranking": "softmax",
        "penalty_softmax": 2e-2,
        "learning_rate": 2e-3,
        "num_layers": 3,
        "id_graph_weight": 1.0,
        "co_purchase_share": 0.3,
        "text_share": 0.75,
        "id_graph_contrast_weight": 0.01,
    },
)
"""The experiment as it is, and the same with the softmax."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial. The penalty has a range a loss: the softmax pulls about ten times as hard."""
    assert isinstance(experiment.model, RecGoatConfig)
    text_share = trial.suggest_float("text_share", 0.5, 0.95)
    ranking = trial.suggest_categorical("ranking", ("bpr", "softmax"))
    low, high = {"bpr": (5e-4, 1e-2), "softmax": (5e-3, 1e-1)}[ranking]
    model = replace(
        experiment.model,
        ranking=ranking,
        regularization_weight=trial.suggest_float(f"penalty_{ranking}", low, high, log=True),
        num_layers=trial.suggest_int("num_layers", 2, 4),
        id_graph_weight=trial.suggest_float("id_graph_weight", 0.25, 2.0),
        co_purchase_share=trial.suggest_float("co_purchase_share", 0.0, 0.6),
        modality_shares=(("image", 1.0), ("text", text_share / (1 - text_share))),
        id_graph_contrast_weight=trial.suggest_float("id_graph_contrast_weight", 1e-3, 1e-1, log=True),
    )
    rate = trial.suggest_float("learning_rate", 1e-3, 6e-3, log=True)
    return replace(experiment, model=model, optimizer=replace(experiment.optimizer, learning_rate=rate))
