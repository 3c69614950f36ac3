"""Memory and collectives of InfoNCE with its gradient on a TPU slice, compiled ahead of time: no TPU is needed.

    pip install "recgoat-jax[tpu]"
    python -m experiments.benchmarks.ring_memory [--topology v5e:4x4 v5e:8x8 v5e:16x16] [--rows 1024 8192] [--dim 128]

For each slice and each number of rows a chip: temporaries that the compiler reports, in MB (1e6 bytes) a chip, inputs
and outputs aside, and the collectives in the program; for all keys at once, for the ring, and for the ring as automatic
differentiation would have it with every hop recomputed (`jax.checkpoint`). Prints one JSON line a program and writes
``experiments/results/ring_memory.json`` and ``ring_memory.md``; it takes some minutes. Nothing is executed; the figures
are the compiler's, and arrays that it keeps on the chip count as 0.
"""

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from recgoat_jax.files import write_atomically
from recgoat_jax.losses import info_nce, shard_map_loss

RESULTS = Path(__file__).parents[1] / "results" / "ring_memory"
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "collective-permute", "all-to-all")


def checkpointed_ring(queries: jax.Array, keys: jax.Array, *, axis_name: str) -> jax.Array:
    """InfoNCE of unit rows in a ring, differentiated by JAX with each hop recomputed: the form to compare with."""
    size = jax.lax.psum(1, axis_name)
    queries, keys = (x * jax.lax.rsqrt(jnp.sum(x * x, -1, keepdims=True)) for x in (queries, keys))
    zero = 0.0 * jnp.sum(queries, -1)

    @jax.checkpoint
    def hop(carry: Any, _: None) -> tuple[Any, None]:
        top, total, block = carry
        scores = jnp.matmul(queries, block.T, precision=jax.lax.Precision.HIGHEST) / 0.2
        new = jnp.maximum(top, jnp.max(scores, 1))
        total = total * jnp.exp(top - new) + jnp.sum(jnp.exp(scores - new[:, None]), 1)
        ring = [(device, (device + 1) % size) for device in range(size)]
        return (new, total, jax.lax.ppermute(block, axis_name, ring)), None

    (top, total, _), _ = jax.lax.scan(hop, (zero - 1e30, zero, keys), None, length=size)
    losses = top + jnp.log(total) - jnp.sum(queries * keys, -1) / 0.2
    return jax.lax.pmean(jnp.mean(losses), axis_name)


FORMS: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "all_gather": (info_nce, {"collective": "all_gather"}),
    "ring": (info_nce, {"collective": "ring"}),
    "ring, jax.checkpoint": (checkpointed_ring, {}),
}


def measure(topology: str, rows: int, dim: int, form: str) -> dict[str, Any]:
    """Compiles one form for one slice.

    Args:
        topology: for example ``"v5e:4x4"``.
        rows: rows a chip.
        dim: width.
        form: a key of `FORMS`.

    Returns:
        Temporaries in MB a chip and the collectives by kind; ``"error"`` in their place where it does not compile.
    """
    devices = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    mesh = Mesh(np.array(devices), ("data",))
    loss, options = FORMS[form]
    mapped = shard_map_loss(loss, mesh)
    spread = NamedSharding(mesh, PartitionSpec("data"))
    shape = jax.ShapeDtypeStruct((rows * len(devices), dim), jnp.float32, sharding=spread)

    def value(queries: jax.Array, keys: jax.Array) -> jax.Array:
        return mapped(queries, keys, **options)

    program = {"topology": topology, "chips": len(devices), "rows": rows, "dim": dim, "form": form}
    try:
        compiled = jax.jit(jax.value_and_grad(value, argnums=(0, 1))).lower(shape, shape).compile()
    except jax.errors.JaxRuntimeError as error:
        return {**program, "error": str(error).splitlines()[0]}
    found = Counter(re.findall(rf"[ ]({'|'.join(COLLECTIVES)})(?:-start)?\(", compiled.as_text() or ""))
    memory = compiled.memory_analysis()
    if memory is None:
        raise RuntimeError(f"the compiler for {topology} reports no memory figures; choose a TPU slice")
    return {
        **program,
        "temporaries_mb": round(memory.temp_size_in_bytes / 1e6, 1),
        "collectives": dict(found),
    }


def as_markdown(lines: list[dict[str, Any]]) -> str:
    """A row for each number of rows and each slice, a column for each form."""
    table = [
        f"| rows a chip | slice | chips | {' | '.join(FORMS)} |",
        f"|---|---|---|{'---|' * len(FORMS)}",
    ]
    for line in lines[:: len(FORMS)]:
        same = [other for other in lines if (other["rows"], other["topology"]) == (line["rows"], line["topology"])]
        cells = [f"{other['temporaries_mb']:,} MB" if "temporaries_mb" in other else "not compiled" for other in same]
        table.append(f"| {line['rows']:,} | {line['topology']} | {line['chips']} | {' | '.join(cells)} |")
    return "\n".join(table) + "\n"


def main() -> None:
    """Compiles every combination, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", nargs="+", default=["v5e:4x4", "v5e:8x8", "v5e:16x16"])
    parser.add_argument("--rows", type=int, nargs="+", default=[1024, 8192], help="rows a chip")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--out", type=Path, default=RESULTS, help="without suffix")
    arguments = parser.parse_args()
    # The TPU compiler is asked for a description of a slice; neither it nor JAX may look for a TPU in this machine.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    jax.config.update("jax_platforms", "cpu")
    lines = []
    for rows in arguments.rows:
        for topology in arguments.topology:
            for form in FORMS:
                lines.append(measure(topology, rows, arguments.dim, form))
                sys.stdout.write(json.dumps(lines[-1]) + "\n")
                sys.stdout.flush()
    found = {"versions": {name: version(name) for name in ("jax", "libtpu")}, "programs": lines}
    write_atomically(arguments.out.with_suffix(".json"), json.dumps(found, indent=1) + "\n")
    write_atomically(arguments.out.with_suffix(".md"), as_markdown(lines))
    sys.stdout.write("\n" + as_markdown(lines))


if __name__ == "__main__":
    main()
