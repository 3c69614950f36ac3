"""Graphs over 1 to 8 devices against one device, in a process of its own: the device count is fixed when JAX starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.multidevice
def test_values_and_gradients_over_devices_equal_those_of_one() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.multidevice.sharded_graphs"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert [(line["devices"], line["kind"], line["collective"]) for line in report if line["what"] == "lightgcn"] == [
        (devices, kind, collective)
        for devices in (1, 2, 4, 8)
        for kind in ("directed", "symmetric")
        for collective in ("ring", "exchange")
    ]
    assert [line["what"] for line in report[16:]] == ["learned weights"] * 3 + ["attention"] * 3 + ["neighbors"] * 3
    assert [line for line in report if not line["smallest"] > 0.1] == [], "a gradient that is zero compares nothing"
    assert [line for line in report if not (line["error"] <= 1e-6 and line["row_error"] <= 1e-5)] == []
