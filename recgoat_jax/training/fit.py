"""The loop of one run: epochs in calls of a jitted program, validation, early stopping, saves, stops.

Over several processes all of them run it. What one alone can know, the time and the signals, they settle between calls,
so that all do the same number of steps and save and stop together.
"""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from recgoat_jax.errors import NonFiniteLossError
from recgoat_jax.models.protocols import Vectors
from recgoat_jax.progress import ProgressLine, duration
from recgoat_jax.training.batches import bijective_order, epoch_order
from recgoat_jax.training.checkpoint import Checkpoints
from recgoat_jax.training.experiment import LoopConfig
from recgoat_jax.training.hosts import gathered
from recgoat_jax.training.interrupts import Interrupts
from recgoat_jax.training.keys import Tag, tagged_key
from recgoat_jax.training.prepared import Validated
from recgoat_jax.training.step import AnyPairs, Program, StepRecord, TrainState
from recgoat_jax.training.writers import MetricsWriter, NoWriter


@runtime_checkable
class StudyTrial(Protocol):
    """What a run knows of the study that it is a trial of (`recgoat_jax.training.tuning`); of one process alone.

    Attributes:
        title: head of the progress line.
    """

    title: str

    def ends_after(self, epoch: int, best_value: float) -> bool:
        """Whether the run ends here, as it does by early stopping; asked after each validation.

        Args:
            epoch: epochs done.
            best_value: the best validation value of the selection metric so far.
        """
        ...


@dataclass
class Progress:
    """The host's side of the state, saved with it."""

    epoch: int = 0
    row: int = 0
    best_value: float = -math.inf
    best_epoch: int = 0
    best_step: int = 0
    misses: int = 0
    seconds: float = 0.0
    sums: dict[str, float] | None = None
    ended: bool = False


