"""What a study has found so far, as it stands in ``study.json``: validation alone, until it is unblinded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recgoat_jax.errors import DataError
from recgoat_jax.files import write_atomically
from recgoat_jax.training.experiment import from_json, to_json

RECORD_FILE = "study.json"
"""File of the record in the directory of a study."""

RUN_DIRECTORIES = "trial-*"
"""Names of the trials' run directories."""

Pruner = Literal["median", "none"]
"""Whether a trial ends early where its best value so far is below the median of the others after as many epochs."""

TrialState = Literal["complete", "pruned", "failed"]
"""Ended by itself; ended early; stopped by a loss that is no number, by settings that the config refuses, or for want
of memory."""


@dataclass(frozen=True)
class StudyConfig:
    """The budget of a study, and how it searches."""

    trials: int = 40
    """Trials in all, those of earlier starts, pruned ones and failed ones included."""
    minutes: float | None = None
    """No trial starts after this many minutes of the present start; the running one is finished. None: no limit."""
    seed: int = 0
    """Seed of the sampler (TPE, multivariate). With the number of a trial it decides what is proposed."""
    pruner: Pruner = "median"
    """Which trials end early."""
    warmup_epochs: int = 10
    """No trial ends early before it has done as many epochs."""
    complete_trials: int = 5
    """No trial ends early before as many have ended by themselves."""

    def __post_init__(self) -> None:
        if self.trials < 1 or (self.minutes is not None and self.minutes < 0):
            raise ValueError(f"trials is {self.trials}, minutes is {self.minutes}; expected a trial or more, and time.")
        if self.seed < 0 or self.warmup_epochs < 0 or self.complete_trials < 0:
            raise ValueError(
                f"seed is {self.seed}, warmup_epochs {self.warmup_epochs}, complete_trials {self.complete_trials}; "
                "expected numbers of 0 or more."
            )


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial.

    Attributes:
        number: from 0.
        state: how it ended.
        params: its settings, as the search file names them.
        value: the best validation value of the selection metric; None where it failed.
        best_epoch: epoch of that value; None where it failed.
        epochs: epochs done; None where it failed.
        seconds: of training and validation, over all starts; None where it failed.
        directory: its run directory, within that of the study.
        commit: commit of the working tree, or None.
        reason: why it failed; None where it did not.
    """

    number: int
    state: TrialState
    params: Mapping[str, Any]
    value: float | None
    best_epoch: int | None
    epochs: int | None
    seconds: float | None
    directory: str
    commit: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class StudyRecord:
    """A study so far.

    Attributes:
        name: name of the base experiment.
        metric: validation metric that is maximised.
        config: budget and search.
        base: the base experiment as JSON values.
        optuna: version of optuna.
        space: setting to its bounds, in words.
        trials: the finished trials, in order.
        importances: setting to its share of what decides whether a trial is among the best tenth (PED-ANOVA); empty
            where there are too few trials to say.
    """

    name: str
    metric: str
    config: StudyConfig
    base: Mapping[str, Any]
    optuna: str
    space: Mapping[str, str] = field(default_factory=dict)
    trials: tuple[TrialRecord, ...] = ()
    importances: Mapping[str, float] = field(default_factory=dict)

    @property
    def valued(self) -> list[TrialRecord]:
        """The trials that did not fail, the best first; of equal ones the earlier."""
        return sorted((one for one in self.trials if one.value is not None), key=lambda one: -(one.value or 0.0))

    @property
    def best(self) -> TrialRecord | None:
        """The best trial on validation; None where there is none yet."""
        return next(iter(self.valued), None)

    @property
    def minutes(self) -> float:
        """Minutes of training and validation, failed trials aside."""
        return sum(one.seconds or 0.0 for one in self.trials) / 60

    def count(self, state: TrialState) -> int:
        """How many trials ended like this."""
        return sum(one.state == state for one in self.trials)

    def write(self, directory: Path) -> None:
        """Writes ``study.json``."""
        write_atomically(directory / RECORD_FILE, json.dumps(to_json(self), indent=2) + "\n")


def read_study(directory: Path) -> StudyRecord:
    """The record of a study.

    Args:
        directory: what ``recgoat tune`` wrote.

    Returns:
        The record.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = directory / RECORD_FILE
    try:
        return from_json(StudyRecord, json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise DataError.at(
            path,
            found="no such file" if isinstance(error, FileNotFoundError) else f"a damaged file ({error})",
            expected="the record of a study",
            action="Name the directory of a study, or start the same recgoat tune again.",
        ) from error


__all__ = [
    "RECORD_FILE",
    "RUN_DIRECTORIES",
    "Pruner",
    "StudyConfig",
    "StudyRecord",
    "TrialRecord",
    "TrialState",
    "read_study",
]
