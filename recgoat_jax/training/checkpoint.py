"""Checkpoints: the last state for going on, the best parameters for the result. Everything orbax is in this file.

Two managers, because the newest step must survive when it is not the best. Saves are asynchronous and atomic: a run
killed while saving finds the save before it. Over a mesh every process writes what its devices hold; a save says for
how many shards its rows are laid out, and goes on with any other number, on any number of processes. Beside them lie
the settings of their run, so that no other run goes on from them.
"""

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from flax import nnx

from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.files import CONFIG_FILE
from recgoat_jax.training.buckets import write_whole
from recgoat_jax.training.layout import Layout
from recgoat_jax.training.result import check_same_run
from recgoat_jax.training.step import TrainState

_Json = ocp.args.JsonRestore
_KINDS = ("last", "best")


def claim(directory: epath.Path, config: Mapping[str, Any]) -> None:
    """Makes a directory that of the checkpoints of a run; on the first process.

    Args:
        directory: where they lie, or will.
        config: settings of the run, with the hash of its data.

    Raises:
        UsageError: checkpoints of another run lie there, or of one that they do not name.
        DataError: the settings beside them cannot be read.
    """
    if (directory / CONFIG_FILE).exists():
        check_same_run(directory, config, holds="the checkpoints", option="--checkpoints")
        return
    if any((directory / kind).exists() for kind in _KINDS):
        raise UsageError(
            f"{directory}: found checkpoints without the {CONFIG_FILE} of their run; expected those of this run, or "
            "none. Choose another --checkpoints, or delete this one."
        )
    write_whole(directory / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: where they lie; a bucket path (``gs://...``) or a directory that all processes see. Made when
            missing.
        layout: how the state's rows are laid out.
    """

    def __init__(self, directory: epath.PathLike, *, layout: Layout) -> None:
        self.directory = epath.Path(directory)
        self._layout = layout
        self._last, self._best = (
            ocp.CheckpointManager(
                self.directory.resolve() / name,
                options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, enable_async_checkpointing=True),
            )
            for name, keep in zip(_KINDS, (1, None), strict=True)
        )
        # The step of the best parameters that the newest state names: those before it nobody needs any more.
        self._named = 0

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
        if self._last.latest_step() != step:
            self._save(self._last, step, _parts(state), progress)
            self._named = int(progress.get("best_step", 0))

    def restore_last(self, example: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest complete save.

        Args:
            example: a state of the present run.

        Returns:
            The state, laid out and placed as the example, and the progress saved with it; None where there is no
            complete save. Bit for bit what was saved.

        Raises:
            DataError: the save does not fit the example.
        """
        step = self._last.latest_step()
        if step is None:
            return None
        restored, progress = self._restore(self._last, step, _parts(example))
        self._named = int(progress.get("best_step", 0))
        return TrainState(**restored, root=example.root), progress

    def save_best(self, step: int, params: nnx.State) -> None:
        """Saves the best parameters so far; those before it are kept until a saved state names these."""
        self.wait()
        # Later ones are of a run that was ended after its last state; orbax takes no step below its latest. On other
        # devices this one may differ in the last bits, so that not even the same step is taken over.
        self._remove_bests(lambda saved: saved >= step)
        self._save(self._best, step, params, {})

    def restore_best(self, step: int, example: nnx.State) -> Any:
        """The best parameters, saved at ``step``; an ``nnx.State`` like the example."""
        return self._restore(self._best, step, example)[0]

    def keep_best(self, step: int) -> None:
        """Removes all parameters but those of the result, when the run has ended."""
        self.wait()
        self._remove_bests(lambda saved: saved != step)

    def restore_latest_best(self, example: nnx.State) -> Any:
        """The best parameters that were saved last: those of the result, of a finished run."""
        step = self._best.latest_step()
        if step is None:
            raise DataError.at(
                self.directory, found="no complete save", expected="the best parameters", action="Train the run again."
            )
        return self.restore_best(step, example)

    def wait(self) -> None:
        """Returns when every save is on disk."""
        self._last.wait_until_finished()
        self._best.wait_until_finished()
        self._remove_bests(lambda saved: saved < self._named)

    def _remove_bests(self, unwanted: Callable[[int], bool]) -> None:
        for step in self._best.all_steps():
            if unwanted(step):
                self._best.delete(step)

    def _save(self, manager: ocp.CheckpointManager, step: int, tree: Any, progress: Mapping[str, Any]) -> None:
        # One save at a time. The state names its best step, which must be whole before it; and over several processes
        # the two managers would meet at one barrier.
        self.wait()
        manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(tree),
                progress=ocp.args.JsonSave(dict(progress)),
                layout=ocp.args.JsonSave({"shards": self._layout.shards}),
            ),
        )

    def _restore(self, manager: ocp.CheckpointManager, step: int, example: Any) -> tuple[Any, dict[str, Any]]:
        try:
            found = manager.restore(step, args=ocp.args.Composite(progress=_Json(), layout=_Json()))
            shards = int(found["layout"]["shards"])
            same = shards == self._layout.shards
            target = (
                jax.tree.map(ocp.utils.to_shape_dtype_struct, example)
                if same
                else self._layout.in_save(example, shards)
            )
            saved = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise DataError.at(
                self.directory / manager.directory.name / str(step),
                found="a checkpoint that does not fit this model or is damaged",
                expected="the state of the same experiment",
                action="Choose another run directory, or delete this one to start afresh.",
            ) from error
        return saved if same else self._layout.moved(saved, shards, example), dict(found["progress"])


def _parts(state: TrainState) -> dict[str, Any]:
    """What of a state is saved; its key is that of the seed."""
    return {name: value for name, value in state.__dict__.items() if name != "root"}


__all__ = ["Checkpoints", "claim"]
