"""A run, from an experiment to a run directory, top to bottom.

The directory holds ``config.json``, ``environment.json``, ``metrics.jsonl``, ``result.json``, ``per_user.parquet``,
``vectors.npz`` and ``checkpoints/``. A run that was stopped in any way, SIGKILL included, goes on from its last save
and gives bit for bit what an unbroken one gives. A finished run is not run again: its result is read.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import load_data
from recgoat_jax.errors import RunStoppedError, UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.files import CONFIG_FILE, ENVIRONMENT_FILE, RESULT_FILE, write_atomically
from recgoat_jax.models.build import build_model
from recgoat_jax.training.batches import TrainingPairs, epoch_order
from recgoat_jax.training.checkpoint import Checkpoints
from recgoat_jax.training.environment import environment
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.interrupts import Interrupts, catch_interrupts
from recgoat_jax.training.keys import Tag, tagged_key
from recgoat_jax.training.lock import run_lock
from recgoat_jax.training.optimizer import make_optimizer
from recgoat_jax.training.progress import ProgressLine, duration
from recgoat_jax.training.result import RunResult, check_same_run, read_result, write_result
from recgoat_jax.training.step import Program, StepRecord, TrainState
from recgoat_jax.training.writers import MetricsWriter, stopping_where_nothing_can_be_written


@dataclass
class _Progress:
    """The host's side of the state, saved with it."""

    epoch: int = 0
    row: int = 0
    best_value: float = -math.inf
    best_epoch: int = 0
    best_step: int = 0
    misses: int = 0
    seconds: float = 0.0
    sums: dict[str, float] | None = None


