"""``run --local`` with the real training: two processes of two devices, as they would be two hosts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.data.storage import write_dataset
from tests.worlds import blocks

ROOT = Path(__file__).parents[2]

EXPERIMENT = """
from pathlib import Path
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig

CONFIG = Experiment(
    name="two hosts",
    data=PreparedData(Path({data!r})),
    model=LightGcnConfig(dim=8),
    loop=LoopConfig(batch_size=16, max_epochs=3, selection_metric="recall@5", cutoffs=(5,), tensorboard=False),
)
"""


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    write_dataset(blocks(), tmp_path / "data")
    (tmp_path / "experiment.py").write_text(EXPERIMENT.format(data=str(tmp_path / "data")))
    recgoat = Path(sys.executable).with_name("recgoat")

    def environment(devices: int, **others: str) -> dict[str, str]:
        flags = f"--xla_force_host_platform_device_count={devices}"
        return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), **others}

    together = subprocess.run(
        [ROOT / "tpu_scripts" / "run", "--local", "2", "experiment.py", "--", "--mesh", "data=2,rows=2"],
        cwd=tmp_path,
        env=environment(2, WORKDIR="runs/two", RECGOAT=str(recgoat)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert together.returncode == 0, together.stdout + together.stderr
    alone = subprocess.run(
        [recgoat, "train", "experiment.py", "--workdir", "runs/one", "--mesh", "data=2,rows=2", "--quiet"],
        cwd=tmp_path,
        env=environment(4),
        check=False,
    )
    assert alone.returncode == 0
    results = [json.loads((tmp_path / "runs" / name / "result.json").read_text()) for name in ("two", "one")]
    assert results[0]["test"] == results[1]["test"]
    with (
        np.load(tmp_path / "runs" / "two" / "vectors.npz") as two,
        np.load(tmp_path / "runs" / "one" / "vectors.npz") as one,
    ):
        for name in ("users", "items"):
            np.testing.assert_array_equal(two[name], one[name])
