"""`run --local`: real processes on this machine, what they are told, and that none is left behind."""

import contextlib
import os
import shutil
import signal
import socket

import pytest

from tests.tpu_scripts.conftest import SCRIPTS, Cloud, alive, until

AWKWARD = ["--mesh", "data=2,rows=1", "two  words", "it's", "", "$HOME `date` \\ *", "a\nb"]


def logs(cloud: Cloud, directory: str = "runs/recgoat-logs") -> list[str]:
    return [file.read_text() for file in sorted((cloud.directory / directory).glob("process-*.log"))]


def gone(cloud: Cloud) -> bool:
    return not any(alive(row["pid"]) for row in cloud.trainings)


def wait_for_processes(cloud: Cloud, count: int) -> None:
    until(lambda: sum("trains" in log for log in logs(cloud)) == count)


def test_every_process_is_told_who_it_is(cloud: Cloud) -> None:
    done = cloud.run("run", "--local", "3", "exp.py", "--", *AWKWARD, WORKDIR="my run", XLA_FLAGS="--one --two")
    assert done.returncode == 0, done.stderr
    assert [row["me"] for row in cloud.trainings] == [0, 1, 2]
    coordinators = set()
    for me, row in enumerate(cloud.trainings):
        start = ["train", "exp.py", "--workdir", "my run", *AWKWARD, "--coordinator"]
        assert row["words"][: len(start)] == start
        assert row["words"][len(start) + 1 :] == ["--num-processes", "3", "--process-id", str(me)]
        coordinators.add(row["words"][len(start)])
        assert row["unbuffered"] == "1"
        assert row["cwd"] == str(cloud.directory)
        # Not the output of the script: what holds it keeps a pipe open.
        assert not row["held"]
    (coordinator,) = coordinators
    host, _, port = coordinator.partition(":")
    assert host == "127.0.0.1"
    assert 20000 <= int(port) < 32000
    assert done.stdout == "process 0 trains\nprocess 0 is done\n"
    assert logs(cloud, "my run-logs") == [f"process {n} trains\nprocess {n} is done\n" for n in range(3)]
    assert not cloud.calls


def test_called_again_it_keeps_the_old_output_and_shows_the_new(cloud: Cloud) -> None:
    for times in (1, 2):
        done = cloud.run("run", "--local=1", "exp", LOGS="logs")
        assert done.stdout == "process 0 trains\nprocess 0 is done\n"
        assert logs(cloud, "logs") == [done.stdout * times]


@pytest.mark.parametrize(
    ("processes", "code"),
    [
        ({"DOES_0": "75", "DOES_1": "75"}, 75),
        ({"DOES_1": "75"}, 75),
        ({"DOES_0": "75", "DOES_1": "4"}, 4),
        ({"DOES_0": "4", "DOES_1": "75"}, 4),
        ({"DOES_1": "255"}, 255),
    ],
)
def test_exit_code(cloud: Cloud, processes: dict[str, str], code: int) -> None:
    assert cloud.run("run", "--local", "2", "exp", **processes).returncode == code


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 75), (signal.SIGHUP, 75), (signal.SIGINT, 130)])
def test_signals_reach_every_process(cloud: Cloud, sent: signal.Signals, code: int) -> None:
    process = cloud.start("run", "--local", "2", "exp", DOES="wait")
    wait_for_processes(cloud, 2)
    # To the group, as a terminal does.
    os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert out == f"process 0 trains\nprocess 0 leaves with {code}\n"
    assert logs(cloud)[1] == f"process 1 trains\nprocess 1 leaves with {code}\n"
    assert gone(cloud)


def test_a_crash_stops_the_others_and_is_shown(cloud: Cloud) -> None:
    done = cloud.run("run", "--local", "3", "exp", DOES="wait", DOES_1="crash", GRACE="2")
    assert done.returncode == 3
    assert "process 1 ended with exit code 3" in done.stderr
    assert "process 1 leaves with 3" in done.stderr
    # Asked, not killed.
    assert "process 2 leaves with 75" in logs(cloud)[2]
    assert gone(cloud)


