"""Several processes that train together, usually one a host: how they meet, agree and write once.

Every function works with one process, too, where there is nobody to wait for. All processes must call them in the same
order. What JAX's own service finds out, such as a host that has gone, ends a process from outside of Python;
`recgoat_jax.cli.supervise` turns that into a message.
"""

import hashlib
import json
import re
import socket
import uuid
from collections.abc import Callable, Mapping
from functools import partial

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Shaped

from recgoat_jax.errors import RecgoatError, RunStoppedError, SavedAndStopped, UsageError
from recgoat_jax.training.cluster import Cluster, HostsConfig

_LOST = r"Gloo \w+ failed|Connection (closed|reset) by peer|(?i:coordination ?service)"


def join(cluster: Cluster, config: HostsConfig) -> None:
    """Connects this process with the others; before anything else is asked of JAX.

    Args:
        cluster: from `recgoat_jax.training.cluster.find_cluster`.
        config: time-outs.

    Raises:
        UsageError: the port of the coordinator is taken, or processes disagree on their number.
    """
    if cluster.process_id == 0 and cluster.coordinator is not None:
        _check_port(cluster.coordinator)
    # JAX would take SIGTERM for itself, and a run that is not yet training would not hear of it.
    jax.config.update("jax_enable_preemption_service", False)
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


def connect(mesh: Mesh) -> None:
    """Lets the devices along each axis of a mesh, and all of them, find each other, while all processes are in step.

    Between CPU processes a group of devices connects when it first exchanges something, and gives up after 30 s: within
    a long program one process may come later than that, because it compiled for longer. Afterwards it may.

    Args:
        mesh: the devices of all processes.
    """
    if jax.process_count() == 1:
        return
    axes, spread = mesh.axis_names, PartitionSpec(mesh.axis_names)
    ones = jax.make_array_from_callback(
        (mesh.size,), NamedSharding(mesh, spread), lambda index: np.ones(mesh.size, np.float32)[index]
    )
    for group in (*((axis,) for axis in axes), axes):
        others = PartitionSpec(tuple(axis for axis in axes if axis not in group) or None)
        summed = jax.shard_map(partial(jax.lax.psum, axis_name=group), mesh=mesh, in_specs=spread, out_specs=others)
        jax.block_until_ready(jax.jit(summed)(ones))


def is_first() -> bool:
    """Whether this is process 0, which alone writes logs and results."""
    return jax.process_index() == 0


def gathered(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Values of all processes, with a leading axis of processes; the same shape everywhere."""
    if jax.process_count() == 1:
        return np.asarray(values)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(values, tiled=False))


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


def on_first(action: Callable[[], str | None]) -> str | None:
    """Does something on the first process alone; the others wait for it.

    Args:
        action: what to do; it waits for no other process.

    Returns:
        What the action returned, on every process.

    Raises:
        RecgoatError: the action raised one; on the others a `RunStoppedError` says so, or `SavedAndStopped` does where
            it was that.
    """
    error: RecgoatError | None = None
    outcome = None
    if is_first():
        try:
            outcome = action()
        except RecgoatError as caught:
            error = caught
    answer = from_first(json.dumps({"outcome": outcome, "failure": None if error is None else failure_of(error)}))
    if error is not None:
        raise error
    told = json.loads(answer or "{}")
    if told.get("failure"):
        raise told_error(told["failure"])
    return told.get("outcome")


def failure_of(error: RecgoatError) -> dict[str, str]:
    """What the other processes have to know of an error of the first, as JSON values."""
    return {"message": str(error), "kind": "stopped" if isinstance(error, SavedAndStopped) else "failed"}


def told_error(failure: Mapping[str, str]) -> RecgoatError:
    """The error of a process that heard of a `failure_of` the first."""
    if failure["kind"] == "stopped":
        return SavedAndStopped(failure["message"])
    return RunStoppedError(f"process 0 stopped: {failure['message']}")


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
    """Disconnects from the others, where there are any; waits for them.

    Where one of them has gone, JAX's service ends this process here.
    """
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def lost_contact(error: BaseException) -> bool:
    """Whether an error, or one that it followed, says that what another process should have sent did not come."""
    found: BaseException | None = error
    while found is not None:
        # Where JAX dispatches a program, it makes a ValueError of what the runtime says.
        if isinstance(found, jax.errors.JaxRuntimeError | ValueError) and re.search(_LOST, str(found)):
            return True
        found = found.__cause__ or found.__context__
    return False


__all__ = [
    "barrier",
    "check_agreement",
    "check_shared",
    "connect",
    "failure_of",
    "from_first",
    "gathered",
    "is_first",
    "join",
    "leave",
    "lost_contact",
    "on_first",
    "told_error",
]
