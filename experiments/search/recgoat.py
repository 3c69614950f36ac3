"""RecGOAT on sets of the size of Last.fm, Scientific and ml-latest-small: what a small budget can decide.

Command:  recgoat tune experiments/recgoat_scientific.py --search experiments/search/recgoat.py --trials 32
Cost:     a trial is a run of the experiment; see its file
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from experiments.search.weights import suggest_weight
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

FIRST = (
    {
        "learning_rate": 5e-3,
        "dim": 64,
        "num_layers": 3,
        "regularization_weight": 1e-3,
        "id_graph_weight": 0.5,
        "co_purchase_share": 0.0,
        "id_share": 0.9,
        "contrast_weight": 0.002,
        "id_graph_contrast_weight": 0.01,
    },
)
"""The experiments recgoat_lastfm, recgoat_scientific, recgoat_movielens_small and the like as they are."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial."""
    assert isinstance(experiment.model, RecGoatConfig)
    model = replace(
        experiment.model,
        dim=trial.suggest_categorical("dim", (64, 128)),
        num_layers=trial.suggest_int("num_layers", 1, 4),
        regularization_weight=trial.suggest_float("regularization_weight", 1e-4, 1e-2, log=True),
        id_graph_weight=trial.suggest_float("id_graph_weight", 0.0, 1.5),
        co_purchase_share=trial.suggest_float("co_purchase_share", 0.0, 0.6),
        id_share=trial.suggest_float("id_share", 0.6, 0.99),
        contrast_weight=suggest_weight(trial, "contrast_weight"),
        id_graph_contrast_weight=suggest_weight(trial, "id_graph_contrast_weight"),
    )
    rate = trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True)
    return replace(experiment, model=model, optimizer=replace(experiment.optimizer, learning_rate=rate))
