"""``recgoat doctor``: versions, devices, extras and data, what is here and what is missing."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from recgoat_jax.data.example import wheel_folder
from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.errors import DataError
from recgoat_jax.graphs.cache import cache_directory
from recgoat_jax.training.environment import environment


@dataclass(frozen=True)
class DoctorCommand:
    """Shows what this installation has and what it lacks; changes nothing."""

    data: Path | None = None
    """Folder of the shared research data; None: RECGOAT_DATA, else ../shared/data beside the repository."""
    json: bool = False
    """Print everything as JSON."""


def diagnose(command: DoctorCommand) -> dict[str, Any]:
    """Everything that the command prints, as values that JSON can hold.

    Args:
        command: where to look for data.

    Returns:
        `environment` and, beside it, ``example_data`` and ``shared_data`` (folder, or None), ``shared_data_problem``
        (None, or why there is no folder), ``cache`` and ``disk_free_gb`` (folder to 1e9 bytes free).
    """
    try:
        shared, problem = str(find_shared_data(command.data)), None
    except DataError as error:
        shared, problem = None, str(error)
    example = wheel_folder()
    cache = cache_directory()
    return environment() | {
        "example_data": None if example is None else str(example),
        "shared_data": shared,
        "shared_data_problem": problem,
        "cache": str(cache),
        "disk_free_gb": {str(place): _free_gigabytes(place) for place in (Path.cwd(), cache)},
    }


def render(found: Mapping[str, Any]) -> str:
    """The answer of `diagnose` as lines for a terminal."""
    tree = found["commit"] and found["commit"][:12] + (" with changes" if found["modified"] else "")
    devices = ", ".join(f"{number} x {kind}" for kind, number in found["devices"].items())
    lines = [
        f"recgoat_jax   {found['recgoat_jax']}, commit {tree or 'unknown (not a git checkout)'}",
        f"Python        {found['python']}, {found['platform']}, {found['cpus']} cores",
        f"JAX           {found['backend']}: {devices}; processes: {found['processes']}"
        if found["backend"]
        else f"JAX           no device: {found['backend_error']}",
        "packages",
        *(f"  {name:<22}{version or 'MISSING'}" for name, version in found["packages"].items()),
        "extras",
    ]
    for extra, names in found["extras"].items():
        if all(names.values()):
            state = ", ".join(f"{name} {version}" for name, version in names.items())
        else:
            state = f"absent (pip install 'recgoat-jax[{extra}]')"
        lines.append(f"  {extra:<22}{state}")
    lines += [
        f"example data  {found['example_data'] or 'absent (pip install --no-deps recbole==1.2.1)'}",
        f"shared data   {found['shared_data'] or 'absent: ' + found['shared_data_problem']}",
        f"graph cache   {found['cache']}",
        *(f"disk          {free:.1f} GB free at {place}" for place, free in found["disk_free_gb"].items()),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat doctor``; returns the exit code."""
    command = tyro.cli(DoctorCommand, args=list(arguments), prog="recgoat doctor")
    found = diagnose(command)
    print(json.dumps(found, indent=2) if command.json else render(found))
    return 0


def _free_gigabytes(folder: Path) -> float:
    """Space left where a folder is, or will be made."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return round(shutil.disk_usage(existing).free / 1e9, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["DoctorCommand", "diagnose", "main", "render"]
