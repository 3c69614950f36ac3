"""A run that is stopped on 8 devices goes on with other numbers of devices; prints JSON. Run in a process of its own.

The last run is stopped on four devices, for two processes to go on with.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax  # noqa: E402
import numpy as np  # noqa: E402

from recgoat_jax.cli.train import load_experiment  # noqa: E402
from recgoat_jax.errors import SavedAndStopped  # noqa: E402
from recgoat_jax.training import RunResult, fit, loop, train  # noqa: E402
from recgoat_jax.training.mesh import MeshShape, make_mesh  # noqa: E402
from tests.multidevice.subprocesses import log_of  # noqa: E402

WIDE, OTHERS = MeshShape(4, 2), (MeshShape(2, 2), MeshShape(1, 2), MeshShape(8, 1))
SMALL = MeshShape(2, 2)
CALLS = 6
"""Calls of one step before the stop: in the second of the epochs of four."""


def on_some(shape: MeshShape) -> Any:
    """The mesh, of as many devices as it needs; None for one device: the plain path."""
    return None if shape.devices == 1 else make_mesh(shape, jax.devices()[: shape.devices])


def trained(experiment: Path, workdir: Path, shape: MeshShape, *, stop: bool = False) -> RunResult | None:
    """A run to its end, or to the stop."""
    calls = 0

    def show(self: object, rate: float) -> None:
        nonlocal calls
        calls += 1
        if stop and calls == CALLS:
            signal.raise_signal(signal.SIGTERM)

    with mock.patch.object(loop, "make_mesh", on_some), mock.patch.object(fit.Fit, "_show", show):
        try:
            return train(load_experiment(experiment), workdir=workdir, quiet=True, mesh=shape)
        except SavedAndStopped:
            assert stop
            return None


def difference(found: Path, expected: Path) -> dict[str, Any]:
    """The largest difference of the logs, their order, and whether the vectors are equal bit for bit."""
    ours, theirs = log_of(found), log_of(expected)
    assert [(line["kind"], line["epoch"], line["step"]) for line in ours] == [
        (line["kind"], line["epoch"], line["step"]) for line in theirs
    ]
    results = [json.loads((one / "result.json").read_text()) for one in (found, expected)]
    tested = max(abs(results[0]["test"][name] - value) for name, value in results[1]["test"].items())
    logged = max(
        abs(mine[name] - value)
        for mine, line in zip(ours, theirs, strict=True)
        for name, value in line.items()
        if isinstance(value, float)
    )
    with np.load(found / "vectors.npz") as mine, np.load(expected / "vectors.npz") as other:
        vectors = max(float(np.abs(mine[name] - other[name]).max()) for name in other)
        same = all(mine[name].tobytes() == other[name].tobytes() for name in other)
    return {"log": logged, "test": tested, "vectors": vectors, "same": same and ours == theirs}


def main(folder: Path) -> None:
    experiment = folder / "experiment.py"
    unbroken, stopped = folder / "unbroken", folder / "stopped"
    trained(experiment, unbroken, WIDE)
    trained(experiment, stopped, WIDE, stop=True)
    report = {}
    for shape in (WIDE, *OTHERS, MeshShape(1, 1)):
        moved = folder / str(shape)
        shutil.copytree(stopped, moved)
        trained(experiment, moved, shape)
        report[str(shape)] = difference(moved, unbroken)
    trained(experiment, folder / "small", SMALL)
    trained(experiment, folder / "two", SMALL, stop=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
