"""Hosts that do not come, go, fail or are told to stop, as ``recgoat train`` shows it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from experiments.ports import free_port
from recgoat_jax.cli.main import main
from recgoat_jax.data.storage import write_dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.training.cluster import Cluster, HostsConfig
from recgoat_jax.training.hosts import join, lost_contact
from tests.multidevice.subprocesses import ROOT
from tests.worlds import blocks

SILENCE = 10


class Hosts:
    """Two processes of one training, on one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *meshes: str) -> None:
        port, flags = free_port(), "--xla_force_host_platform_device_count=1"
        words = ["bpr", "--data", "data", "--model.dim", "8", "--loop.batch-size", "16", "--loop.no-tensorboard"]
        words += ["--loop.max-epochs", "100000", "--loop.patience", "100000", "--loop.checkpoint-seconds", "0.1"]
        words += ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2", "--silence-timeout", str(SILENCE)]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
        for number, mesh in enumerate(meshes):
            with (self.folder / f"{number}.log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "recgoat_jax.cli.main", "train", *words]
                        + ["--workdir", "run", "--mesh", mesh, "--process-id", str(number)],
                        cwd=self.folder,
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )

    def log(self, number: int) -> str:
        return (self.folder / f"{number}.log").read_text()

    def until_saved(self) -> None:
        end = time.monotonic() + 300
        while not any(path.name.isdecimal() for path in self.folder.glob("run/checkpoints/last/*")):
            assert time.monotonic() < end, self.log(0) + self.log(1)
            assert all(process.poll() is None for process in self.processes), self.log(0) + self.log(1)
            time.sleep(0.05)

    def kill_trainer(self, number: int) -> None:
        parent = self.processes[number].pid
        (child,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)

    def codes(self) -> list[int]:
        return [process.wait(timeout=300) for process in self.processes]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    write_dataset(blocks(), tmp_path / "data")
    hosts = Hosts(tmp_path)
    yield hosts
    hosts.close()


def test_a_port_that_is_taken_is_named_before_anything_waits() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = Cluster("flags", f"127.0.0.1:{port}", 2, 0)
        with pytest.raises(UsageError, match=rf"port {port} of this machine is taken \(.*choose another port on all"):
            join(cluster, HostsConfig(start_timeout=1))


@pytest.mark.multidevice
@pytest.mark.slow
def test_a_host_that_does_not_come_is_waited_for_and_missed(
    hosts: Hosts, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    where = f"127.0.0.1:{free_port()}"
    words = ["--coordinator", where, "--num-processes", "2", "--process-id", "0", "--start-timeout", "2"]
    assert main(["train", "bpr", "--data", str(hosts.folder / "data"), *words]) == 5
    said = capfd.readouterr().err
    assert f"recgoat train: not all processes have met at {where} within 2 s; expected each to start with" in said
    assert "    @ " not in said


def test_what_says_that_another_process_is_out_of_reach() -> None:
    gloo = "UNKNOWN: Gloo AllGather failed: [external/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"
    assert lost_contact(ValueError(gloo))
    assert lost_contact(jax.errors.JaxRuntimeError(gloo))
    barrier = "FAILED_PRECONDITION: x [type.googleapis.com/tensorflow.CoordinationServiceError='']"
    assert lost_contact(jax.errors.JaxRuntimeError(barrier))
    # What is raised while the block is left hides the first.
    later = RuntimeError("the save is not complete")
    later.__context__ = ValueError(gloo)
    assert lost_contact(later)
    assert not lost_contact(ValueError("shapes differ"))
    assert not lost_contact(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"))


@pytest.mark.multidevice
@pytest.mark.slow
def test_when_one_of_two_hosts_goes_the_other_ends_and_says_which(hosts: Hosts) -> None:
    hosts.start("data=2", "data=2")
    hosts.until_saved()
    hosts.kill_trainer(1)
    started = time.monotonic()
    assert hosts.codes() == [5, 128 + signal.SIGKILL]
    assert time.monotonic() - started < 3 * SILENCE
    assert f"recgoat train: process 1 has gone: no sign of life for {SILENCE} s" in hosts.log(0)
    assert "it goes on from the last save" in hosts.log(0)


@pytest.mark.multidevice
@pytest.mark.slow
def test_when_the_first_host_goes_the_other_ends_and_says_so(hosts: Hosts) -> None:
    hosts.start("data=2", "data=2")
    hosts.until_saved()
    hosts.kill_trainer(0)
    assert hosts.codes() == [128 + signal.SIGKILL, 5]
    assert "recgoat train: process 0 has gone, or cannot be reached" in hosts.log(1)


@pytest.mark.multidevice
@pytest.mark.slow
def test_a_host_with_an_error_of_its_own_says_that_and_nothing_of_others(hosts: Hosts) -> None:
    hosts.start("data=2", "data=3")
    assert hosts.codes() == [5, 2]
    assert "recgoat train: --mesh data=3,rows=1: 3 devices are asked for, there are 2" in hosts.log(1)
    assert "has gone" not in hosts.log(1)
    # Which of the two the first host hears first, the end of the other or the end of its connection, is not settled.
    assert re.search(r"recgoat train: (process 1 has gone|another process cannot be reached)", hosts.log(0))


@pytest.mark.multidevice
@pytest.mark.slow
def test_a_host_that_is_terminated_lets_all_save_and_end(hosts: Hosts) -> None:
    hosts.start("data=2", "data=2")
    hosts.until_saved()
    hosts.processes[1].terminate()
    assert hosts.codes() == [75, 75]
    for number in range(2):
        assert "recgoat train: stopped by SIGTERM; the state is saved." in hosts.log(number)
    (saved,) = (path.name for path in hosts.folder.glob("run/checkpoints/last/*") if path.name.isdecimal())
    assert re.fullmatch(r"\d+", saved)
    assert not (hosts.folder / "run" / "result.json").exists()
