"""A search for settings: trial after trial is proposed, trained and judged on validation, within a budget.

The directory of a study holds ``study.journal`` (optuna's), ``study.json``, ``search.py`` (the search file as it was)
and a run directory a trial, as `train` leaves it. Test figures lie in the run directories, for `unblind`; nothing here
reads them. A study that was stopped in any way goes on: the trial that was at work from its last save, with the same
settings.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import jax

from recgoat_jax.encoders.recipes import load_data
from recgoat_jax.errors import SavedAndStopped, UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.lock import run_lock
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.failures import failure_of_settings
from recgoat_jax.training.interrupts import stopping_at_once
from recgoat_jax.training.loop import train
from recgoat_jax.training.result import PLACES, data_settings
from recgoat_jax.training.search_space import SearchSpace, named, optuna_module, settings_of
from recgoat_jax.training.study import RunningTrial, Study
from recgoat_jax.training.study_record import StudyConfig, StudyRecord, TrialRecord
from recgoat_jax.training.unblind import refuse_unblinded

SEARCH_FILE = "search.py"
"""File that keeps the text of the search file."""


def run_study(
    experiment: Experiment,
    space: SearchSpace,
    *,
    out: Path,
    config: StudyConfig | None = None,
    quiet: bool = False,
) -> Iterator[StudyRecord]:
    """Runs the trials of a study, or goes on with them.

    Args:
        experiment: what the settings are varied of.
        space: what may be varied.
        out: directory of the study; made when missing.
        config: budget and search; None: the defaults.
        quiet: no progress line.

    Yields:
        The record as it was found, and again after each trial; it is in ``study.json`` by then.

    Raises:
        UsageError: the directory holds another study, or one that was unblinded; a search file that does not do.
        DataError: the data is missing or damaged.
        MissingExtraError: the extra ``tune`` is not installed.
        RunStoppedError: another study at work in the directory.
        SavedAndStopped: SIGTERM came; the state is saved.
    """
    config = StudyConfig() if config is None else config
    space.check(experiment, seed=config.seed)
    out.mkdir(parents=True, exist_ok=True)
    with run_lock(out), stopping_at_once():
        refuse_unblinded(out)
        told = data_settings(load_data(experiment.data))
        _keep_text(space, out)
        study = Study(
            out,
            config=config,
            settings=settings_of(experiment) | {name: told[name] for name in told if name not in PLACES},
            metric=experiment.loop.selection_metric,
            first=space.first,
        )
        started = time.monotonic()
        yield _written(study, out)
        while study.num_finished < config.trials:
            if config.minutes is not None and time.monotonic() - started >= 60 * config.minutes:
                return
            _run_trial(study, study.next(), space, experiment, out=out, quiet=quiet)
            # No other trial runs the programs of this one, and they would pile up.
            jax.clear_caches()
            yield _written(study, out)


def _run_trial(
    study: Study, running: RunningTrial, space: SearchSpace, base: Experiment, *, out: Path, quiet: bool
) -> None:
    """Trains the experiment of a trial and tells its validation value, or why there is none."""
    try:
        experiment = named(space.experiment(running.trial, base), str(running.number))
    except ValueError as error:  # settings that contradict each other
        study.fail(running, str(error))
        return
    if not study.begins(running):
        return
    try:
        result = train(experiment, workdir=out / running.directory, quiet=quiet, trial=running)
    except ValueError as error:  # settings that the model refuses
        study.fail(running, str(error))
        return
    except UsageError as error:
        # Not for this trial alone to mend; but the next start is not to come back to it.
        study.fail(running, str(error))
        raise
    except (SavedAndStopped, KeyboardInterrupt):
        study.stopped(running)
        raise
    except Exception as error:
        if (reason := failure_of_settings(error)) is None:
            raise
        study.fail(running, reason)
        return
    facts = {name: getattr(result, name) for name in ("best_epoch", "epochs", "seconds", "commit")}
    study.finish(running, result.valid[study.metric], facts=facts)


def tuned_experiment(space: SearchSpace, base: Experiment, *, trial: TrialRecord) -> Experiment:
    """The experiment of a finished trial, under a name that says that it was tuned.

    Args:
        space: what the study varied.
        base: what it varied it of.
        trial: one of its trials.

    Returns:
        The experiment.
    """
    settings = optuna_module().trial.FixedTrial(dict(trial.params), number=trial.number)
    return named(space.experiment(settings, base), "tuned")


def _written(study: Study, out: Path) -> StudyRecord:
    record = study.record()
    record.write(out)
    return record


def _keep_text(space: SearchSpace, out: Path) -> None:
    path = out / SEARCH_FILE
    if path.exists() and path.read_text(encoding="utf-8") != space.text:
        raise UsageError(
            f"{space.source}: found another text than {path}, with which this study began; expected the same, so that "
            "all its trials are of one space. Choose another --out for the new search."
        )
    if not path.exists():
        write_atomically(path, space.text)


__all__ = ["SEARCH_FILE", "run_study", "tuned_experiment"]
