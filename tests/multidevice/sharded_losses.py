"""Compares every loss over devices with the same loss on one; prints JSON. Run in a process of its own.

Rows are spread over the devices, a weight matrix is on all of them, and all is differentiated from outside.
"""

import json
import os
import sys
import warnings
from functools import cache

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is nearly all of the time, and the code runs once: no optimisation.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from jax.sharding import Mesh, PartitionSpec  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax.losses import pmap_loss, shard_map_loss
    from tests.losses.table import CONTRASTIVE, example_arrays, named_losses

DEVICES, ROWS, WIDTH = 8, 4, 6
ALL = tuple(named_losses())
FEWER = (
    (1, "ring", "shard_map"),
    (2, "ring", "pmap"),
    (2, "all_gather", "shard_map"),
    (4, "ring", "shard_map"),
    (4, "all_gather", "pmap"),
)
"""Fewer than all devices: their number, the collective, the form."""


def all_losses(weight, vectors, others, *, names, axis_name=None, collective="all_gather"):
    """Each loss on its own copy of the weight and the vectors, so that one backward pass serves all."""
    table = named_losses(axis_name, collective)
    return jnp.stack(
        [
            table[name](vectors["query"][:, n] @ weight[n], vectors["key"][:, n], vectors["third"][:, n], others)
            for n, name in enumerate(names)
        ]
    )


def unchecked_shard_map(loss, mesh, *, replicated):
    """`shard_map_loss` of three arguments, the first on every device, without the check of what varies."""
    assert replicated == (0,)

    def mapped(weight, vectors, others):
        local = lambda w, v, o: loss(w, v, o, axis_name="data")  # noqa: E731
        specs = (PartitionSpec(), PartitionSpec("data"), PartitionSpec("data"))
        return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)(
            weight, vectors, others
        )

    return mapped


def forms(devices, names, collective):
    """The ways to spread a loss over some devices."""

    def loss(weight, vectors, others, *, axis_name=None):
        return all_losses(weight, vectors, others, names=names, axis_name=axis_name, collective=collective)

    chosen = jax.devices()[:devices]
    mesh = Mesh(np.array(chosen), ("data",))
    return {
        "pmap": pmap_loss(loss, devices=chosen, replicated=(0,)),
        "shard_map": jax.jit(shard_map_loss(loss, mesh, replicated=(0,))),
        "shard_map without check_vma": jax.jit(unchecked_shard_map(loss, mesh, replicated=(0,))),
    }


def values_and_gradients(function, weight, vectors, others):
    """Values ``losses``, and the gradient of their sum to the weight and the vectors."""

    def total(weight, vectors):
        values = function(weight, vectors, others)
        return jnp.sum(values), values

    (_, values), gradients = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(weight, vectors)
    return np.asarray(values), gradients


def arguments(names, dtype):
    """A weight, the vectors and the rest, once a loss; device 1 of 8 has padding only, and ids repeat everywhere."""
    vectors, others = example_arrays(DEVICES * ROWS, WIDTH)
    vectors["query"] = jnp.where(others["where"][:, None], vectors["query"], 1e4)
    vectors = {name: jnp.repeat(x[:, None], len(names), axis=1).astype(dtype) for name, x in vectors.items()}
    weight = np.random.default_rng(1).normal(size=(1, WIDTH, WIDTH)).astype(np.float32)
    return jnp.repeat(jnp.asarray(weight, dtype), len(names), axis=0), vectors, others


@cache
def on_one_device(names, dtype):
    """Values and gradients without any mapping."""
    single = jax.jit(lambda w, v, o: all_losses(w, v, o, names=names))
    return values_and_gradients(single, *arguments(names, dtype))


def compare(names, collective, dtype, devices, chosen_forms):
    """A line of the report for each form and loss."""
    weight, vectors, others = arguments(names, dtype)
    expected, (of_weight, of_vectors) = on_one_device(names, dtype)
    for form, function in forms(devices, names, collective).items():
        if form not in chosen_forms:
            continue
        values, (weight_gradient, vector_gradients) = values_and_gradients(function, weight, vectors, others)
        for n, name in enumerate(names):
            pairs = [(weight_gradient[n], of_weight[n])]
            pairs += [(vector_gradients[vector][:, n], of_vectors[vector][:, n]) for vector in of_vectors]
            pairs = [tuple(x.astype(jnp.float32) for x in pair) for pair in pairs]
            yield {
                "form": form,
                "collective": collective,
                "dtype": jnp.dtype(dtype).name,
                "devices": devices,
                "loss": name,
                "value": float(expected[n]),
                "value_error": float(np.abs(values[n] - expected[n])),
                "gradient": max(float(jnp.max(jnp.abs(right))) for _, right in pairs),
                "gradient_error": max(float(jnp.max(jnp.abs(left - right))) for left, right in pairs),
            }


def main():
    if jax.device_count() != DEVICES:
        sys.exit(f"{DEVICES} devices are needed, there are {jax.device_count()}")
    every = ("pmap", "shard_map", "shard_map without check_vma")
    with pytest.raises(ValueError, match=r"9 rows for 8 devices.*Pad every array to 16 rows"):
        shard_map_loss(all_losses, Mesh(np.array(jax.devices()), ("data",)))(jnp.ones((9, 2)), {}, {})
    report = list(compare(ALL, "all_gather", jnp.float32, 8, every))
    report += compare(CONTRASTIVE, "ring", jnp.float32, 8, every)
    for devices, collective, form in FEWER:
        report += compare(CONTRASTIVE, collective, jnp.float32, devices, (form,))
    for collective in ("all_gather", "ring"):
        report += compare(CONTRASTIVE, collective, jnp.bfloat16, 8, ("shard_map",))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
