"""One of several hosts, watched by a parent process that turns the end of the others into a message.

When a host goes, JAX's service ends the processes of all others from within its own threads: with SIGABRT and a stack
trace, where no Python code can catch it. The parent reads what the trainer says, forwards signals to it, and says in
plain words why it ended. If the parent is killed, the trainer ends, too.

The same service ends a trainer that leaves with an error of its own while the others go on. So a trainer tells the
parent its exit code before it leaves, and the parent then says nothing of others.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO

from recgoat_jax.cli.main import ended
from recgoat_jax.errors import RunStoppedError
from recgoat_jax.training.cluster import Cluster, HostsConfig
from recgoat_jax.training.hosts import leave, lost_contact

_WATCHED = "RECGOAT_WATCHED"
_PATIENCE = 5.0
"""Seconds that a trainer with an error waits for the others, which may have the same, before it leaves alone."""
_TAIL = 16_384
_NATIVE = re.compile(
    rb"    @ +(0x[0-9a-f]+|\(nil\))|\*\*\* Check failure stack trace|.*\[Gloo\] Rank|.*is connected to.*peer ranks|\s*$"
)
_DYING = "Terminating process because the JAX distributed service detected fatal errors"
# The three ways in which the service says that a process has gone, or, the last, that it is late.
_SILENT = r"tasks are unhealthy \(stopped sending heartbeats\):\s*\n((?:\d+\n)+)|Task (\d+) heartbeat timeout"
_LATE = r"(?s)Barrier timed out.*?Some timed out task names:\s*\n((?:\d+\n)+)"
_AGAIN = "Look at the log of that host, then start the same command on all hosts again: it goes on from the last save."


def is_watched(environ: Mapping[str, str]) -> bool:
    """Whether this process is a trainer with a parent that watches it."""
    return _WATCHED in environ


def end_with_parent(environ: Mapping[str, str]) -> None:
    """Ends this process when the parent that watches it has gone."""
    alive, _ = _pipes(environ)

    def wait() -> None:
        os.read(alive, 1)  # Nothing is ever written: it returns when the other end is closed.
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _pipes(environ: Mapping[str, str]) -> tuple[int, int]:
    alive, outcome = environ[_WATCHED].split(",")
    return int(alive), int(outcome)


def end_of_trainer(action: Callable[[], int], environ: Mapping[str, str]) -> int:
    """Runs the training of a watched process, says how it ended, and only then leaves the others.

    Args:
        action: trains; it returns the exit code.
        environ: environment variables, for the way to the parent.

    Returns:
        The exit code.
    """

    def contact_kept() -> int:
        try:
            return action()
        except Exception as error:
            if not lost_contact(error):
                raise
            reason = f"another process cannot be reached ({str(error).splitlines()[0]})"
            print(f"recgoat train: {reason}; waiting to hear which.", file=sys.stderr, flush=True)
            # The service finds out who has gone, and ends this process here; the parent says it.
            leave()
            raise RunStoppedError(f"{reason}. {_AGAIN}") from error

    try:
        code = ended("recgoat train", contact_kept)
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(_pipes(environ)[1], bytes([code]))
    if code != 0:
        alone = threading.Timer(_PATIENCE, os._exit, (code,))
        alone.daemon = True
        alone.start()
    leave()
    return code


def supervised(arguments: Sequence[str], *, cluster: Cluster, config: HostsConfig) -> int:
    """Runs ``recgoat train`` in a process of its own.

    Args:
        arguments: what follows ``recgoat train``.
        cluster: the other processes, for the message.
        config: time-outs, for the message.

    Returns:
        The exit code of the trainer.

    Raises:
        RunStoppedError: another host did not come, or has gone.
    """
    alive, lives = os.pipe()
    outcome, tells = os.pipe()
    trainer = subprocess.Popen(
        [sys.executable, "-m", "recgoat_jax.cli.main", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(alive, tells),
        env={**os.environ, _WATCHED: f"{alive},{tells}"},
        # A Ctrl-C at the terminal reaches this process alone, which forwards it: not twice.
        start_new_session=True,
    )
    os.close(alive)
    os.close(tells)

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        trainer.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert trainer.stdout is not None
        assert trainer.stderr is not None
        with trainer:
            results = threading.Thread(target=_passed_on, args=(trainer.stdout, sys.stdout))
            results.start()
            tail = _passed_on(trainer.stderr, sys.stderr)
            results.join()
        code = trainer.returncode
        told = os.read(outcome, 1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(lives)
        os.close(outcome)
    if told:
        return told[0]
    if code == -signal.SIGABRT and (reason := reason_of(tail, cluster=cluster, config=config)):
        raise RunStoppedError(reason)
    return 128 - code if code < 0 else code


def _passed_on(source: IO[bytes], target: IO[str]) -> str:
    """Copies what the trainer says, without the stack trace of a native abort and chatter; returns the end of it."""
    tail = b""
    for line in source:
        tail = (tail + line)[-_TAIL:]
        if not _NATIVE.match(line):
            target.write(line.decode(errors="replace"))
            target.flush()
    return tail.decode(errors="replace")


def reason_of(tail: str, *, cluster: Cluster, config: HostsConfig) -> str | None:
    """Why JAX's service ended a trainer.

    Args:
        tail: the last that it said.
        cluster: the processes.
        config: time-outs.

    Returns:
        What happened and what to do; None where the service says nothing.
    """
    _, dying, said = tail.partition(_DYING)
    if not dying:
        return None
    if "RegisterTask" in said and "DEADLINE_EXCEEDED" in said:
        where = f" at {cluster.coordinator}" if cluster.coordinator else ""
        return (
            f"not all processes have met{where} within {config.start_timeout} s; expected each to start with the same "
            "coordinator, the same number of processes and a number of its own. Check that all have been started, that "
            "the port is open between them, and that no number is given twice. --start-timeout waits longer."
        )
    if found := re.search(_SILENT, said):
        numbers = ", ".join((found[1] or found[2]).split())
        seconds = config.silence_timeout
        return f"process {numbers} has gone: no sign of life for {seconds} s; expected all to stay. {_AGAIN}"
    if "Failed to send RPC to coordination service" in said:
        return f"process 0 has gone, or cannot be reached; expected all to stay. {_AGAIN}"
    if found := re.search(_LATE, said):
        numbers = ", ".join(found[1].split())
        return (
            f"process {numbers} has not ended within {config.silence_timeout} s of the others; expected all to end "
            f"together. It has not gone, but hangs or is slow. {_AGAIN}"
        )
    status = said.partition("absl::Status: ")[2].strip().partition("\n")[0]
    return f"JAX's service has ended this process ({status[:300]}); expected none of its errors. {_AGAIN}"


__all__ = ["end_of_trainer", "end_with_parent", "is_watched", "reason_of", "supervised"]
