"""SIGTERM and Ctrl-C: noted when they come, obeyed at the next step boundary, after the state is saved.

Before and after training there is nothing to save: then SIGTERM, too, ends the run at once.
"""

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
def stopping_at_once() -> Iterator[None]:
    """Lets SIGTERM end the block where it is, as Ctrl-C does; within it `catch_interrupts` may put it off.

    Raises:
        SavedAndStopped: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped: list[SavedAndStopped] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(
            SavedAndStopped("stopped by SIGTERM; what was saved before is kept. Start the same command again to go on.")
        )
        raise stopped[0]

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Exception as error:
        # A library in between may have made another error of it.
        if stopped and error is not stopped[0]:
            raise stopped[0] from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


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


__all__ = ["Interrupts", "catch_interrupts", "stopping_at_once"]
