import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import RunStoppedError, UsageError
from recgoat_jax.files import read_json_lines
from recgoat_jax.lock import run_lock
from recgoat_jax.models import BprMfConfig, LightGcnConfig, MostPopularConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, RunResult, train
from tests.worlds import blocks


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data") / "blocks"
    write_dataset(blocks(), directory)
    return directory


@pytest.fixture(scope="module")
def experiment(prepared: Path) -> Experiment:
    return Experiment(
        name="bpr",
        data=PreparedData(prepared),
        model=BprMfConfig(dim=8, regularization_weight=1e-3, initialization="normal"),
        optimizer=OptimizerConfig(learning_rate=0.02),
        loop=LoopConfig(
            batch_size=16,
            max_epochs=12,
            patience=12,
            selection_metric="recall@5",
            cutoffs=(1, 5),
            checkpoint_seconds=0.0,
            tensorboard=False,
            steps_per_call=3,
        ),
    )


@pytest.fixture(scope="module")
def unbroken(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return train(experiment, workdir=tmp_path_factory.mktemp("runs") / "unbroken", quiet=True)


def metrics(directory: Path) -> list[dict[str, float]]:
    timed = ("examples_per_second", "seconds")
    return [{k: v for k, v in line.items() if k not in timed} for line in read_json_lines(directory / "metrics.jsonl")]


def test_a_run_leaves_what_it_promises(unbroken: RunResult, experiment: Experiment) -> None:
    directory = unbroken.directory
    result = json.loads((directory / "result.json").read_text())
    assert set(result) >= {"protocol", "dataset", "valid", "test", "best_epoch", "seconds", "seed", "commit"}
    assert result["test"].keys() >= {"recall@5", "ndcg@5", "recall@1"}
    lines = read_json_lines(directory / "metrics.jsonl")
    best = max((line for line in lines if line["kind"] == "valid"), key=lambda line: line["recall@5"])
    assert unbroken.best_epoch == best["epoch"]
    assert unbroken.valid["recall@5"] == best["recall@5"]
    assert json.loads((directory / "config.json").read_text())["model"]["dim"] == 8
    assert json.loads((directory / "environment.json").read_text())
    assert pq.read_table(directory / "per_user.parquet").num_rows == 12
    with np.load(directory / "vectors.npz") as stored:
        assert stored["users"].shape == (12, 8)


def test_a_finished_run_is_read_not_run(unbroken: RunResult, experiment: Experiment) -> None:
    before = (unbroken.directory / "metrics.jsonl").stat().st_mtime_ns
    assert train(experiment, workdir=unbroken.directory, quiet=True).test == unbroken.test
    assert (unbroken.directory / "metrics.jsonl").stat().st_mtime_ns == before


def test_seeds_decide_and_repeat(unbroken: RunResult, experiment: Experiment, tmp_path: Path) -> None:
    same = train(experiment, workdir=tmp_path / "same", quiet=True)
    assert metrics(same.directory) == metrics(unbroken.directory)
    other = train(replace(experiment, seed=1), workdir=tmp_path / "other", quiet=True)
    assert metrics(other.directory) != metrics(unbroken.directory)


def test_chunks_and_logs_do_not_change_the_course(unbroken: RunResult, experiment: Experiment, tmp_path: Path) -> None:
    whole = replace(experiment, loop=replace(experiment.loop, steps_per_call=512, tensorboard=True))
    result = train(whole, workdir=tmp_path / "run", quiet=True)
    assert dict(result.test) == dict(unbroken.test)
    assert list((tmp_path / "run" / "tensorboard").iterdir())


@pytest.mark.parametrize("stop_after", [2, 7])
def test_a_stopped_run_goes_on_as_if_unbroken(
    unbroken: RunResult, experiment: Experiment, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recgoat_jax.training import fit

    calls = 0

    def stop(self: object) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_after:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(fit.Fit, "_show", lambda self, rate: stop(self))
        with pytest.raises(KeyboardInterrupt):
            train(experiment, workdir=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "result.json").exists()
    result = train(experiment, workdir=tmp_path / "run", quiet=True)
    assert dict(result.test) == dict(unbroken.test)
    assert result.best_epoch == unbroken.best_epoch
    assert metrics(result.directory) == metrics(unbroken.directory)


def test_early_stopping_counts_misses(experiment: Experiment, tmp_path: Path) -> None:
    # A learning rate of nearly zero: the first validation is the best, and three more are tolerated.
    still = replace(
        experiment,
        optimizer=OptimizerConfig(learning_rate=1e-12),
        loop=replace(experiment.loop, patience=3, max_epochs=50),
    )
    result = train(still, workdir=tmp_path / "run", quiet=True)
    assert (result.best_epoch, result.epochs) == (1, 5)


def test_a_non_finite_loss_stops_and_names_the_step(experiment: Experiment, tmp_path: Path) -> None:
    wild = replace(experiment, optimizer=OptimizerConfig(learning_rate=1e30), model=LightGcnConfig(dim=8))
    with pytest.raises(RunStoppedError, match=r"not finite at step [2-9]\b.*last good checkpoint is kept") as caught:
        train(wild, workdir=tmp_path / "run", quiet=True)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "run" / "result.json").exists()


def test_another_experiment_is_refused(unbroken: RunResult, experiment: Experiment) -> None:
    other = replace(experiment, model=replace(experiment.model, regularization_weight=0.5))
    with pytest.raises(UsageError, match=r"model.regularization_weight: stored 0.001, given 0.5"):
        train(other, workdir=unbroken.directory, quiet=True)


def test_two_runs_in_one_directory_are_refused(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with run_lock(tmp_path / "run"), pytest.raises(RunStoppedError, match=f"process {os.getpid()}"):
        train(experiment, workdir=tmp_path / "run", quiet=True)


def test_a_model_without_parameters_is_evaluated_as_it_is(experiment: Experiment, tmp_path: Path) -> None:
    result = train(replace(experiment, model=MostPopularConfig()), workdir=tmp_path / "run", quiet=True)
    assert (result.best_epoch, result.epochs) == (0, 0)
    assert result.test["recall@5"] >= 0


@pytest.mark.parametrize("metric", ["Recall@20", "recall@020", "recall"])
def test_a_metric_that_nobody_computes_is_refused(metric: str) -> None:
    with pytest.raises(
        ValueError, match=rf"selection_metric is '{metric}'; expected one of recall, .*cut-offs \[5, 10"
    ):
        LoopConfig(selection_metric=metric)


def test_dead_selection_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="at one of the cut-offs"):
        LoopConfig(selection_metric="recall@7")


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.1, 0.4, 0.9, 1.5, 2.2])
def test_killed_at_any_moment_a_run_gives_the_same_result(
    unbroken: RunResult, experiment: Experiment, prepared: Path, tmp_path: Path, delay: float
) -> None:
    command = [
        *(sys.executable, "-m", "recgoat_jax.cli.main", "train", "bpr", "--data", str(prepared), "--quiet"),
        *("--workdir", str(tmp_path / "run"), "--name", "bpr", "--model.dim", "8"),
        *("--model.regularization-weight", "0.001", "--model.initialization", "normal"),
        *("--optimizer.learning-rate", "0.02", "--loop.batch-size", "16", "--loop.max-epochs", "12"),
        *("--loop.patience", "12", "--loop.selection-metric", "recall@5", "--loop.cutoffs", "1", "5"),
        *("--loop.checkpoint-seconds", "0", "--loop.no-tensorboard", "--loop.steps-per-call", "3"),
    ]
    process = subprocess.Popen(command)
    log = tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and not log.exists():
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.wait()
    assert subprocess.run(command, check=False).returncode == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test"] == dict(unbroken.test)
    assert result["valid"] == dict(unbroken.valid)
    assert metrics(tmp_path / "run") == metrics(unbroken.directory)