def test_what_does_not_hear_is_killed(cloud: Cloud) -> None:
    done = cloud.run("run", "--local", "2", "exp", DOES_0="deaf", DOES_1="crash", GRACE="0")
    assert done.returncode == 3
    assert gone(cloud)


def test_the_others_have_time_to_end_by_themselves(cloud: Cloud) -> None:
    done = cloud.run("run", "--local", "2", "exp", DOES_0="slow", DOES_1="75", GRACE="10")
    assert done.returncode == 75
    assert done.stdout == "process 0 trains\nprocess 0 is done\n"


def test_helpers_of_a_process_are_ended_too(cloud: Cloud) -> None:
    assert cloud.run("run", "--local", "2", "exp", DOES_1="helper").returncode == 0
    helper = int((cloud.home / "helper.pid").read_text())
    until(lambda: not alive(helper))


def test_a_port_that_is_taken_is_not_used(cloud: Cloud) -> None:
    def serve() -> socket.socket:
        for port in range(20000, 32000):
            with contextlib.suppress(OSError):
                return socket.create_server(("127.0.0.1", port))
        raise AssertionError("no port to take")

    with serve() as server:
        port = server.getsockname()[1]
        # What is drawn is not random any more, and always the same.
        text = f"source {SCRIPTS}/common.sh; source {SCRIPTS}/local.sh; unset RANDOM; RANDOM={port - 20000}; free_port"
        taken = cloud.paste(text)
    assert (taken.returncode, taken.stdout) == (1, "")
    assert "found no free port" in taken.stderr
    free = cloud.paste(text)
    assert (free.returncode, free.stdout) == (0, f"{port}\n")


def test_dry_run_starts_nothing(cloud: Cloud) -> None:
    done = cloud.run("run", "--local", "2", "--dry-run", "exp", "--", "a b")
    assert done.returncode == 0
    assert not cloud.trainings
    assert not (cloud.directory / "runs").exists()
    first, *lines = done.stdout.splitlines()
    assert first == "mkdir -p runs/recgoat-logs"
    assert len(lines) == 2
    for line in lines:
        assert cloud.paste(line).returncode == 0
    assert [row["words"][4] for row in cloud.trainings] == ["a b", "a b"]


def test_a_missing_command_is_named(cloud: Cloud) -> None:
    checkout = cloud.directory / "checkout"
    shutil.copytree(SCRIPTS, checkout / "tpu_scripts")
    script = str(checkout / "tpu_scripts" / "run")
    (cloud.bin / "recgoat").rename(cloud.directory / "my recgoat")
    path = f"{cloud.bin}:/usr/bin:/bin"
    done = cloud.run(script, "--local", "1", "exp", PATH=path)
    assert done.returncode == 2
    assert "found no 'recgoat' on PATH" in done.stderr
    assert cloud.run(script, "--local", "1", "exp", PATH=path, RECGOAT=f"{cloud.directory}/my recgoat").returncode == 0
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (cloud.directory / "my recgoat").rename(checkout / ".venv" / "bin" / "recgoat")
    assert cloud.run(script, "--local", "1", "exp", PATH=path).returncode == 0
    assert len(cloud.trainings) == 2


def test_nothing_is_left_when_the_launcher_fails(cloud: Cloud) -> None:
    checkout = cloud.directory / "checkout"
    shutil.copytree(SCRIPTS, checkout / "tpu_scripts")
    local = checkout / "tpu_scripts" / "local.sh"
    broken = local.read_text().replace("sleep 0.2 || true", "sleep 0.3; false")
    assert broken != local.read_text()
    local.write_text(broken)
    done = cloud.run(str(checkout / "tpu_scripts" / "run"), "--local", "2", "exp", DOES="wait")
    assert done.returncode == 1
    assert len(cloud.trainings) == 2
    until(lambda: gone(cloud))