def train(experiment: Experiment, *, workdir: Path, quiet: bool = False) -> RunResult:
    """Runs an experiment, or goes on with it, or reads its result.

    Args:
        experiment: data, model, optimiser, loop, seed.
        workdir: the run directory; made when missing.
        quiet: no progress line.

    Returns:
        The result, as in ``result.json``.

    Raises:
        UsageError: the directory holds a run of another experiment.
        DataError: the data is missing or has changed.
        RunStoppedError: non-finite loss, another run at work in the directory, or no room or permission to write there.
        SavedAndStopped: SIGTERM came; the state is saved.
    """
    line = None if quiet else ProgressLine(experiment.name)
    _make_directory(workdir)
    with stopping_where_nothing_can_be_written(workdir), run_lock(workdir):
        # ---- Data: prepared on first use, read and verified afterwards.
        directory, dataset = load_data(experiment.data)
        config = to_json(experiment) | {
            "dataset_directory": str(directory.resolve()),
            "dataset_hash": dataset.manifest.hash,
        }
        check_same_run(workdir, config)
        if (finished := read_result(workdir)) is not None:
            if line:
                line.show(f"finished already; the result is in {workdir / RESULT_FILE}", final=True)
            return finished
        write_atomically(workdir / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
        described = environment()
        write_atomically(workdir / ENVIRONMENT_FILE, json.dumps(described, indent=2) + "\n")

        # ---- Model: taken apart once; graphs and features are arguments of the step, not part of its program.
        root = jax.random.key(experiment.seed)
        model = build_model(experiment.model, dataset, rngs=nnx.Rngs(params=tagged_key(root, Tag.INITIALIZATION, 0)))
        pairs = TrainingPairs.from_dataset(dataset, batch_size=experiment.loop.batch_size)
        program = Program(model, make_optimizer(experiment.optimizer, steps_per_epoch=pairs.steps))

        # ---- Training, with validation and saves.
        with catch_interrupts() as interrupts, Checkpoints(workdir / "checkpoints") as checkpoints:
            fit = _Fit(experiment, dataset, program, pairs, checkpoints, interrupts, workdir, line)
            state, progress = fit.run(program.initial_state(root))
            params = state.params
            if progress.best_step:
                params = checkpoints.restore_best(progress.best_step, state.params)

        # ---- Result: the validation-selected parameters, tested once.
        vectors, _ = program.outputs(params, program.constants)
        cutoffs = experiment.loop.cutoffs
        valid = fit.validator(vectors)
        test = Evaluator(dataset, "test", cutoffs=cutoffs)(vectors)
        result = RunResult(
            directory=workdir,
            name=experiment.name,
            model=type(experiment.model).__name__.removesuffix("Config"),
            protocol=dataset.manifest.protocol,
            dataset=dataset.manifest.hash,
            dataset_name=dataset.manifest.name,
            valid=valid.means,
            test=test.means,
            best_epoch=progress.best_epoch,
            epochs=progress.epoch,
            seconds=round(progress.seconds, 3),
            seed=experiment.seed,
            commit=described.get("commit"),
        )
        write_result(result, vectors, test)
        if line:
            shown = ", ".join(
                f"{name} {result.test[name]:.4f}" for name in ("recall@10", "ndcg@10") if name in test.means
            )
            line.show(f"test {shown} (epoch {result.best_epoch}, {duration(result.seconds)})", final=True)
        return result


class _Fit:
    """The loop of one run: epochs, validation, early stopping, saves."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        program: Program,
        pairs: TrainingPairs,
        checkpoints: Checkpoints,
        interrupts: Interrupts,
        workdir: Path,
        line: ProgressLine | None,
    ) -> None:
        self.experiment, self.loop = experiment, experiment.loop
        self.program, self.pairs = program, pairs
        self.checkpoints, self.interrupts = checkpoints, interrupts
        self.workdir, self.line = workdir, line
        self.validator = Evaluator(dataset, "valid", cutoffs=self.loop.cutoffs)
        self.progress = _Progress()
        self.saved_at = time.monotonic()
        self.clock = time.monotonic()

    def run(self, state: TrainState) -> tuple[TrainState, _Progress]:
        """Trains until early stopping or the last epoch; returns the last state."""
        if not self.program.has_params:
            return state, self.progress
        if (restored := self.checkpoints.restore_last(state)) is not None:
            state, stored = restored
            self.progress = _Progress(**stored)
        self.clock = time.monotonic()
        with MetricsWriter(self.workdir, after_step=int(state.step), tensorboard=self.loop.tensorboard) as writer:
            while self.progress.epoch < self.loop.max_epochs and self.progress.misses <= self.loop.patience:
                state = self._epoch(state, writer)
                progress = self.progress
                if progress.epoch % self.loop.evaluate_every == 0 or progress.epoch == self.loop.max_epochs:
                    self._validate(state, writer)
                self._save(state)
                self._stop_if_asked(state)
        self._save(state, force=True)
        self.checkpoints.wait()
        return state, self.progress

    def _epoch(self, state: TrainState, writer: MetricsWriter) -> TrainState:
        """The rest of the present epoch, in calls of at most ``steps_per_call`` steps."""
        progress, pairs = self.progress, self.pairs
        order = epoch_order(
            tagged_key(state.root, Tag.SHUFFLE, progress.epoch),
            num_pairs=len(pairs.users),
            batch_size=pairs.batch_size,
        )
        started = time.monotonic()
        first, rate = progress.row, 0.0
        while progress.row < pairs.steps:
            rows = order[progress.row : progress.row + self.loop.steps_per_call]
            state, record = self.program.run_steps(state, self.program.constants, pairs, rows)
            self._account(record, state)
            progress.row += len(rows)
            rate = (progress.row - first) * pairs.batch_size / max(time.monotonic() - started, 1e-9)
            self._show(rate)
            if progress.row < pairs.steps:
                self._save(state)
                self._stop_if_asked(state)
        sums = progress.sums or {}
        writer.write(
            "train",
            epoch=progress.epoch + 1,
            step=int(state.step),
            scalars={name: value / pairs.steps for name, value in sums.items()}
            | {"examples_per_second": round(rate, 1), "seconds": round(self._seconds(), 3)},
        )
        progress.epoch, progress.row, progress.sums = progress.epoch + 1, 0, None
        return state

    def _account(self, record: StepRecord, state: TrainState) -> None:
        """Adds a call's records to the epoch's sums; stops the run at a non-finite loss."""
        losses = np.asarray(record.loss, np.float64)
        if not np.isfinite(losses).all():
            step = int(state.step) - len(losses) + int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
            terms = {name: float(np.asarray(values)[~np.isfinite(losses)][0]) for name, values in record.terms.items()}
            self.checkpoints.wait()
            raise RunStoppedError(
                f"{self.workdir}: the loss is not finite at step {step} (terms: {terms}); expected a number. The last "
                "good checkpoint is kept. Lower the learning rate, or look at the features for extreme values."
            )
        sums = dict(self.progress.sums or {})
        columns = {"loss": losses, "gradient_norm": np.asarray(record.gradient_norm, np.float64)}
        columns |= {f"loss/{name}": np.asarray(values, np.float64) for name, values in record.terms.items()}
        for name, values in columns.items():
            sums[name] = sums.get(name, 0.0) + float(values.sum())
        self.progress.sums = sums

    def _validate(self, state: TrainState, writer: MetricsWriter) -> None:
        """Validates, and keeps the parameters if they are the best so far."""
        progress = self.progress
        vectors, diagnostics = self.program.outputs(state.params, self.program.constants)
        result = self.validator(vectors)
        scalars = dict(result.means) | {name: float(value) for name, value in diagnostics.items()}
        writer.write("valid", epoch=progress.epoch, step=int(state.step), scalars=scalars)
        value = result.means[self.loop.selection_metric]
        if value > progress.best_value:
            progress.best_value, progress.best_epoch, progress.misses = value, progress.epoch, 0
            progress.best_step = int(state.step)
            self.checkpoints.save_best(progress.best_step, state.params)
        else:
            progress.misses += 1

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.clock

    def _save(self, state: TrainState, *, force: bool = False) -> None:
        """Saves the state when the last save is old enough."""
        if force or time.monotonic() - self.saved_at >= self.loop.checkpoint_seconds:
            now = time.monotonic()
            self.progress.seconds += now - self.clock
            self.clock = self.saved_at = now
            self.checkpoints.save_last(state, asdict(self.progress))

    def _stop_if_asked(self, state: TrainState) -> None:
        if self.interrupts.received is not None:
            self._save(state, force=True)
            self.checkpoints.wait()
            if self.line:
                self.line.show(f"saved at epoch {self.progress.epoch}", final=True)
            self.interrupts.raise_if_any()

    def _show(self, rate: float) -> None:
        if self.line is None:
            return
        progress, loop = self.progress, self.loop
        done = progress.epoch + progress.row / self.pairs.steps
        loss = (progress.sums or {})["loss"] / max(progress.row, 1)
        # Early stopping ends most runs: from here, at most this many epochs unless validation improves again.
        left = min(loop.max_epochs - done, (loop.patience - progress.misses + 1) * loop.evaluate_every)
        seconds = left * self._seconds() / max(done, 1e-9)
        best = (
            f"best {loop.selection_metric} {progress.best_value:.4f} at epoch {progress.best_epoch}"
            if progress.best_epoch
            else "no validation yet"
        )
        self.line.show(
            f"epoch {done:.0f}, loss {loss:.4f}, {rate / 1000:.0f}k examples/s, {best}, "
            f"ends in {duration(seconds)} unless it improves"
        )


def _make_directory(workdir: Path) -> None:
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{workdir}: cannot make the run directory ({error.strerror}); expected a directory that can be written. "
            "Choose another one with --workdir."
        ) from error


__all__ = ["train"]
