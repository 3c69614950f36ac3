"""A plan of LightGCN on 4 devices and a run of it; prints JSON. Run in a process of its own."""

import json
import os
import tempfile
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

from experiments.benchmarks import plan_memory  # noqa: E402
from recgoat_jax.models import LightGcnConfig  # noqa: E402

if __name__ == "__main__":
    plan_memory.MODELS = {"small": LightGcnConfig(dim=8, num_layers=1)}
    plan_memory.USERS, plan_memory.ITEMS, plan_memory.BATCH = 400, 100, 64
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(plan_memory.measure("small", 4, Path(scratch) / "data")))
