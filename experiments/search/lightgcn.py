"""LightGCN on sets of the size of Last.fm, Scientific and ml-latest-small: the baseline of a search with recgoat.py.

Command:  recgoat tune experiments/lightgcn_lastfm.py --search experiments/search/lightgcn.py --trials 30
Cost:     a trial is a run of the experiment; see its file
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment

FIRST = ({"learning_rate": 5e-3, "dim": 64, "num_layers": 3, "regularization_weight": 1e-3},)
"""The experiments lightgcn_lastfm, lightgcn_scientific, lightgcn_movielens_small and the like as they are."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial."""
    assert isinstance(experiment.model, LightGcnConfig)
    model = replace(
        experiment.model,
        dim=trial.suggest_categorical("dim", (64, 128)),
        num_layers=trial.suggest_int("num_layers", 1, 4),
        regularization_weight=trial.suggest_float("regularization_weight", 1e-4, 1e-2, log=True),
    )
    rate = trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True)
    return replace(experiment, model=model, optimizer=replace(experiment.optimizer, learning_rate=rate))
