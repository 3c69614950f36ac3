"""What a plan knows of chips and slices, from an editable table, and the devices that a program is compiled for."""

import math
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax

from recgoat_jax.errors import DataError, MissingExtraError, UsageError

TABLE = Path(__file__).with_name("chips.toml")
"""The table of chips that comes with the package."""


@dataclass(frozen=True)
class Chip:
    """One row of the table; `chips.toml` says what the fields mean."""

    name: str
    hbm_gib: float
    bf16_tflops: float
    hbm_gbps: float
    link_gbps: float
    wraps_from: int
    price: tuple[float, float]
    devices: int
    dimensions: int

    @property
    def capacity(self) -> float:
        """Bytes that a program on one device may use."""
        return self.hbm_gib * 2**30 / self.devices


class Topology(NamedTuple):
    """A slice.

    Attributes:
        name: as it was asked for, ``"v5e:16x16"``.
        chip: its chips; None for devices of this machine.
        shape: chips along each axis; empty for devices of this machine.
        chips: how many.
        devices: what JAX compiles for.
    """

    name: str
    chip: Chip | None
    shape: tuple[int, ...]
    chips: int
    devices: list[Any]


def read_chips(path: Path = TABLE) -> dict[str, Chip]:
    """Reads a table of chips.

    Args:
        path: a TOML file.

    Returns:
        The chips by name.

    Raises:
        DataError: no such file, or a row that lacks something.
    """
    advice: dict[str, Any] = {
        "expected": f"a table of chips with the fields of {TABLE.name}",
        "action": f"Copy {TABLE} and edit that.",
    }
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: Chip(name, **{**row, "price": tuple(row["price"])}) for name, row in rows.items()}
    except OSError as error:
        raise DataError.at(path, found=f"no readable file ({error.strerror})", **advice) from error
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise DataError.at(path, found=f"something else ({error})", **advice) from error


def find_topology(name: str, chips: dict[str, Chip]) -> Topology:
    """The devices of a slice, described by the compiler; no such hardware has to be here.

    Args:
        name: ``"v5e:16x16"``, ``"v5p:4x4x4"``; or ``"cpu:8"``, the devices of this process.
        chips: the table.

    Returns:
        The slice.

    Raises:
        UsageError: no such chip or shape; the message lists what there is.
        MissingExtraError: the TPU compiler is not installed.
    """
    family, _, shape = name.partition(":")
    if family == "cpu":
        return _this_machine(name, shape)
    if family in ("cuda", "gpu", "rocm"):
        raise UsageError(
            f"--topology {name}: JAX compiles ahead of time for GPUs on machines that have one; expected a TPU slice. "
            "On a machine with the GPUs, 'recgoat train' itself tells after one step; a plan for a TPU slice of equal "
            "memory tells which arrays are large."
        )
    if family not in chips:
        raise UsageError(f"--topology {name}: unknown; expected one of {known_topologies(chips)}.")
    chip = chips[family]
    sizes = shape.split("x")
    if len(sizes) != chip.dimensions or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UsageError(
            f"--topology {name}: found the shape '{shape}'; expected {chip.dimensions} sizes, such as "
            f"{_examples(chip)[1]}. Known are {known_topologies(chips)}."
        )
    if find_spec("libtpu") is None:
        raise MissingExtraError.of("libtpu", extra="tpu")
    # The compiler describes a slice from its name: it must not look for a TPU in this machine, nor keep others from it.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    from jax.experimental import topologies

    extents = tuple(map(int, sizes))
    count = math.prod(extents)
    # A slice smaller than the four chips of a host is part of one.
    options = {} if count >= 4 else {"chips_per_host_bounds": [*extents, *(1,) * (3 - len(extents))]}
    try:
        with _without_native_messages():
            found = topologies.get_topology_desc(platform="tpu", topology_name=name, **options)
    except jax.errors.JaxRuntimeError as error:
        raise UsageError(
            f"--topology {name}: the compiler knows no such slice ({str(error).splitlines()[0]}); expected one of "
            f"{known_topologies(chips)}."
        ) from error
    return Topology(name, chip, extents, count, list(found.devices))


@contextmanager
def _without_native_messages() -> Iterator[None]:
    """Nothing on standard error: the compiler's library complains there that this machine has no TPU."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _this_machine(name: str, count: str) -> Topology:
    devices = jax.devices("cpu")
    if count and count != str(len(devices)):
        raise UsageError(
            f"--topology {name}: this process has {len(devices)} CPU devices; expected cpu:{len(devices)}, or start "
            f"with XLA_FLAGS=--xla_force_host_platform_device_count={count}."
        )
    return Topology(f"cpu:{len(devices)}", None, (), len(devices), list(devices))


def _examples(chip: Chip) -> tuple[str, ...]:
    shapes = ("2x2", "4x4", "8x8", "16x16") if chip.dimensions == 2 else ("2x2x1", "4x4x4", "8x8x8", "8x8x16")
    return tuple(f"{chip.name}:{shape}" for shape in shapes)


def known_topologies(chips: dict[str, Chip]) -> str:
    """Names of slices, for messages."""
    return "; ".join(", ".join(_examples(chip)) for chip in chips.values()) + "; cpu:N"


__all__ = ["TABLE", "Chip", "Topology", "find_topology", "known_topologies", "read_chips"]
