"""SIGTERM and Ctrl-C: noted when they come, obeyed at the next step boundary, after the state is saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from recgoat_jax.errors import SavedAndStopped


class Interrupts:
    """What has come so far."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def raise_if_any(self) -> None:
        """Ends the run, once its state is saved, in the way that the signal asks for.

        Raises:
            SavedAndStopped: after SIGTERM.
            KeyboardInterrupt: after Ctrl-C.
        """
        if self.received is signal.SIGTERM:
            raise SavedAndStopped("stopped by SIGTERM; the state is saved. Start the same command again to go on.")
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt


@contextmanager
def catch_interrupts() -> Iterator[Interrupts]:
    """Catches both signals while the block runs; a second Ctrl-C ends the run at once."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and interrupts.received is signal.SIGINT:
            raise KeyboardInterrupt
        interrupts.received = signal.Signals(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Interrupts", "catch_interrupts"]
