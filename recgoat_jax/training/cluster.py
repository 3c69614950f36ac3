"""Which processes train together: what flags and environment say. Nothing here asks JAX or the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from recgoat_jax.errors import UsageError


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


__all__ = ["Cluster", "HostsConfig", "Where", "find_cluster", "on_cloud_tpu"]
