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
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.graphs.cache import cache_directory
from recgoat_jax.training.environment import environment
from recgoat_jax.training.mesh import RULES, MeshShape, make_mesh, parse_mesh


@dataclass(frozen=True)
class DoctorCommand:
    """Shows what this installation has and what it lacks; changes nothing."""

    data: Path | None = None
    """Folder of the shared research data; None: RECGOAT_DATA, else ../shared/data beside the repository."""
    mesh: str | None = None
    """Shape of a mesh, such as data=4,rows=2: show what each of its devices would hold."""
    json: bool = False
    """Print everything as JSON."""


def diagnose(command: DoctorCommand) -> dict[str, Any]:
    """Everything that the command prints, as values that JSON can hold.

    Args:
        command: where to look for data.

    Returns:
        `environment` and, beside it, ``example_data`` and ``shared_data`` (folder, or None), ``shared_data_problem``
        (None, or why there is no folder), ``cache``, ``disk_free_gb`` (folder to 1e9 bytes free) and ``mesh`` (None, or
        the shape asked for, whether the devices match it, and the rules).

    Raises:
        UsageError: no such mesh.
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
        "mesh": None if command.mesh is None else _mesh(parse_mesh(command.mesh)),
    }


def _mesh(shape: MeshShape) -> dict[str, Any]:
    """What the devices of a mesh would hold, and whether there are as many."""
    try:
        make_mesh(shape)
        problem = None
    except UsageError as error:
        problem = str(error)
    return {"shape": str(shape), "devices": shape.devices, "problem": problem, "rules": [r._asdict() for r in RULES]}


def mesh_lines(mesh: Mapping[str, Any]) -> list[str]:
    """The rules of a mesh as lines for a terminal."""
    shape = parse_mesh(mesh["shape"])
    share = "whole on every device" if shape.rows == 1 else f"1/{shape.rows} on each device"
    kinds = {
        "rows": "rows of",
        "product": "graph, constant weights, of",
        "attention": "graph, other values on edges, of",
        "edges": "values on edges of",
    }
    return [
        f"mesh          {shape}, {shape.devices} devices: {mesh['problem'] or 'as many as there are'}",
        f"  examples of a batch    1/{shape.devices} on each device",
        "  variables whose path matches (optimiser moments follow their parameter)",
        *(f"    {rule['pattern']:<52}{kinds[rule['kind']]} {rule['vocabulary']}: {share}" for rule in mesh["rules"]),
        f"    {'everything else':<52}whole on every device",
    ]


def render(found: Mapping[str, Any]) -> str:
    """The answer of `diagnose` as lines for a terminal."""
    tree = found["commit"] and found["commit"][:12] + (" with changes" if found["modified"] else "")
    devices = ", ".join(f"{number} x {device}" for device, number in found["devices"].items())
    kind = f" ({found['processor']})" if found["processor"] else ""
    lines = [
        f"recgoat_jax   {found['recgoat_jax']}, commit {tree or 'unknown (not a git checkout)'}",
        f"Python        {found['python']}, {found['platform']}, {found['cpus']} cores{kind}",
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
        *([] if found["mesh"] is None else mesh_lines(found["mesh"])),
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

__all__ = ["DoctorCommand", "diagnose", "main", "mesh_lines", "render"]
