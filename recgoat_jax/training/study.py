"""A study in its journal: the next trial, its reports, its end. Everything of optuna's storage is in this file.

What a trial proposes depends on the seed, its number and the trials before it, and on nothing else: the sampler is made
anew for each. So a study that was stopped goes on as if it had not been.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recgoat_jax.errors import UsageError
from recgoat_jax.training.experiment import differences
from recgoat_jax.training.search_space import optuna_module
from recgoat_jax.training.study_record import StudyConfig, StudyRecord, TrialRecord, TrialState

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial, Trial

JOURNAL_FILE = "study.journal"
"""optuna's journal, JSON lines that are only ever appended to."""

_NAME = "study"
_SETTINGS = "settings"
_STARTS = "starts"
_FEWEST_FOR_IMPORTANCES = 10
_MOST_KILLED = 3


class RunningTrial:
    """A trial while its run is at work; it is that run's `StudyTrial`.

    Args:
        trial: optuna's.
        title: head of the progress line.
    """

    def __init__(self, trial: "Trial", *, title: str) -> None:
        self.trial, self.title, self.number = trial, title, trial.number
        self._stored: dict[int, float] = {}
        self._last = -1

    def resumed(self, stored: Mapping[int, float]) -> "RunningTrial":
        """Takes over what an earlier start reported: epoch to best value so far."""
        self._stored = dict(stored)
        self._last = max(self._stored, default=-1)
        return self

    @property
    def reported(self) -> int:
        """The last epoch that an earlier start reported; -1: none."""
        return self._last

    @property
    def directory(self) -> str:
        """Its run directory, within that of the study."""
        return run_directory(self.number)

    def ends_after(self, epoch: int, best_value: float) -> bool:
        """Reports a validation; whether the pruner ends the trial."""
        if epoch < self._last:
            # Done before the stop, and the run went on from there.
            return False
        if epoch not in self._stored:
            self.trial.report(best_value, epoch)
        return bool(self.trial.should_prune())


