"""The memory figure of a plan against a run of the same training step, on CPU devices, where both can be had.

    python -m experiments.benchmarks.plan_memory [--devices 1 8] [--out experiments/results/plan_memory]

LightGCN and RecGOAT on generated data, rows spread over the devices. Each case has a process of its own. It plans the
step twice, with shapes alone: from the data, and from its sizes, as for data that is not here. Then it runs the step:
what the arrays that go in take on a device, what the compiler says of the program that ran, and by how much the
resident memory of the process grows during a step, which is the temporaries of all devices at once and whatever the
allocator adds. Writes a JSON file and a Markdown table; takes some minutes on 2 cores.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from recgoat_jax.encoders.recipes import GeneratedData, load_data
from recgoat_jax.models import LightGcnConfig, RecGoatConfig
from recgoat_jax.planning.chips import find_topology, read_chips
from recgoat_jax.planning.plan import make_plan
from recgoat_jax.planning.sizes import planned_data
from recgoat_jax.training import Experiment, LoopConfig
from recgoat_jax.training.batches import epoch_order
from recgoat_jax.training.mesh import MeshShape, make_mesh
from recgoat_jax.training.prepared import prepare_run

ROOT = Path(__file__).parents[2]
MODELS = {"LightGCN": LightGcnConfig(dim=64), "RecGOAT": RecGoatConfig(dim=64)}
USERS, ITEMS, INTERACTIONS, BATCH = 20_000, 4_000, 15, 4_096


def measure(model: str, devices: int, data: Path) -> dict[str, Any]:
    """Plans and runs one case on the devices of this process.

    Args:
        model: a key of `MODELS`.
        devices: as many as the process has.
        data: directory of the generated data.

    Returns:
        Bytes of a device, by what and by where they come from, and bytes that the process grew by.
    """
    recipe = GeneratedData(data, num_users=USERS, num_items=ITEMS, interactions_per_user=INTERACTIONS)
    experiment = Experiment(model, data=recipe, model=MODELS[model], loop=LoopConfig(batch_size=BATCH))
    dataset = load_data(recipe).dataset
    shape, topology = MeshShape(rows=devices), find_topology(f"cpu:{devices}", read_chips())
    sizes = {
        "plan": planned_data(recipe, users=None, items=None, pairs=None, batch=BATCH),
        "plan_of_sizes": planned_data(recipe, users=USERS, items=ITEMS, pairs=len(dataset.train), batch=BATCH),
    }
    found = {}
    for name, planned in sizes.items():
        step = make_plan(experiment, planned, topology, mesh=shape, with_others=False).step
        assert step is not None  # nothing limits the memory of a CPU device
        found[name] = {"arguments": step.arguments, "temporaries": step.temporaries, "peak": step.peak}
    return {"model": model, "devices": devices, **found, "run": run_step(experiment, dataset, shape)}


def run_step(experiment: Experiment, dataset: Any, shape: MeshShape) -> dict[str, Any]:
    """Runs the step on real arrays.

    Args:
        experiment: the experiment.
        dataset: its data.
        shape: of the mesh.

    Returns:
        Bytes of the arrays that went in, on the device that holds most; what the compiler says of the program that
        ran; bytes that the process grew by during a step.
    """
    mesh = make_mesh(shape)
    run = prepare_run(experiment, dataset, mesh)
    state = run.program.initial_state(jax.random.key(0))
    order = epoch_order(jax.random.key(0), num_pairs=run.pairs.num_pairs, batch_size=BATCH)
    given = (run.program.constants, run.pairs, jax.device_put(order[0], NamedSharding(mesh, PartitionSpec())))
    step = jax.jit(run.program.step, donate_argnums=0, keep_unused=True).lower(state, *given).compile()
    live = bytes_by_device((state, *given))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    state, record = step(state, *given)
    jax.block_until_ready((state, record))
    memory = step.memory_analysis()
    assert memory is not None
    assert np.isfinite(record.loss)
    outputs = memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "live": max(live.values()),
        "arguments": memory.argument_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "peak": memory.argument_size_in_bytes + memory.temp_size_in_bytes + outputs,
        "grown": resident("VmHWM") - before,
    }


def bytes_by_device(tree: Any) -> dict[Any, int]:
    """Bytes of the arrays of a tree, by the device that holds them."""
    found: dict[Any, int] = {}
    for leaf in jax.tree.leaves(tree):
        array = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for shard in array.addressable_shards:
            found[shard.device] = found.get(shard.device, 0) + shard.data.nbytes
    return found


def resident(field: str) -> int:
    """Resident memory of this process now ("VmRSS") or at its peak ("VmHWM"), in bytes."""
    status = Path("/proc/self/status").read_text()
    kilobytes = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert kilobytes is not None
    return 1024 * int(kilobytes.group(1))


def as_markdown(lines: list[dict[str, Any]]) -> str:
    """The results as a table."""
    found = [
        "| model | devices | arguments: plan, bytes | arguments: held by a device in the run, bytes | "
        "temporaries: plan, MiB | temporaries: program that ran, MiB | peak of a plan from sizes alone | "
        "process grew in a step, MiB | temporaries of all devices, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        plan, sizes, run, devices = line["plan"], line["plan_of_sizes"], line["run"], line["devices"]
        cells = [
            line["model"],
            str(devices),
            f"{plan['arguments']:,}",
            f"{run['live']:,}",
            f"{plan['temporaries'] / 2**20:.1f}",
            f"{run['temporaries'] / 2**20:.1f}",
            f"{100 * (sizes['peak'] / run['peak'] - 1):+.1f} %",
            f"{run['grown'] / 2**20:.0f}",
            f"{devices * run['temporaries'] / 2**20:.0f}",
        ]
        found.append(f"| {' | '.join(cells)} |")
    return "\n".join(found) + "\n"


def main() -> None:
    """Measures every case in a process of its own, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "experiments" / "results" / "plan_memory", help="without suffix"
    )
    parser.add_argument("--case", nargs=2, metavar=("MODEL", "DATA"), help="one case, in this process")
    given = parser.parse_args()
    if given.case:
        model, data = given.case
        sys.stdout.write(json.dumps(measure(model, given.devices[0], Path(data))) + "\n")
        return
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in MODELS:
            for devices in given.devices:
                flags = f"--xla_force_host_platform_device_count={devices}"
                command = (sys.executable, "-m", "experiments.benchmarks.plan_memory", "--devices", str(devices))
                done = subprocess.run(
                    [*command, "--case", model, str(Path(scratch) / "data")],
                    cwd=ROOT,
                    env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                lines.append(json.loads(done.stdout.splitlines()[-1]))
                sys.stdout.write(json.dumps({"benchmark": "plan_memory", **lines[-1]}) + "\n")
                sys.stdout.flush()
    given.out.with_suffix(".json").write_text(json.dumps(lines, indent=2) + "\n")
    given.out.with_suffix(".md").write_text(as_markdown(lines))
    sys.stdout.write(as_markdown(lines))


if __name__ == "__main__":
    main()
