"""One life of a training: started as a user starts it, killed at some moment or left alone, and what it leaves.

Used by ``python -m experiments.kill_loop``.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.ports import free_port
from recgoat_jax.files import RESULT_FILE, VECTORS_FILE, read_json_lines

SILENCE = 20
"""Seconds without a sign of life after which a process counts as gone."""
_PATIENCE = 1200.0
"""Seconds, from the start or the signal, after which a life counts as hanging."""
_BEGUN = re.compile(r": (goes on after step|epoch) \d+")
_GOES_ON = re.compile(r": goes on after step (\d+)")


@dataclass(frozen=True)
class Form:
    """How a training is spread."""

    name: str
    """In words, for the table."""
    mesh: str | None = None
    """Its mesh; None: the plain path."""
    processes: int = 1
    """Processes."""
    devices: int = 1
    """Forced CPU devices of a process."""

    @property
    def folder(self) -> str:
        """Its name as that of a directory."""
        return self.name.replace(" ", "_").replace(",", "")


@dataclass(frozen=True)
class Kill:
    """When and how a life ends."""

    signal: Literal["TERM", "KILL"]
    """The signal."""
    process: int
    """The process that gets it."""
    since: Literal["start", "training"]
    """From when on its time counts."""
    seconds: float
    """Its time."""


@dataclass(frozen=True)
class Life:
    """What became of a life.

    Attributes:
        kill: how it was to be killed; None: it was left alone.
        came: whether it lived long enough for that.
        codes: exit codes of the processes; negative for a signal.
        seconds: from the signal, or the start, to the end of the last process.
        start_seconds: from the start to the beginning of training; None: it did not come to that before the signal.
        found: step of the last complete save at the start; 0: none.
        picked: step after which it went on; 0: it began anew; None: it did not come to that.
    """

    kill: Kill | None
    came: bool
    codes: tuple[int, ...]
    seconds: float
    start_seconds: float | None
    found: int
    picked: int | None

    @property
    def finished(self) -> bool:
        """Whether all processes came to the end."""
        return set(self.codes) == {0}


class Trainings:
    """Starts and kills trainings.

    Args:
        experiment: the experiment file.
        options: options of ``recgoat train``.
        folder: where logs, and compiled programs, are kept.
    """

    def __init__(self, experiment: Path, options: Sequence[str], folder: Path) -> None:
        self._experiment, self._options, self._folder = experiment, tuple(options), folder

    def live(self, form: Form, run: Path, kill: Kill | None) -> Life:
        """One life of a run.

        Args:
            form: how it is spread.
            run: its directory.
            kill: when and how it is killed; None: it is not.

        Returns:
            What became of it.

        Raises:
            RuntimeError: it hung, or ended as it must not.
        """
        found = last_save(run)
        with ExitStack() as cleared:
            born = time.monotonic()
            logs = [run.parent / f"{run.name}.{number}.log" for number in range(form.processes)]
            for log in logs:
                log.unlink(missing_ok=True)
            processes = self._start(form, run, logs)
            cleared.callback(_end, processes)
            hit = start_seconds = None
            while any(process.poll() is None for process in processes):
                now = time.monotonic() - born
                if hit is None:
                    if start_seconds is None and _BEGUN.search(_text(logs[0])):
                        start_seconds = round(now, 2)
                    if kill is not None and _is_due(kill, now, start_seconds):
                        hit = now
                        _send(kill, processes[kill.process])
                if now - (hit or 0.0) > _PATIENCE:
                    raise RuntimeError(f"{run}: still there {_PATIENCE:.0f} s after {kill}; its logs lie beside it.")
                time.sleep(0.02)
            seconds = time.monotonic() - born - (hit or 0.0)
        text = _text(logs[0])
        picked = _GOES_ON.search(text)
        life = Life(
            kill=kill,
            came=hit is not None,
            codes=tuple(process.wait() for process in processes),
            seconds=round(seconds, 2),
            start_seconds=start_seconds,
            found=found,
            picked=int(picked[1]) if picked else 0 if _BEGUN.search(text) else None,
        )
        _check(life, run)
        return life

    def _start(self, form: Form, run: Path, logs: Sequence[Path]) -> list[subprocess.Popen[bytes]]:
        words = [*(sys.executable, "-m", "recgoat_jax.cli.main", "train", str(self._experiment)), *self._options]
        words += ["--workdir", str(run)]
        if form.mesh is not None:
            words += ["--mesh", form.mesh]
        environment = self._environment(form, filling=not run.name.startswith("run"))
        port = free_port()
        processes = []
        for number, log in enumerate(logs):
            others = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", str(form.processes)]
            others += ["--process-id", str(number), "--silence-timeout", str(SILENCE)]
            others += ["--start-timeout", str(3 * SILENCE)]
            with log.open("wb") as file:
                processes.append(
                    subprocess.Popen(
                        words + (others if form.processes > 1 else []),
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        # A Ctrl-C at the terminal is for the loop, not for what it watches.
                        start_new_session=True,
                    )
                )
        return processes

    def _environment(self, form: Form, *, filling: bool) -> Mapping[str, str]:
        """Compiled programs are kept by runs that nobody kills, and read by all."""
        return {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={form.devices}",
            "JAX_COMPILATION_CACHE_DIR": str(self._folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1" if filling else "1e9",
        }


def _is_due(kill: Kill, now: float, start_seconds: float | None) -> bool:
    if kill.since == "start":
        return now >= kill.seconds
    return start_seconds is not None and now - start_seconds >= kill.seconds


def _send(kill: Kill, process: subprocess.Popen[bytes]) -> None:
    if kill.signal == "TERM":
        process.send_signal(signal.SIGTERM)
        return
    # As when a host goes: the trainer, and the process that watches it.
    with suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    process.kill()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Nothing is left; a trainer ends with the process that watches it."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _check(life: Life, run: Path) -> None:
    """Refuses an end, or a beginning, that must not be."""
    if life.picked is not None and life.picked != life.found:
        raise RuntimeError(f"{run}: went on after step {life.picked}; the last complete save was of step {life.found}.")
    # 5: another process has gone; 143 and -15: SIGTERM before the first line of ours.
    allowed = {0}
    if life.came and life.kill is not None:
        allowed |= {75, 5, 143, -15} if life.kill.signal == "TERM" else {-9, 137, 5}
    if not set(life.codes) <= allowed:
        raise RuntimeError(f"{run}: ended with {life.codes} after {life.kill}; its logs lie beside it.")


def last_save(run: Path) -> int:
    """The step of the last complete save; 0 where there is none. A save gets its name when it is complete."""
    folder = run / "checkpoints" / "last"
    return max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=0)


def differences(run: Path, expected: Path) -> list[str]:
    """In what the final of a run differs from another, bit for bit."""
    results = [json.loads((one / RESULT_FILE).read_text()) for one in (run, expected)]
    names = ("valid", "test", "best_epoch", "epochs")
    found = [name for name in names if results[0][name] != results[1][name]]
    logs = [
        [
            {name: value for name, value in line.items() if name not in ("seconds", "examples_per_second")}
            for line in read_json_lines(one / "metrics.jsonl")
        ]
        for one in (run, expected)
    ]
    if logs[0] != logs[1]:
        found.append("log")
    with np.load(run / VECTORS_FILE) as ours, np.load(expected / VECTORS_FILE) as theirs:
        found += [name for name in theirs if ours[name].tobytes() != theirs[name].tobytes()]
    return found


__all__ = ["SILENCE", "Form", "Kill", "Life", "Trainings", "differences", "last_save"]