class Study:
    """A study, opened or made. The caller holds the lock of its directory.

    Args:
        directory: where the journal lies, or will.
        config: budget and search.
        settings: what may not change between starts, beside the search: the base experiment.
        metric: validation metric that is maximised.
        first: settings that are tried first.

    Raises:
        UsageError: the journal is that of another study.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: StudyConfig,
        settings: Mapping[str, Any],
        metric: str,
        first: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        self._optuna = optuna_module()
        self.directory, self.config, self.metric = directory, config, metric
        self.base = settings
        path = directory / JOURNAL_FILE
        self._storage = _journal(path)
        match config.pruner:
            case "median":
                pruner = self._optuna.pruners.MedianPruner(
                    n_startup_trials=config.complete_trials, n_warmup_steps=config.warmup_epochs
                )
            case "none":
                pruner = self._optuna.pruners.NopPruner()
        self._study = self._optuna.create_study(
            study_name=_NAME, storage=self._storage, pruner=pruner, direction="maximize", load_if_exists=True
        )
        searched = {"seed": config.seed, "pruner": config.pruner, "warmup_epochs": config.warmup_epochs}
        given = {"experiment": settings, "search": searched | {"complete_trials": config.complete_trials}}
        stored = self._study.user_attrs.get(_SETTINGS)
        if stored is None:
            for one in first:
                self._study.enqueue_trial(dict(one), skip_if_exists=True)
            self._study.set_user_attr(_SETTINGS, given)
        elif found := differences(stored, given):
            raise UsageError(
                f"{directory}: found a study of other settings ({'; '.join(found[:5])}); expected the same. Choose "
                "another --out, or delete this one."
            )

    @property
    def num_finished(self) -> int:
        """Trials that have ended, in whatever way."""
        return sum(one.state.is_finished() for one in self._trials())

    def next(self) -> RunningTrial:
        """The trial that an earlier start left running, else a new one."""
        state = self._optuna.trial.TrialState
        trials = self._trials()
        left = next((one for one in trials if one.state is state.RUNNING), None)
        waiting = next((one for one in trials if one.state is state.WAITING), None)
        number = len(trials) if waiting is None else waiting.number
        if left is not None:
            number = left.number
        words = np.random.SeedSequence([self.config.seed, number]).generate_state(1)
        self._study.sampler = self._optuna.samplers.TPESampler(seed=int(words[0]), multivariate=True)
        best = self.record().best
        so_far = "" if best is None else f", best {best.value:.4f} of trial {best.number}"
        title = f"trial {number} ({number + 1} of {self.config.trials}{so_far})"
        if left is None:
            return RunningTrial(self._study.ask(), title=title)
        study = self._storage.get_study_id_from_name(_NAME)
        trial = self._storage.get_trial_id_from_study_id_trial_number(study, number)
        again = RunningTrial(self._optuna.trial.Trial(self._study, trial), title=title)
        return again.resumed(left.intermediate_values)

    def begins(self, running: RunningTrial) -> bool:
        """Notes that the run of a trial begins, or goes on.

        Args:
            running: the trial.

        Returns:
            Whether it may. A trial whose last three starts were all killed before they could report an epoch fails
            instead: what the system kills for want of memory, it would kill for ever.
        """
        told = running.trial.user_attrs.get(_STARTS) or {}
        killed = told["count"] if told.get("epoch") == running.reported else 0
        if killed >= _MOST_KILLED:
            self.fail(
                running,
                f"killed {killed} times after epoch {max(running.reported, 0)}, before the next validation; perhaps "
                "for want of memory",
            )
            return False
        running.trial.set_user_attr(_STARTS, {"epoch": running.reported, "count": killed + 1})
        return True

    def stopped(self, running: RunningTrial) -> None:
        """Notes that a start of a trial ended in an orderly way: it was not killed."""
        running.trial.set_user_attr(_STARTS, None)

    def finish(self, running: RunningTrial, value: float, *, facts: Mapping[str, Any]) -> None:
        """Tells the value of a run that has ended, by itself or because the pruner said so.

        Args:
            running: the trial.
            value: the best validation value.
            facts: what else the record says of it.
        """
        state = self._optuna.trial.TrialState
        self._note(running, facts)
        # As at its last validation: whether a run was stopped in between or not, the answer is the same.
        if running.trial.should_prune():
            self._study.tell(running.trial, state=state.PRUNED)
        else:
            self._study.tell(running.trial, value)

    def fail(self, running: RunningTrial, reason: str) -> None:
        """Tells that a trial failed, and why."""
        self._note(running, {"reason": reason})
        self._study.tell(running.trial, state=self._optuna.trial.TrialState.FAIL)

    def _note(self, running: RunningTrial, facts: Mapping[str, Any]) -> None:
        for name, fact in facts.items():
            running.trial.set_user_attr(name, fact)

    def record(self) -> StudyRecord:
        """What the study has found so far."""
        state = self._optuna.trial.TrialState
        names: dict[Any, TrialState] = {state.COMPLETE: "complete", state.PRUNED: "pruned", state.FAIL: "failed"}
        trials = [one for one in self._trials() if one.state in names]
        space = {name: bounds(kind) for one in trials for name, kind in one.distributions.items()}
        return StudyRecord(
            name=str(self.base["name"]),
            metric=self.metric,
            config=self.config,
            base=self.base,
            optuna=self._optuna.__version__,
            space=space,
            trials=tuple(_record(one, names[one.state]) for one in trials),
            importances=self._importances(),
        )

    def _importances(self) -> dict[str, float]:
        complete = self._optuna.trial.TrialState.COMPLETE
        if sum(one.state is complete for one in self._trials()) < _FEWEST_FOR_IMPORTANCES:
            return {}
        # Not by way of get_param_importances, which loads scikit-learn for an evaluator that is not used.
        found = self._optuna.importance.PedAnovaImportanceEvaluator().evaluate(self._study)
        total = sum(found.values())
        return {name: float(share / total) for name, share in found.items()} if total > 0 else {}

    def _trials(self) -> "list[FrozenTrial]":
        return self._study.get_trials(deepcopy=False)


def run_directory(number: int) -> str:
    """Name of the run directory of a trial: ``trial-0007``."""
    return f"trial-{number:04d}"


def bounds(distribution: "BaseDistribution") -> str:
    """The bounds of a setting, in words: ``0.0005 to 0.005, log``, or ``64, 128 or 256``."""
    choices: Any = getattr(distribution, "choices", None)
    if choices is not None:
        return ", ".join(map(str, choices))
    low, high, step = (getattr(distribution, name) for name in ("low", "high", "step"))
    ends = f"{low:g} to {high:g}"
    if getattr(distribution, "log", False):
        return f"{ends}, log"
    return ends if step is None else f"{ends} by {step:g}"


def _record(trial: "FrozenTrial", state: TrialState) -> TrialRecord:
    told = trial.user_attrs
    return TrialRecord(
        number=trial.number,
        state=state,
        params=trial.params,
        value=None if state == "failed" else trial.value,
        best_epoch=told.get("best_epoch"),
        epochs=told.get("epochs"),
        seconds=told.get("seconds"),
        directory=run_directory(trial.number),
        commit=told.get("commit"),
        reason=told.get("reason"),
    )


def _journal(path: Path) -> "JournalStorage":
    """Opens the journal, after mending what a kill may have left: a lock, and a last line cut short.

    The caller holds the directory, so that the lock is nobody's. optuna would append to the line, and read no further
    ever after.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path)))


__all__ = ["JOURNAL_FILE", "RunningTrial", "Study", "bounds", "run_directory"]
