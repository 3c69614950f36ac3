"""Logs of a run: JSON lines always, TensorBoard by default; and what happens when nothing can be written."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from recgoat_jax.errors import RunStoppedError
from recgoat_jax.files import METRICS_FILE, read_json_lines, write_atomically

_NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def stopping_where_nothing_can_be_written(directory: Path) -> Iterator[None]:
    """Turns a full disk or a directory without permission into an error that says so.

    Args:
        directory: the run directory, for the message.

    Raises:
        RunStoppedError: something in the block could not be written.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        # The checkpoint library wraps what the system says into a ValueError; the system's words are in both.
        reason = next((words for code in _NOT_WRITABLE if (words := os.strerror(code)) in str(error)), None)
        if reason is None:
            raise
        raise RunStoppedError(
            f"{directory}: found a run directory that cannot be written ({reason}); expected a writable one with "
            "enough room. Mend its permissions or space and start the same command again, which goes on from the last "
            "whole save, or choose another --workdir."
        ) from error


class MetricsWriter:
    """Appends records to ``metrics.jsonl`` and scalars to TensorBoard.

    Args:
        directory: the run directory.
        after_step: records beyond this step are cut off first: a resumed run writes them again.
        tensorboard: whether to write TensorBoard files as well.
    """

    def __init__(self, directory: Path, *, after_step: int, tensorboard: bool) -> None:
        path = directory / METRICS_FILE
        kept = [line for line in read_json_lines(path) if line["step"] <= after_step]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")
        self._board = None
        if tensorboard:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(str(directory / "tensorboard"), purge_step=after_step + 1)

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, kind: str, *, epoch: int, step: int, scalars: Mapping[str, float]) -> None:
        """Writes one record.

        Args:
            kind: ``"train"`` or ``"valid"``.
            epoch: epochs done.
            step: steps done.
            scalars: name to value.
        """
        record: dict[str, Any] = {"kind": kind, "epoch": epoch, "step": step, **scalars}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in scalars.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)


class NoWriter:
    """The log of a process that writes none."""

    def __enter__(self) -> "NoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace

    def write(self, kind: str, *, epoch: int, step: int, scalars: Mapping[str, float]) -> None:
        """Writes nothing."""
        del kind, epoch, step, scalars


__all__ = ["MetricsWriter", "NoWriter", "stopping_where_nothing_can_be_written"]
