"""LightGCN on Amazon Baby, searched as hard as RecGOAT: optimiser, penalty, start, width, depth, batch.

It starts from the baseline that has RecGOAT's settings.

Command:  recgoat tune experiments/lightgcn_baby_tuned.py --search experiments/search/lightgcn_baby.py --trials 40
Cost:     a trial is a run of lightgcn_baby_tuned, about 14 minutes on one CPU core; longer at width 256
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment

FIRST = (
    {
        "learning_rate": 3e-3,
        "batch_size": 4096,
        "dim": 128,
        "num_layers": 3,
        "initialization": "xavier_uniform",
        "regularization_weight": 2e-3,
    },
)
"""The experiment as it is."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial."""
    assert isinstance(experiment.model, LightGcnConfig)
    model = replace(
        experiment.model,
        dim=trial.suggest_categorical("dim", (64, 128, 256)),
        num_layers=trial.suggest_int("num_layers", 1, 4),
        initialization=trial.suggest_categorical("initialization", ("xavier_uniform", "normal")),
        regularization_weight=trial.suggest_float("regularization_weight", 1e-5, 1e-2, log=True),
    )
    return replace(
        experiment,
        model=model,
        optimizer=replace(
            experiment.optimizer, learning_rate=trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True)
        ),
        loop=replace(experiment.loop, batch_size=trial.suggest_categorical("batch_size", (1024, 2048, 4096))),
    )
