"""One of several hosts, watched by a parent process that turns the end of the others into a message.

When a host goes, JAX's service ends the processes of all others from within its own threads: with SIGABRT and a stack
trace, where no Python code can catch it. The parent reads what the trainer says, forwards signals to it, and says in
plain words why it ended. If the parent is killed, the trainer ends, too.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import IO

from recgoat_jax.errors import RunStoppedError
from recgoat_jax.training.hosts import Cluster, HostsConfig

_WATCHED = "RECGOAT_WATCHED"
_TAIL = 16_384
_NATIVE = re.compile(
    rb"    @ +(0x[0-9a-f]+|\(nil\))|\*\*\* Check failure stack trace|.*\[Gloo\] Rank|.*is connected to.*peer ranks|\s*$"
)
_AGAIN = "Look at the log of that host, then start the same command on all hosts again: it goes on from the last save."


def is_watched(environ: Mapping[str, str]) -> bool:
    """Whether this process is a trainer with a parent that watches it."""
    return _WATCHED in environ


def end_with_parent(environ: Mapping[str, str]) -> None:
    """Ends this process when the parent that watches it has gone."""
    alive = int(environ[_WATCHED])

    def wait() -> None:
        os.read(alive, 1)  # Nothing is ever written: it returns when the other end is closed.
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


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
    trainer = subprocess.Popen(
        [sys.executable, "-m", "recgoat_jax.cli.main", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(alive,),
        env={**os.environ, _WATCHED: str(alive)},
        # A Ctrl-C at the terminal reaches this process alone, which forwards it: not twice.
        start_new_session=True,
    )
    os.close(alive)

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        trainer.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert trainer.stdout is not None
        assert trainer.stderr is not None
        results = threading.Thread(target=_passed_on, args=(trainer.stdout, sys.stdout))
        results.start()
        tail = _passed_on(trainer.stderr, sys.stderr)
        results.join()
        code = trainer.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(lives)
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
        What happened and what to do; None where it was something else.
    """
    if "RegisterTask" in tail and "DEADLINE_EXCEEDED" in tail:
        where = f" at {cluster.coordinator}" if cluster.coordinator else ""
        return (
            f"not all processes have met{where} within {config.start_timeout} s; expected each to start with the same "
            "coordinator and a number of its own. Check that all have been started, that the port is open between "
            "them, and that no number is given twice. --start-timeout waits longer."
        )
    if found := re.search(r"tasks are unhealthy \(stopped sending heartbeats\):\s*([^\n]+)", tail):
        return (
            f"process {found.group(1).strip()} has gone: no sign of life for {config.silence_timeout} s; expected all "
            f"to stay. {_AGAIN}"
        )
    if "JAX distributed service detected fatal errors" in tail:
        return f"another process has gone, or process 0 cannot be reached; expected all to stay. {_AGAIN}"
    return None


__all__ = ["end_with_parent", "is_watched", "reason_of", "supervised"]
