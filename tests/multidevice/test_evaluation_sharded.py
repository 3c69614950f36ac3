"""Evaluation over 1 to 8 devices against one device, in a process of its own: JAX fixes the device count at start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.multidevice
def test_ranks_over_devices_equal_those_of_one() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.multidevice.sharded_evaluation"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    meshes = [[1, 1], [2, 1], [8, 1], [1, 8], [4, 2], [2, 4]]
    assert [(line["mesh"], line["kind"]) for line in report] == [(m, k) for m in meshes for k in ("float", "integer")]
    assert [line for line in report if line["unlike_one_device"] or line["unlike_reference"]] == []
    assert min(line["targets"] for line in report) > 50
    assert [line for line in report if line["clear"] < 0.95 * line["targets"]] == [], "near ties compare nothing"
