"""Temporary memory of cost matrix and plan of one modality, as the compiler reports it, inputs and outputs aside.

    python -m experiments.benchmarks.transport_memory --rows 7050 --dim 800

The size is that of Amazon Baby at RecGOAT's published width. The published program builds two arrays of
``rows x dim x dim`` there, about 36 GB. It prints one JSON line, all sizes in MB (1e6 bytes); nothing is executed.
"""

import argparse
import json
import sys

import jax
import jax.numpy as jnp

from recgoat_jax.losses import feature_transport
from recgoat_jax.losses.axis_costs import axis_moments, correlation_cost

TARGET_MB, STRETCH_MB = 100.0, 10.0


def measure(rows: int, dim: int) -> dict[str, float | int | bool | str]:
    """Compiles the cost alone, cost and plan, and the gradient of the transport cost to both inputs."""
    shapes = (
        jax.ShapeDtypeStruct((rows, dim), jnp.float32),
        jax.ShapeDtypeStruct((rows, dim), jnp.float32),
        jax.ShapeDtypeStruct((rows,), jnp.bool_),
    )

    def cost(source, target, where):
        return correlation_cost(axis_moments(source, target, where=where, axis_name=None))

    def plan(source, target, where):
        return feature_transport(source, target, where=where).plan

    def gradient(source, target, where):
        return jax.grad(lambda x, y: feature_transport(x, y, where=where).cost, argnums=(0, 1))(source, target)

    def temporaries(function) -> float:
        memory = jax.jit(function).lower(*shapes).compile().memory_analysis()
        if memory is None:
            raise RuntimeError(f"the compiler for {jax.default_backend()} reports no memory figures; run on CPU")
        return round(memory.temp_size_in_bytes / 1e6, 2)

    cost_and_plan = temporaries(plan)
    return {
        "platform": jax.default_backend(),
        "rows": rows,
        "dim": dim,
        "cost_mb": temporaries(cost),
        "cost_and_plan_mb": cost_and_plan,
        "gradient_of_cost_mb": temporaries(gradient),
        "broadcast_difference_mb": round(2 * rows * dim * dim * 4 / 1e6, 1),
        "target_mb": TARGET_MB,
        "reached": cost_and_plan < TARGET_MB,
        "stretch_mb": STRETCH_MB,
        "stretch_reached": cost_and_plan < STRETCH_MB,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7050, help="items")
    parser.add_argument("--dim", type=int, default=800, help="width of both representations")
    arguments = parser.parse_args()
    result = measure(arguments.rows, arguments.dim)
    sys.stdout.write(json.dumps({"benchmark": "transport_memory", **result}) + "\n")


if __name__ == "__main__":
    main()
