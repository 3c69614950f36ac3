"""What a run ran on: versions, devices, commit."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("recgoat-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ott-jax", "jraph", "numpy")


def package_version(name: str) -> str | None:
    """The installed version of a distribution; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit(directory: Path | None = None) -> str | None:
    """Commit of a git working tree, with ``-dirty`` behind it where files differ; None outside of one."""
    command = ["git", "-C", str(directory or Path.cwd()), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def environment() -> dict[str, Any]:
    """Versions, platform, devices and commit, as JSON values."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "backend": jax.default_backend(),
        "devices": [str(device.device_kind) for device in jax.devices()],
        "commit": commit(),
    }


__all__ = ["commit", "environment", "package_version"]