class Fit:
    """The loop of one run.

    Args:
        loop: settings.
        program: the jitted functions.
        pairs: training pairs.
        validator: from vectors to validation metrics.
        checkpoints: where the state is saved.
        interrupts: signals that have come to this process.
        workdir: the run directory, for messages.
        line: progress line; None: quiet.
        trial: what may end the run early; None: nothing.
    """

    def __init__(
        self,
        loop: LoopConfig,
        *,
        program: Program,
        pairs: AnyPairs,
        validator: Callable[[Vectors], Validated],
        checkpoints: Checkpoints,
        interrupts: Interrupts,
        workdir: Path,
        line: ProgressLine | None,
        trial: StudyTrial | None = None,
    ) -> None:
        self.loop, self.program, self.pairs, self.validator = loop, program, pairs, validator
        self.checkpoints, self.interrupts = checkpoints, interrupts
        self.workdir, self.line, self.trial = workdir, line, trial
        self.progress = Progress()
        self.saved_at = time.monotonic()
        self.clock = time.monotonic()
        # Nobody knows yet how long a step takes: one step, then as many as the time for a call holds.
        self.next_steps = 1
        self._compiled = False

    def run(self, state: TrainState, writer: Callable[[int], MetricsWriter | NoWriter]) -> tuple[TrainState, Progress]:
        """Trains until early stopping, the end of its trial, or the last epoch.

        Args:
            state: at the start, in case nothing is saved.
            writer: opens the log, given the step that it goes on from.

        Returns:
            The last state, and where the best one is.
        """
        if not self.program.has_params:
            return state, self.progress
        if (restored := self.checkpoints.restore_last(state)) is not None:
            state, stored = restored
            self.progress = Progress(**stored)
            if self.line:
                self.line.show(f"goes on after step {int(state.step)}", final=True)
        self.clock = time.monotonic()
        with writer(int(state.step)) as log:
            while self._goes_on():
                state = self._epoch(state, log)
                progress = self.progress
                if progress.epoch % self.loop.evaluate_every == 0 or progress.epoch == self.loop.max_epochs:
                    self._validate(state, log)
                self._settle(state)
        self._save(state)
        self.checkpoints.wait()
        return state, self.progress

    def _goes_on(self) -> bool:
        progress, loop = self.progress, self.loop
        return progress.epoch < loop.max_epochs and progress.misses <= loop.patience and not progress.ended

    def _epoch(self, state: TrainState, log: MetricsWriter | NoWriter) -> TrainState:
        """The rest of the present epoch."""
        progress, pairs = self.progress, self.pairs
        rows_of = self._order(state)
        started, first, rate = time.monotonic(), progress.row, 0.0
        while progress.row < pairs.steps:
            count = min(self.next_steps, pairs.steps - progress.row)
            called = time.monotonic()
            state, record = self.program.run_steps(
                state, self.program.constants, pairs, rows_of(progress.row), np.int32(count)
            )
            self._account(jax.tree.map(lambda rows, count=count: np.asarray(rows, np.float64)[:count], record), state)
            self._plan_next_call(count, time.monotonic() - called)
            progress.row += count
            rate = (progress.row - first) * pairs.batch_size / max(time.monotonic() - started, 1e-9)
            self._show(rate)
            if progress.row < pairs.steps:
                self._settle(state)
        sums = progress.sums or {}
        log.write(
            "train",
            epoch=progress.epoch + 1,
            step=int(state.step),
            scalars={name: value / pairs.steps for name, value in sums.items()}
            | {"examples_per_second": round(rate, 1), "seconds": round(self._seconds(), 3)},
        )
        progress.epoch, progress.row, progress.sums = progress.epoch + 1, 0, None
        return state

    def _order(self, state: TrainState) -> Callable[[int], Int[Array, "steps batch"]]:
        """The epoch's order: from its row to as many rows as a call may do."""
        pairs, longest = self.pairs, min(self.loop.steps_per_call, self.pairs.steps)
        key = tagged_key(state.root, Tag.SHUFFLE, self.progress.epoch)
        sizes = {"num_pairs": pairs.num_pairs, "batch_size": pairs.batch_size}
        match self.loop.shuffle:
            case "permutation":
                # Rows of padding behind the last, so that every slice is as long: one program serves all.
                order = jnp.pad(epoch_order(key, **sizes), ((0, longest), (0, 0)), constant_values=pairs.num_pairs)
                return lambda row: order[row : row + longest]
            case "bijection":
                return lambda row: bijective_order(key, np.int32(row), steps=longest, **sizes)

    def _plan_next_call(self, steps: int, seconds: float) -> None:
        """How many steps the next call has; the first one says nothing, for it compiled."""
        if self._compiled:
            wanted = self.loop.seconds_per_call * steps / max(seconds, 1e-9)
            self.next_steps = int(min(max(1.0, wanted), 8 * self.next_steps, self.loop.steps_per_call))
        self._compiled = True

    def _account(self, record: StepRecord, state: TrainState) -> None:
        """Adds a call's records to the epoch's sums; stops the run where the loss or its gradient is no number."""
        finite = np.isfinite(record.loss) & np.isfinite(record.gradient_norm)
        if not finite.all():
            step = int(state.step) - len(finite) + int(np.flatnonzero(~finite)[0]) + 1
            what = "gradient of the loss" if np.isfinite(record.loss[~finite][0]) else "loss"
            terms = {name: float(values[~finite][0]) for name, values in record.terms.items()}
            self.checkpoints.wait()
            raise NonFiniteLossError(
                f"{self.workdir}: the {what} is not finite at step {step} (terms: {terms}); expected a number. The "
                "last good checkpoint is kept. Lower the learning rate, or look at the features for extreme values."
            )
        sums = dict(self.progress.sums or {})
        columns = {"loss": record.loss, "gradient_norm": record.gradient_norm}
        columns |= {f"loss/{name}": values for name, values in record.terms.items()}
        for name, values in columns.items():
            # One after the other, so that the sum does not depend on where calls end.
            for value in values.tolist():
                sums[name] = sums.get(name, 0.0) + value
        self.progress.sums = sums

    def _validate(self, state: TrainState, log: MetricsWriter | NoWriter) -> None:
        """Validates, and keeps the parameters if they are the best so far."""
        progress = self.progress
        vectors, diagnostics = self.program.outputs(state.params, self.program.constants)
        result = self.validator(vectors)
        scalars = dict(result.means) | {name: float(value) for name, value in diagnostics.items()}
        log.write("valid", epoch=progress.epoch, step=int(state.step), scalars=scalars)
        value = result.means[self.loop.selection_metric]
        if value > progress.best_value:
            progress.best_value, progress.best_epoch, progress.misses = value, progress.epoch, 0
            progress.best_step = int(state.step)
            self.checkpoints.save_best(progress.best_step, state.params)
        else:
            progress.misses += 1
        if self.trial is not None:
            progress.ended = self.trial.ends_after(progress.epoch, progress.best_value)

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.clock

    def _settle(self, state: TrainState) -> None:
        """Between calls: saves when the last save is old enough, stops if a signal has come to any process."""
        due = time.monotonic() - self.saved_at >= self.loop.checkpoint_seconds
        received = 0 if self.interrupts.received is None else int(self.interrupts.received)
        all_say = gathered(np.array([received, due, self.next_steps]))
        # A signal counts wherever it came; the clock is that of process 0.
        received, due, self.next_steps = int(all_say[:, 0].max()), bool(all_say[0, 1]), int(all_say[0, 2])
        if received or due:
            self._save(state)
        if received:
            self.checkpoints.wait()
            if self.line:
                self.line.show(f"saved at epoch {self.progress.epoch}", final=True)
            self.interrupts.received = signal.Signals(received)
            self.interrupts.raise_if_any()

    def _save(self, state: TrainState) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self.clock
        self.clock = self.saved_at = now
        self.checkpoints.save_last(state, asdict(self.progress))

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


__all__ = ["Fit", "Progress", "StudyTrial"]
