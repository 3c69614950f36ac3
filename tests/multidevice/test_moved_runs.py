"""A run that was stopped on one mesh goes on with another, and with another number of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.ports import free_port
from recgoat_jax.data.storage import write_dataset
from tests.multidevice.subprocesses import ROOT, log_of, report_of
from tests.worlds import blocks

EXPERIMENT = """
from pathlib import Path
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig

CONFIG = Experiment(
    data=PreparedData(Path({data!r})),
    model=LightGcnConfig(dim=8),
    loop=LoopConfig(
        batch_size=16, max_epochs=3, selection_metric="recall@5", cutoffs=(5,), tensorboard=False, steps_per_call=1
    ),
)
"""


@pytest.mark.multidevice
@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_and_processes(tmp_path: Path) -> None:
    write_dataset(blocks(), tmp_path / "data")
    (tmp_path / "experiment.py").write_text(EXPERIMENT.format(data=str(tmp_path / "data")))
    report = report_of("tests.multidevice.moved_runs", str(tmp_path))
    assert set(report) == {f"data={data},rows={rows}" for data, rows in ((4, 2), (2, 2), (1, 2), (8, 1), (1, 1))}
    same = report.pop("data=4,rows=2")
    assert same["same"] is True
    for shape, found in report.items():
        # The epoch's mean losses say that each has the batches and negatives of the others.
        assert found["log"] <= 2e-6, (shape, found)
        assert found["vectors"] <= 1e-5, (shape, found)
        assert found["test"] <= 1e-6, (shape, found)
        assert not found["same"], "the order of sums differs; if nothing does, the other mesh was not used"
    _go_on_together(tmp_path)
    assert log_of(tmp_path / "two") == log_of(tmp_path / "small")
    with np.load(tmp_path / "two" / "vectors.npz") as two, np.load(tmp_path / "small" / "vectors.npz") as small:
        for name in ("users", "items"):
            np.testing.assert_array_equal(two[name], small[name])


def _go_on_together(folder: Path) -> None:
    """Two processes of two devices go on with the run of one process of four."""
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": str(ROOT),
    }
    words = ["train", "experiment.py", "--workdir", "two", "--mesh", "data=2,rows=2"]
    words += ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", "2", "--process-id"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "recgoat_jax.cli.main", *words, str(number)],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    ends = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(ends)
    assert ": goes on after step 6" in ends[0]
    assert json.loads((folder / "two" / "result.json").read_text())["epochs"] == 3
