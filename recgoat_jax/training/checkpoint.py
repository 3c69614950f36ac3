"""Checkpoints: the last state for going on, the best parameters for the result. Everything orbax is in this file.

Two managers, because the newest step must survive when it is not the best. Saves are asynchronous and atomic: a run
killed while saving finds the save before it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import nnx

from recgoat_jax.errors import DataError
from recgoat_jax.training.step import TrainState


def _abstract(tree: Any) -> Any:
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


class Checkpoints:
    """The checkpoints of one run directory.

    Args:
        directory: ``checkpoints/`` of the run; made when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True, enable_async_checkpointing=True)
        self._last = ocp.CheckpointManager((directory / "last").resolve(), options=options)
        self._best = ocp.CheckpointManager((directory / "best").resolve(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last.close()
        self._best.close()

    def save_last(self, state: TrainState, progress: Mapping[str, Any]) -> None:
        """Saves the whole state and the host's progress under the state's step; returns before it is on disk."""
        step = int(state.step)
        if self._last.latest_step() == step:
            return
        # The state names its best step: that save must be whole before this one can be.
        self._best.wait_until_finished()
        self._last.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state.__dict__), progress=ocp.args.JsonSave(dict(progress))
            ),
        )

    def restore_last(self, example: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest complete save.

        Args:
            example: a state of the right shapes.

        Returns:
            The state and the progress saved with it; None where there is no complete save.

        Raises:
            DataError: the save does not fit the example.
        """
        step = self._last.latest_step()
        if step is None:
            return None
        try:
            restored = self._last.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(_abstract(example.__dict__)), progress=ocp.args.JsonRestore()
                ),
            )
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise DataError.at(
                self.directory / "last" / str(step),
                found="a checkpoint that does not fit this model or is damaged",
                expected="the state of the same experiment",
                action="Choose another run directory, or delete this one to start afresh.",
            ) from error
        return TrainState(**restored["state"]), dict(restored["progress"])

    def save_best(self, step: int, params: nnx.State) -> None:
        """Saves the best parameters so far; the one before is removed once this one is complete."""
        latest = self._best.latest_step()
        if latest == step:
            # A resumed run repeats steps that it had done, bit for bit: the save is there already.
            return
        if latest is not None and latest > step:
            # A later save, which the repetition will reach again; orbax takes no step below its latest.
            self._best.delete(latest)
        self._best.save(step, args=ocp.args.StandardSave(params))

    def restore_best(self, step: int, example: nnx.State) -> Any:
        """The best parameters, saved at ``step``; an ``nnx.State`` like the example."""
        return self._best.restore(step, args=ocp.args.StandardRestore(_abstract(example)))

    def wait(self) -> None:
        """Returns when every save is on disk."""
        self._last.wait_until_finished()
        self._best.wait_until_finished()


__all__ = ["Checkpoints"]
