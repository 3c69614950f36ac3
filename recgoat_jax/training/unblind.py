"""Validation against test of every trial of a study, after the fact: was choosing on validation good enough?

A study is unblinded once. From then on it takes no trials: what is chosen after test figures were seen is tuned on
test.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.files import RESULT_FILE, write_atomically
from recgoat_jax.lock import run_lock
from recgoat_jax.training.experiment import to_json
from recgoat_jax.training.result import read_result
from recgoat_jax.training.study_record import RUN_DIRECTORIES, StudyRecord, TrialState, read_study

TEST_FILE = "test.json"
"""File of the test figures; where it is, the study takes no trials any more."""

_FEWEST_FOR_RANKS = 3


@dataclass(frozen=True)
class UnblindedTrial:
    """A trial with its test value.

    Attributes:
        number: number of the trial.
        state: how it ended.
        valid: the best validation value of the selection metric.
        test: the same metric on test, of the same parameters.
    """

    number: int
    state: TrialState
    valid: float
    test: float


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation between validation and test.

    Attributes:
        trials: how many trials.
        rho: the correlation; None where there are fewer than three trials, or all are level.
    """

    trials: int
    rho: float | None


@dataclass(frozen=True)
class Unblinded:
    """A study with its test figures.

    Attributes:
        name: name of the base experiment.
        metric: the metric that validation chose by.
        trials: the trials that did not fail, the best on validation first.
        correlation: over all of them.
        complete: over those that were not pruned.
        unfinished: run directories of trials that had not ended; they are left out.
    """

    name: str
    metric: str
    trials: tuple[UnblindedTrial, ...]
    correlation: RankCorrelation
    complete: RankCorrelation
    unfinished: tuple[str, ...] = ()

    @property
    def chosen(self) -> UnblindedTrial:
        """The best trial on validation."""
        return self.trials[0]

    @property
    def best(self) -> UnblindedTrial:
        """The best trial on test."""
        return max(self.trials, key=lambda one: one.test)

    @property
    def regret(self) -> float:
        """What choosing on validation lost: the best test value less that of the chosen trial."""
        return self.best.test - self.chosen.test


def unblind(out: Path) -> Unblinded:
    """Reads the test figures of a study's trials, and closes the study with them.

    Args:
        out: directory of the study.

    Returns:
        The figures; they are in ``test.json`` by then.

    Raises:
        DataError: no study there, or a trial whose result is gone.
        UsageError: no trial that has a value.
        RunStoppedError: the study is at work.
    """
    read_study(out)
    with run_lock(out):
        return _closed(read_study(out), out)


def _closed(record: StudyRecord, out: Path) -> Unblinded:
    if not record.valued:
        raise UsageError(f"{out}: the study has no finished trial; expected one or more before --unblind.")
    finished = {one.directory for one in record.trials}
    trials = tuple(
        UnblindedTrial(one.number, one.state, float(one.value or 0.0), _test(out / one.directory, record))
        for one in record.valued
    )
    found = Unblinded(
        name=record.name,
        metric=record.metric,
        trials=trials,
        correlation=rank_correlation(trials),
        complete=rank_correlation([one for one in trials if one.state == "complete"]),
        unfinished=tuple(sorted({path.name for path in out.glob(RUN_DIRECTORIES)} - finished)),
    )
    numbers = {"chosen": found.chosen.number, "best_on_test": found.best.number, "regret": found.regret}
    write_atomically(out / TEST_FILE, json.dumps(to_json(found) | numbers, indent=2) + "\n")
    return found


def rank_correlation(trials: Sequence[UnblindedTrial]) -> RankCorrelation:
    """Spearman's rank correlation between validation and test over trials."""
    valid, test = (np.array([getattr(one, split) for one in trials]) for split in ("valid", "test"))
    if len(trials) < _FEWEST_FOR_RANKS or np.ptp(valid) == 0 or np.ptp(test) == 0:
        return RankCorrelation(len(trials), None)
    found: Any = spearmanr(valid, test)
    return RankCorrelation(len(trials), float(found.statistic))


def refuse_unblinded(out: Path) -> None:
    """Refuses to go on with a study whose test figures were shown.

    Raises:
        UsageError: they were.
    """
    if (out / TEST_FILE).exists():
        raise UsageError(
            f"{out}: the test figures of this study were shown ({TEST_FILE}); expected a study that has seen "
            "validation alone. Further trials would be tuned on test: choose another --out."
        )


def _test(directory: Path, record: StudyRecord) -> float:
    result = read_result(directory)
    if result is None:
        raise DataError.at(
            directory / RESULT_FILE,
            found="no such file",
            expected="the result of a trial",
            action="Put the run directory back in its place.",
        )
    return float(result.test[record.metric])


__all__ = [
    "TEST_FILE",
    "RankCorrelation",
    "Unblinded",
    "UnblindedTrial",
    "rank_correlation",
    "refuse_unblinded",
    "unblind",
]
