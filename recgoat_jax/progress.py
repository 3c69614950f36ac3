"""One live line on a terminal or in a notebook; plain lines, now and then, anywhere else."""

import sys
import time
from typing import TextIO


def duration(seconds: float) -> str:
    """``3:05`` or ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


class ProgressLine:
    """Shows where a run is.

    Args:
        name: name of the run, at the head of the line.
        stream: where to write; None is standard error.
        every: seconds between plain lines where no line can be written over.
    """

    def __init__(self, name: str, *, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        # The output of a notebook's cell is no terminal, and goes back to the start of the line like one.
        self._live = self._stream.isatty() or type(self._stream).__module__ == "ipykernel.iostream"
        self._every = 0.1 if self._live else every
        self._shown_at = float("-inf")
        self._width = 0

    def show(self, text: str, *, final: bool = False) -> None:
        """Shows a status, unless one was shown a moment ago; a final one always, and it stays."""
        now = time.monotonic()
        if not final and now - self._shown_at < self._every:
            return
        self._shown_at = now
        line = f"{self._name}: {text}"
        if self._live:
            self._stream.write("\r" + line.ljust(self._width) + ("\n" if final else ""))
            self._width = 0 if final else len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()


__all__ = ["ProgressLine", "duration"]
