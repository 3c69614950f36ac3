"""`worker`, on one host: what it installs, and what it does when things have gone wrong before."""

import os
import shutil
from pathlib import Path

import pytest

from tests.tpu_scripts.conftest import PYTHON, SCRIPTS, Cloud, until


@pytest.fixture
def worker(cloud: Cloud) -> str:
    """A host that has the checkout."""
    source = cloud.directory / "recgoat" / "source"
    shutil.copytree(SCRIPTS, source / "tpu_scripts")
    (source / ".ci").mkdir()
    (source / "constraints").mkdir()
    (source / "constraints" / "py312.txt").write_text("one==1\n")
    (source / "pyproject.toml").write_text("[project]\n")
    (source / ".ci" / "install").write_text('mkdir -p "$1"; printf "%s|" "$PWD" "$@" >>"$HOME/installed"\n')
    return str(source / "tpu_scripts" / "worker")


def fake_python(cloud: Cloud, name: str, version: tuple[int, int] | None) -> None:
    """A Python that says that it has this version; None: a shim without one behind it."""
    as_if = f"import sys; sys.version_info = {version}; exec(sys.argv[2])"
    cloud.program(name, f'#!/bin/sh\nexec {PYTHON} -c "{as_if}" "$@"\n' if version else "#!/bin/sh\nexit 127\n")


def installed(cloud: Cloud) -> list[str]:
    file = cloud.directory / "installed"
    return file.read_text().split("|")[:-1] if file.exists() else []


def test_installs_once_with_the_pins_and_again_when_they_change(cloud: Cloud, worker: str) -> None:
    fake_python(cloud, "python3.12", (3, 12))
    source = Path(worker).parents[1]
    expected = [str(source), f"{cloud.directory}/recgoat/venv", "python3.12", "tpu", "-e", ".[tpu]"]
    assert cloud.run(worker, "install").returncode == 0
    assert installed(cloud) == expected
    assert cloud.run(worker, "install").returncode == 0
    assert installed(cloud) == expected
    (source / "constraints" / "py312.txt").write_text("one==2\n")
    assert cloud.run(worker, "install").returncode == 0
    assert installed(cloud) == expected * 2


def test_an_install_that_fails_is_tried_again(cloud: Cloud, worker: str) -> None:
    fake_python(cloud, "python3.12", (3, 12))
    install = Path(worker).parents[1] / ".ci" / "install"
    working = install.read_text()
    install.write_text("exit 9\n")
    assert cloud.run(worker, "install").returncode == 9
    install.write_text(working)
    assert cloud.run(worker, "install").returncode == 0
    assert installed(cloud)


@pytest.mark.parametrize("variable", ["", "python3.99"])
def test_takes_the_first_interpreter_that_suits(cloud: Cloud, worker: str, variable: str) -> None:
    fake_python(cloud, "python3.12", None)
    fake_python(cloud, "python3.13", (3, 10))
    fake_python(cloud, "python3.11", (3, 11))
    fake_python(cloud, "python3.99", (3, 99))
    assert cloud.run(worker, "install", PYTHON=variable).returncode == 0
    assert installed(cloud)[2] == (variable or "python3.11")


def test_brings_an_interpreter_where_none_suits(cloud: Cloud, worker: str) -> None:
    for name in ("python3.12", "python3.13", "python3.11"):
        fake_python(cloud, name, None)
    cloud.program(
        "python3",
        '#!/bin/sh\ncase "$*" in\n"-c "*) exit 1 ;;\n"-m uv python find 3.12") echo /brought/python3.12 ;;\nesac\n'
        'echo "$*" >>"$HOME/python_calls"\n',
    )
    assert cloud.run(worker, "install").returncode == 0
    assert installed(cloud)[2] == "/brought/python3.12"
    calls = (cloud.directory / "python_calls").read_text().splitlines()
    assert calls == ["-m pip install -q --user uv", "-m uv python install -q 3.12", "-m uv python find 3.12"]


def test_an_end_without_a_code_is_an_error(cloud: Cloud, worker: str) -> None:
    assert cloud.run(worker, "start", "--", "recgoat", "x", DOES="wait").returncode == 0
    assert cloud.run(worker, "busy", "--", "recgoat", "x").stdout == "run: same\n"
    assert cloud.run(worker, "busy", "--", "recgoat", "y").stdout == "run: other\n"
    holder = int((cloud.directory / "recgoat" / "holder").read_text())
    # As the kernel does when memory is short: first the shell, and the training is still found alive.
    os.kill(holder, 9)
    assert cloud.run(worker, "busy", "--", "recgoat", "x").stdout == "run: same\n"
    os.kill(int((cloud.directory / "recgoat" / "pid").read_text()), 9)
    done = cloud.run(worker, "result")
    assert done.returncode == 1
    assert "ended without an exit code" in done.stderr
    assert cloud.run(worker, "busy", "--", "recgoat", "x").stdout == "run: none\n"


def test_a_start_that_fails_says_so(cloud: Cloud, worker: str) -> None:
    lock = cloud.directory / "recgoat" / "lock"
    lock.mkdir()
    done = cloud.run(worker, "start", "--", "recgoat", "x")
    assert done.returncode == 1
    assert "it did not start; see" in done.stderr
    lock.rmdir()
    assert cloud.run(worker, "start", "--", "no-such-command").returncode == 0
    assert cloud.run(worker, "result").returncode == 127


def test_what_the_training_leaves_behind_is_not_the_training(cloud: Cloud, worker: str) -> None:
    left = 'sleep 300 & echo $! >"$HOME/left"; exit 5'
    assert cloud.run(worker, "start", "--", "bash", "-c", left).returncode == 0
    try:
        assert cloud.run(worker, "result").returncode == 5
    finally:
        os.kill(int((cloud.directory / "left").read_text()), 9)


def test_a_run_that_does_not_hear_is_killed_after_the_grace(cloud: Cloud, worker: str) -> None:
    assert cloud.run(worker, "start", "--", "recgoat", "x", DOES="deaf").returncode == 0
    until(lambda: cloud.trainings)
    stopped = cloud.run(worker, "stop", GRACE="1")
    assert stopped.returncode == 0
    assert "not saved within 1 s, killed" in stopped.stderr
    assert cloud.run(worker, "busy", "--", "x").stdout == "run: none\n"
    assert cloud.run(worker, "stop").returncode == 0


def test_a_shutdown_of_the_host_still_gives_the_code(cloud: Cloud, worker: str) -> None:
    cloud.run(worker, "start", "--", "recgoat", "x", DOES="wait")
    holder = int((cloud.directory / "recgoat" / "holder").read_text())
    log = cloud.directory / "recgoat" / "log"
    until(lambda: "trains" in log.read_text())
    os.killpg(holder, 15)
    assert cloud.run(worker, "result").returncode == 75
    assert cloud.run(worker, "result", "--crash").returncode == 0
    assert log.read_text() == "process 0 trains\nprocess 0 leaves with 75\n"


def test_unknown_verb(cloud: Cloud, worker: str) -> None:
    done = cloud.run(worker, "begin")
    assert done.returncode == 2
    assert "unknown option or argument 'begin'" in done.stderr
