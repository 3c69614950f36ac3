"""Several processes that train together, usually one a host: how they find each other, agree and write once.

Every function works with one process, too, where there is nobody to wait for. All processes must call them in the same
order. What JAX's own service finds out, such as a host that has gone, ends a process from outside of Python;
`recgoat_jax.cli.supervise` turns that into a message.
"""

import hashlib
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
from etils import epath
from jaxtyping import Shaped

from recgoat_jax.errors import RunStoppedError, UsageError


@dataclass(frozen=True)
class HostsConfig:
    """Which processes train together; without the first three they are found in the environment."""

    coordinator: str | None = None
    """HOST:PORT of process 0, the same for all."""
    num_processes: int | None = None
    """Processes in all."""
    process_id: int | None = None
    """Number of this process, from 0."""
    start_timeout: int = 300
    """Seconds to wait for all processes at the start."""
    silence_timeout: int = 60
    """Seconds without a sign of life after which a process counts as gone; the others then stop."""

    def __post_init__(self) -> None:
        for name in ("start_timeout", "silence_timeout"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1 second.")


Where = Literal["flags", "JAX variables", "Slurm", "Open MPI", "TPU workers", "Cloud TPU"]
"""What says which processes there are."""


class Cluster(NamedTuple):
    """Processes that are to find each other.

    Attributes:
        where: what says so.
        coordinator: HOST:PORT of process 0; None: JAX finds it.
        num_processes: processes in all; None: JAX finds it.
        process_id: number of this one; None: JAX finds it.
    """

    where: Where
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


def find_cluster(config: HostsConfig, environ: Mapping[str, str], *, has_tpu: bool = False) -> Cluster | None:
    """Looks for other processes: in the flags, then in the environment.

    Args:
        config: the flags.
        environ: environment variables.
        has_tpu: whether this machine is a Cloud TPU virtual machine, whose metadata lists the others.

    Returns:
        The cluster; None for one process by itself.

    Raises:
        UsageError: flags or variables of which some are missing, or that cannot be.
    """
    given = (config.coordinator, config.num_processes, config.process_id)
    if any(value is not None for value in given):
        return _explicit("flags", ("--coordinator", "--num-processes", "--process-id"), given)
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    if environ.get(names[1]) or environ.get(names[2]):
        return _explicit("JAX variables", names, tuple(environ.get(name) for name in names))
    slurm = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
    if all(name in environ for name in slurm) and _number(environ, "SLURM_NTASKS") > 1:
        return Cluster("Slurm")
    if "OMPI_MCA_orte_hnp_uri" in environ and _number(environ, "OMPI_COMM_WORLD_SIZE") > 1:
        return Cluster("Open MPI")
    if len(environ.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1 or _number(environ, "MEGASCALE_NUM_SLICES") > 1:
        return Cluster("TPU workers")
    if has_tpu and environ.get("JAX_PLATFORMS", "tpu").split(",")[0] in ("", "tpu"):
        return Cluster("Cloud TPU")
    return None


def on_cloud_tpu() -> bool:
    """Whether this machine has TPU chips and the library for them."""
    chips = (Path("/dev").glob(pattern) for pattern in ("accel[0-9]*", "vfio/[0-9]*"))
    return find_spec("libtpu") is not None and any(path for paths in chips for path in paths)


def _number(environ: Mapping[str, str], name: str) -> int:
    value = environ.get(name, "")
    return int(value) if value.isdecimal() else 0


def _explicit(where: Where, names: tuple[str, ...], values: tuple[str | int | None, ...]) -> Cluster:
    missing = [name for name, value in zip(names, values, strict=True) if value in (None, "")]
    if missing:
        raise UsageError(
            f"{', '.join(name for name in names if name not in missing)} without {', '.join(missing)}; expected all of "
            f"{', '.join(names)}, or none of them."
        )
    coordinator, count, number = (str(value) for value in values)
    host, colon, port = coordinator.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{names[0]} is '{coordinator}'; expected HOST:PORT, for example 10.0.0.1:8476.")
    if not count.isdecimal() or int(count) < 1:
        raise UsageError(f"{names[1]} is '{count}'; expected a number of processes, 1 or more.")
    if not number.isdecimal() or int(number) >= int(count):
        raise UsageError(f"{names[2]} is '{number}'; expected 0 to {int(count) - 1}, one number a process.")
    return Cluster(where, coordinator, int(count), int(number))


def join(cluster: Cluster, config: HostsConfig) -> None:
    """Connects this process with the others; before anything else is asked of JAX.

    Args:
        cluster: from `find_cluster`.
        config: time-outs.

    Raises:
        UsageError: the port of the coordinator is taken, or processes disagree on their number.
    """
    if cluster.process_id == 0 and cluster.coordinator is not None:
        _check_port(cluster.coordinator)
    jax.distributed.initialize(
        cluster.coordinator,
        cluster.num_processes,
        cluster.process_id,
        initialization_timeout=config.start_timeout,
        heartbeat_timeout_seconds=config.silence_timeout,
        shutdown_timeout_seconds=config.silence_timeout,
    )
    counts = gathered(np.asarray(cluster.num_processes or jax.process_count()))
    if any(count != jax.process_count() for count in counts):
        raise UsageError(
            f"processes disagree on how many they are: {', '.join(f'{n} says {c}' for n, c in enumerate(counts))}; "
            f"{jax.process_count()} have come. Start all of them with the same --num-processes."
        )


def _check_port(coordinator: str) -> None:
    # The service of JAX does not say that its port is taken: it crashes.
    port = int(coordinator.rpartition(":")[2])
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            # A port that has just been left by an earlier start is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
        except OSError as error:
            raise UsageError(
                f"--coordinator {coordinator}: port {port} of this machine is taken ({error.strerror}); expected a "
                "free one. End the process that holds it, or choose another port on all hosts."
            ) from error


def is_first() -> bool:
    """Whether this is process 0, which alone writes logs and results."""
    return jax.process_index() == 0


def gathered(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Values of all processes, with a leading axis of processes; the same shape everywhere."""
    if jax.process_count() == 1:
        return np.asarray(values)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(values, tiled=False))


def whole(array: jax.Array) -> Shaped[np.ndarray, "..."]:
    """An array over the mesh, whole on the host of every process."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def barrier() -> None:
    """Returns when every process has come here."""
    gathered(np.zeros((), np.int32))


def from_first(text: str | None) -> str | None:
    """The text of process 0, on every process."""
    if jax.process_count() == 1:
        return text
    data = np.frombuffer((text or "").encode(), np.uint8)
    length = int(gathered(np.asarray(-1 if text is None else len(data), np.int32))[0])
    if length < 0:
        return None
    padded = np.zeros(length, np.uint8)
    padded[: min(length, len(data))] = data[:length]
    return gathered(padded)[0].tobytes().decode()


def check_agreement(facts: Mapping[str, str]) -> None:
    """Refuses to go on where processes have different settings or data.

    Args:
        facts: what must be the same everywhere, by name.

    Raises:
        UsageError: something differs; it names what and on which processes.
    """
    digests = gathered(
        np.stack([np.frombuffer(hashlib.sha256(value.encode()).digest(), np.uint8) for value in facts.values()])
    )
    for place, name in enumerate(facts):
        others = [number for number, one in enumerate(digests[:, place]) if (one != digests[0, place]).any()]
        if others:
            raise UsageError(
                f"process {', '.join(map(str, others))} has another {name} than process 0 (this is process "
                f"{jax.process_index()}: {facts[name][:200]}); expected the same everywhere. Start all processes with "
                "the same command, code and prepared data."
            )


def check_shared(directory: epath.Path, *, option: str) -> None:
    """Refuses a directory that not all processes see.

    Args:
        directory: where process 0 writes and all read; it exists there.
        option: the option that names another one, for the message.

    Raises:
        RunStoppedError: a process does not see what process 0 wrote there.
    """
    if jax.process_count() == 1:
        return
    token = from_first(uuid.uuid4().hex) or ""
    path = directory / f".shared.{token}"
    if is_first():
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(token)
    barrier()
    blind = [number for number, sees in enumerate(gathered(np.asarray(path.exists()))) if not sees]
    if is_first():
        path.unlink()
    if blind:
        raise RunStoppedError(
            f"{directory}: process {', '.join(map(str, blind))} does not see what process 0 wrote there; expected a "
            f"directory that all hosts share. Choose one with {option}."
        )


def leave() -> None:
    """Disconnects from the others, where there are any; waits for them."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def describe() -> str:
    """``process 1 of 4``, for logs."""
    return f"process {jax.process_index()} of {jax.process_count()} (pid {os.getpid()})"


__all__ = [
    "Cluster",
    "HostsConfig",
    "barrier",
    "check_agreement",
    "check_shared",
    "describe",
    "find_cluster",
    "from_first",
    "gathered",
    "is_first",
    "join",
    "leave",
    "on_cloud_tpu",
    "whole",
]
