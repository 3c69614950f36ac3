"""A cloud of nothing but the stand-in, and a `recgoat` that trains nothing."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "tpu_scripts"
# Imported, because what is imported is compiled once.
STAND_IN = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import stand_in; sys.exit(stand_in.main())"
TOOLS = ("gcloud", "xpk", "kubectl", "scontrol", "srun")
# Not the packages of the environment: a call of the stand-in takes a third of the time.
PYTHON = f"{sys.executable} -IS"

# Records its arguments; what it then does says DOES_n for process or host n, or DOES: done, crash (once all processes
# have begun), wait (for a signal), slow, deaf (to SIGTERM), helper (a child that it does not end) or an exit code.
RECGOAT = """#!{python}
import json, os, signal, sys, time
words = sys.argv[1:]
me = words[words.index("--process-id") + 1] if "--process-id" in words else os.environ.get("HOST", "0")
what = os.environ.get("DOES_" + me, os.environ.get("DOES", "done"))
def leave(code):
    os.write(1, f"process {{me}} leaves with {{code}}\\n".encode())
    os._exit(code)
signal.signal(signal.SIGTERM, signal.SIG_IGN if what == "deaf" else lambda *_: leave(75))
# A program that says nothing about SIGINT goes on ignoring it, if it was started so.
if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, lambda *_: leave(130))
held = os.path.exists("/proc/self/fd/3")
with open(os.path.join(os.environ["STAND_IN"], "trainings.jsonl"), "a") as file:
    row = {{"me": int(me), "words": words, "pid": os.getpid(), "cwd": os.getcwd(), "held": held}}
    file.write(json.dumps({{**row, "unbuffered": os.environ.get("PYTHONUNBUFFERED")}}) + "\\n")
if what == "helper":
    import subprocess
    helper = subprocess.Popen(["sleep", "300"])
    open(os.path.join(os.environ["STAND_IN"], "helper.pid"), "w").write(str(helper.pid))
print("process", me, "trains", flush=True)
if what == "crash":
    count = int(words[words.index("--num-processes") + 1])
    while len(open(os.path.join(os.environ["STAND_IN"], "trainings.jsonl")).readlines()) < count:
        time.sleep(0.02)
    leave(3)
if what.isdigit():
    leave(int(what))
time.sleep({{"wait": 300, "deaf": 300, "slow": 0.7}}.get(what, 0))
print("process", me, "is done", flush=True)
"""


def rows(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Cloud:
    """Runs the scripts of `tpu_scripts/` against the stand-in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "stand_in"
        self.bin = directory / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.started: list[subprocess.Popen] = []
        for tool in TOOLS:
            self.program(tool, f'#!/bin/sh\nexec {PYTHON} -c {shlex.quote(STAND_IN)} {tool} "$@"\n')
        self.program("recgoat", RECGOAT.format(python=PYTHON))
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "STAND_IN": str(self.home),
            "PROJECT": "my-project",
            "INSTALL": "true",
            "POLL": "0.1",
        }

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(self, script: str, *words: str, stdin: Any = subprocess.DEVNULL, **variables: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [str(SCRIPTS / script), *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.environment | variables,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, script: str, *words: str, **variables: Any) -> subprocess.CompletedProcess:
        process = self.start(script, *words, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def answer(self, text: str, script: str, *words: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs with a terminal on which somebody answers."""
        ours, theirs = os.openpty()
        os.write(ours, f"{text}\n".encode())
        try:
            return self.run(script, *words, stdin=theirs, **variables)
        finally:
            os.close(ours)
            os.close(theirs)

    def paste(self, text: str, **variables: str) -> subprocess.CompletedProcess:
        """What a user does with a printed command."""
        return subprocess.run(
            ["bash", "-c", text],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.environment | variables,
            timeout=120,
            check=False,
        )

    @property
    def calls(self) -> list[list[str]]:
        return rows(self.home / "calls.jsonl")

    def calls_of(self, *words: str) -> list[list[str]]:
        """The calls that contain the words."""
        return [call for call in self.calls if set(words) <= set(call)]

    def forget(self) -> None:
        (self.home / "calls.jsonl").unlink(missing_ok=True)

    @property
    def trainings(self) -> list[dict[str, Any]]:
        return sorted(rows(self.home / "trainings.jsonl"), key=lambda row: row["me"])

    @property
    def state(self) -> dict[str, Any]:
        file = self.home / "state.json"
        return json.loads(file.read_text()) if file.exists() else {}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        new = self.home / "state.json.test"
        new.write_text(json.dumps(state))
        new.replace(self.home / "state.json")

    def node(self, name: str = "recgoat", *, kind: str = "v5litepod-16", state: str = "READY", hosts: int = 2) -> None:
        self.state = {"nodes": {name: {"type": kind, "state": state, "hosts": hosts}}}

    def cut(self, process: subprocess.Popen) -> None:
        """Ends a script and its connections, as a laptop does that is closed; what runs on the hosts runs on."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()

    def close(self) -> None:
        """Ends what a test has left, so that a test that fails leaves nothing either."""
        for process in self.started:
            self.cut(process)
        for row in self.trainings:
            if alive(row["pid"]):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(os.getpgid(row["pid"]), signal.SIGKILL)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    yield cloud
    cloud.close()


def delete_command(text: str) -> str:
    """The command that a script prints below what it says about costs."""
    found = re.search(r"It costs money until it is deleted:\n  (.*)", text)
    assert found, text
    assert shlex.split(found[1])[-1].endswith("/delete")
    return found[1]


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is gone too; nobody may be there to bury it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
