"""How searches draw the weight of a loss that may be left out."""

from optuna.trial import BaseTrial

LEAST_WEIGHT = 1e-4
"""A weight that is drawn below this leaves its term out: one scale reaches from nothing to much."""


def suggest_weight(trial: BaseTrial, name: str) -> float:
    """A weight up to 0.1, drawn on a log scale whose first quarter, below `LEAST_WEIGHT`, stands for 0."""
    drawn = trial.suggest_float(name, LEAST_WEIGHT / 10, 0.1, log=True)
    return drawn if drawn >= LEAST_WEIGHT else 0.0
