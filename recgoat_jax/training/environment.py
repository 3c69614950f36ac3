"""What a run ran on: versions, devices, commit. Stored beside its figures, printed by ``recgoat doctor``."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from recgoat_jax import __version__

CORE = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "ott-jax",
    "jraph",
    "jaxtyping",
    "numpy",
    "scipy",
    "polars",
    "pyarrow",
    "tyro",
    "etils",
    "rich",
    "tensorboardX",
    "matplotlib",
    "tensorflow-datasets",
)
"""Distributions that every figure may depend on."""

EXTRAS = {
    "data": ("pooch",),
    "seq": ("array-record",),
    "text": ("safetensors", "tokenizers", "huggingface-hub"),
    "image": ("pillow",),
    "report": ("mpltern", "openTSNE"),
    "tune": ("optuna",),
    "features": ("sentence-transformers", "torch", "transformers"),
    "llm": ("aiohttp",),
    "gpu": ("jax-cuda13-plugin",),
    "tpu": ("libtpu",),
    "gcs": ("gcsfs", "google-auth"),
}
"""Extra of the package to the distributions that it brings."""


# A table that writes its results into the tree is not another program for its next row.
_DATA = (":(exclude)experiments/results", ":(exclude)docs")
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}


class Revision(NamedTuple):
    """State of a working tree.

    Attributes:
        commit: full hash; None where there is no git repository, no commit or no git.
        modified: True where tracked files differ from the commit, pages and stored results aside; None where
            ``commit`` is None.
    """

    commit: str | None
    modified: bool | None


def environment() -> dict[str, Any]:
    """Describes this process: Python, packages, devices and commit, as values that JSON can hold.

    Starts the JAX backend where it has not started yet. Takes some hundredths of a second otherwise.

    Returns:
        ``recgoat_jax``, ``python``, ``platform``, ``cpus`` (cores that this process may use), ``processor`` (its name
        and the widest vectors that it knows, on which the last bits of a product depend), ``packages`` and
        ``extras`` (name to version, None where absent), ``backend``, ``devices`` (kind to number, over all
        processes), ``processes``, ``backend_error`` (None, or why JAX found no device), ``commit`` and ``modified``.
    """
    revision = source_revision(Path(__file__).resolve().parents[2])
    return {
        "recgoat_jax": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": processor(),
        "packages": {name: installed_version(name) for name in CORE},
        "extras": {extra: {name: installed_version(name) for name in names} for extra, names in EXTRAS.items()},
        **_devices(),
        "commit": revision.commit,
        "modified": revision.modified,
    }


def processor(described: Path = Path("/proc/cpuinfo")) -> str | None:
    """The processor, such as ``"AMD EPYC, AVX2"``.

    Args:
        described: what Linux says of it.

    Returns:
        Its name and the widest vector instructions that it has; None where nothing says.
    """
    try:
        lines = described.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name, flags = told.get("model name"), set(told.get("flags", "").split())
    widest = next((shown for flag, shown in _VECTORS.items() if flag in flags), None)
    return None if name is None else ", ".join(filter(None, (name, widest)))


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, found without importing it; None where it is absent."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def source_revision(root: Path) -> Revision:
    """Commit of a source checkout.

    Args:
        root: top of the checkout. A folder inside some other repository, as ``site-packages`` of an environment may
            be, is none: that repository's commit says nothing about this code.

    Returns:
        The revision.
    """
    if not (root / ".git").exists():
        return Revision(None, None)
    command = (
        "git",
        "-C",
        str(root),
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=no",
        "--",
        ".",
        *_DATA,
    )
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no git, or a repository that git refuses to read
        return Revision(None, None)
    lines = answer.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    if commit == "(initial)":
        return Revision(None, None)
    return Revision(commit, any(not line.startswith("#") for line in lines))


def _devices() -> dict[str, Any]:
    """The JAX backend and its devices, or why there is none."""
    try:
        devices = jax.devices()
    except RuntimeError as error:
        return {"backend": None, "devices": {}, "processes": 1, "backend_error": str(error)}
    kinds = [device.device_kind for device in devices]
    return {
        "backend": jax.default_backend(),
        "devices": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "processes": jax.process_count(),
        "backend_error": None,
    }


__all__ = ["CORE", "EXTRAS", "Revision", "environment", "installed_version", "processor", "source_revision"]
