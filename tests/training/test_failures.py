"""A run that cannot go on: no room, no permission, a signal, a checkpoint of another model."""

import errno
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import DataError, RecgoatError, RunStoppedError, SavedAndStopped, UsageError
from recgoat_jax.models import BprMfConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, RunResult, fit, loop, prepared, result, train
from recgoat_jax.training.checkpoint import Checkpoints
from tests.worlds import blocks


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    directory = tmp_path_factory.mktemp("data") / "blocks"
    write_dataset(blocks(), directory)
    return Experiment(
        name="bpr",
        data=PreparedData(directory),
        model=BprMfConfig(dim=8, initialization="normal"),
        optimizer=OptimizerConfig(learning_rate=0.02),
        loop=LoopConfig(
            batch_size=16,
            max_epochs=3,
            selection_metric="recall@5",
            cutoffs=(1, 5),
            checkpoint_seconds=0.0,
            tensorboard=False,
        ),
    )


@pytest.fixture(scope="module")
def unbroken(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return train(experiment, workdir=tmp_path_factory.mktemp("runs") / "unbroken", quiet=True)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
# How the library below the checkpoints reports it.
FULL_CHECKPOINT = ValueError(f"RESOURCE_EXHAUSTED: Failed to write 205 bytes: {FULL.strerror} [os_error_code='28']")
FORBIDDEN = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
INTERRUPTED = KeyboardInterrupt()

MOMENTS: list[tuple[object, str, tuple[BaseException, ...]]] = [
    (loop, "run_lock", (FORBIDDEN,)),
    (loop, "load_data", (INTERRUPTED,)),
    (prepared, "build_model", (INTERRUPTED,)),
    (loop.MetricsWriter, "write", (FULL, INTERRUPTED)),
    (Checkpoints, "save_best", (FULL_CHECKPOINT, INTERRUPTED)),
    (Checkpoints, "save_last", (FULL_CHECKPOINT, INTERRUPTED)),
    (Checkpoints, "restore_best", (INTERRUPTED,)),
    (result, "to_npz", (INTERRUPTED,)),
    (os, "fsync", (FULL, INTERRUPTED)),
    (result.EvalResult, "write_parquet", (FULL, INTERRUPTED)),
]


@pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [
        pytest.param(owner, name, failure, id=f"{name}-{type(failure).__name__}")
        for owner, name, failures in MOMENTS
        for failure in failures
    ],
)
def test_a_failure_at_any_moment_leaves_nothing_half_written(
    unbroken: RunResult,
    experiment: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    failure: BaseException,
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise failure

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(KeyboardInterrupt if failure is INTERRUPTED else RunStoppedError) as caught:
            train(experiment, workdir=run, quiet=True)
    if isinstance(caught.value, RunStoppedError):
        reason = FORBIDDEN.strerror if failure is FORBIDDEN else FULL.strerror
        assert str(caught.value).startswith(f"{run}: found a run directory that cannot be written ({reason}); expected")
        assert "start the same command again" in str(caught.value)
        assert caught.value.exit_code == 5
    assert not (run / "result.json").exists()
    assert [path.name for path in run.glob(".*") if path.name != ".lock"] == []
    finished = train(experiment, workdir=run, quiet=True)
    assert (dict(finished.test), finished.best_epoch) == (dict(unbroken.test), unbroken.best_epoch)


def test_other_errors_are_not_taken_for_a_full_disk(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("shapes differ")

    monkeypatch.setattr(prepared, "build_model", broken)
    with pytest.raises(ValueError, match="shapes differ"):
        train(experiment, workdir=tmp_path / "run", quiet=True)


def test_a_directory_that_cannot_be_made_says_so(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecgoatError, match=r"cannot make the run directory .*Choose another one with --workdir"):
        train(experiment, workdir=tmp_path / "file" / "run", quiet=True)
    assert (tmp_path / "file").read_text() == "mine"


def stopped(
    experiment: Experiment,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    kind: type[BaseException],
) -> BaseException:
    """The error of a run that a signal reaches in its first epoch."""
    with monkeypatch.context() as patch:
        patch.setattr(fit.Fit, "_show", lambda self, rate: signal.raise_signal(number))
        with pytest.raises(kind) as caught:
            train(experiment, workdir=run, quiet=True)
    return caught.value


def test_a_run_that_is_terminated_is_saved_and_goes_on(
    unbroken: RunResult, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = stopped(experiment, tmp_path / "run", monkeypatch, signal.SIGTERM, SavedAndStopped)
    assert isinstance(error, SavedAndStopped)
    assert error.exit_code == 75
    assert train(experiment, workdir=tmp_path / "run", quiet=True).test == unbroken.test


def test_a_run_that_is_terminated_before_it_trains_ends_at_once(
    unbroken: RunResult, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a library in between makes another error of it, too."""

    def terminated(*args: object, **kwargs: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except SavedAndStopped as error:
            raise ValueError("a callback failed") from error

    before = signal.getsignal(signal.SIGTERM)
    for owner, name in ((loop, "load_data"), (prepared, "build_model"), (loop, "write_result")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, terminated)
            with pytest.raises(SavedAndStopped, match="what was saved before is kept"):
                train(experiment, workdir=tmp_path / "run", quiet=True)
    assert signal.getsignal(signal.SIGTERM) is before
    assert train(experiment, workdir=tmp_path / "run", quiet=True).test == unbroken.test


def test_checkpoints_of_another_run_are_refused(
    experiment: Experiment, unbroken: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another setting, other data, or no word of whose they are; each in a run directory of its own."""
    saves = tmp_path / "saves"
    with monkeypatch.context() as patch:
        patch.setattr(fit.Fit, "_show", lambda self, rate: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SavedAndStopped):
            train(experiment, workdir=tmp_path / "one", quiet=True, checkpoints=str(saves))
    other = replace(experiment, optimizer=OptimizerConfig(learning_rate=0.03))
    with pytest.raises(
        UsageError, match=r"saves: found the checkpoints of another experiment \(optimizer.learning_rate: stored 0.02"
    ):
        train(other, workdir=tmp_path / "two", quiet=True, checkpoints=str(saves))
    write_dataset(blocks(num_blocks=3), tmp_path / "data")
    elsewhere = replace(experiment, data=PreparedData(tmp_path / "data"))
    with pytest.raises(UsageError, match=r"\(dataset_hash: stored .*Choose another --checkpoints"):
        train(elsewhere, workdir=tmp_path / "three", quiet=True, checkpoints=str(saves))
    # The same run on a machine without the rest of its directory goes on.
    finished = train(experiment, workdir=tmp_path / "four", quiet=True, checkpoints=str(saves))
    assert finished.test == unbroken.test
    (saves / "config.json").unlink()
    with pytest.raises(UsageError, match=r"saves: found checkpoints without the config.json of their run"):
        train(experiment, workdir=tmp_path / "five", quiet=True, checkpoints=str(saves))


def test_a_damaged_checkpoint_is_named(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    stopped(experiment, run, monkeypatch, signal.SIGINT, KeyboardInterrupt)
    shutil.rmtree(run / "checkpoints" / "last" / "1" / "progress")
    with pytest.raises(
        DataError, match=r"checkpoints/last/1: found a checkpoint that does not fit this model"
    ) as caught:
        train(experiment, workdir=run, quiet=True)
    assert caught.value.exit_code == 3
    assert not (run / "result.json").exists()


def test_damaged_settings_are_named(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config.json: found a damaged file .*Choose another --workdir"):
        train(experiment, workdir=tmp_path, quiet=True)
    assert (tmp_path / "config.json").read_text() == "{"


def test_data_that_changed_since_it_was_prepared_are_not_trained_on(experiment: Experiment, tmp_path: Path) -> None:
    write_dataset(blocks(), tmp_path / "data")
    with (tmp_path / "data" / "interactions.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match=r"'interactions.parquet' was changed after the data set was prepared"):
        train(replace(experiment, data=PreparedData(tmp_path / "data")), workdir=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "config.json").exists()
