"""Compares every loss over devices with the same loss on one; prints JSON. Run in a process of its own.

Rows are spread over the devices, a weight matrix is on all of them, and all is differentiated from outside.
"""

import json
import os
import re
import sys
import warnings
from functools import partial

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
    from recgoat_jax.losses import feature_transport, pmap_loss, shard_map_loss, wasserstein_distance
    from tests.losses.table import CONTRASTIVE, VARIANTS, example_arrays, named_losses

DEVICES, ROWS, WIDTH = 8, 4, 6
GATHERED, RING = "all_gather", "ring"
ALL = tuple(named_losses())
ONCE = tuple(name for name in ALL if name not in VARIANTS)
IN_A_RING = tuple(name for name in ONCE if name in CONTRASTIVE)

Slots = tuple[tuple[str, str], ...]
"""Losses, each with its collective; a loss that has no such choice is there once."""


def slots(names, *, ring=()) -> Slots:
    """All of the losses with all keys at once, and some in a ring."""
    return tuple((name, GATHERED) for name in names) + tuple((name, RING) for name in ring)


def instead_in_a_ring(names) -> Slots:
    """All of the losses, in a ring where there is one."""
    gathered = [name for name in names if name not in CONTRASTIVE]
    return slots(gathered, ring=[name for name in names if name in CONTRASTIVE])


CASES = (
    (8, jnp.float32, "shard_map", slots(ALL, ring=CONTRASTIVE)),
    (8, jnp.float32, "shard_map without check_vma", slots(ONCE, ring=IN_A_RING)),
    (8, jnp.float32, "pmap", slots(ONCE, ring=IN_A_RING)),
    (4, jnp.float32, "pmap", slots(ONCE, ring=IN_A_RING)),
    (2, jnp.float32, "shard_map", slots(ONCE, ring=IN_A_RING)),
    (1, jnp.float32, "shard_map", slots(ONCE, ring=IN_A_RING)),
    (8, jnp.bfloat16, "shard_map", instead_in_a_ring(ONCE)),
    (4, jnp.bfloat16, "shard_map", slots(ONCE)),
    (2, jnp.bfloat16, "pmap", instead_in_a_ring(ONCE)),
    (1, jnp.bfloat16, "shard_map", slots(ONCE)),
)
"""Number of devices, type of the vectors, form, and what is computed in one program."""


def all_losses(weight, vectors, others, *, chosen, axis_name=None):
    """Each loss on its own copy of the weight and the vectors, so that one backward pass serves all."""
    tables = {collective: named_losses(axis_name, collective) for collective in (GATHERED, RING)}
    # The weight and its gradient are float32 whatever the vectors are, as in training with narrow activations.
    query = jnp.einsum("bnd,nde->bne", vectors["query"].astype(jnp.float32), weight).astype(vectors["query"].dtype)
    values = []
    for n, (name, collective) in enumerate(chosen):
        # One loss after the other, backwards too: forced CPU devices that begin collectives in another order each wait
        # for each other until they have no thread left.
        after = 0.0 * sum(values, jnp.float32(0.0)).astype(query.dtype)
        views = (query[:, n] + after, vectors["key"][:, n] + after, vectors["third"][:, n] + after)
        values.append(tables[collective][name](*views, others))
    return jnp.stack(values)


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


def over_devices(devices, form, chosen):
    """The losses over some devices, in one of the ways to spread them."""
    some = jax.devices()[:devices]
    mesh = Mesh(np.array(some), ("data",))
    loss = partial(all_losses, chosen=chosen)
    match form:
        case "pmap":
            return pmap_loss(loss, devices=some, replicated=(0,))
        case "shard_map":
            return shard_map_loss(loss, mesh, replicated=(0,))
        case "shard_map without check_vma":
            return unchecked_shard_map(loss, mesh, replicated=(0,))


def values_and_gradients(function, weight, vectors, others):
    """Values ``losses``, and the gradient of their sum to the weight and the vectors."""

    def total(weight, vectors):
        values = function(weight, vectors, others)
        return jnp.sum(values), values

    (_, values), gradients = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))(weight, vectors)
    return np.asarray(values), gradients


def arguments(size, dtype):
    """A weight, the vectors and the rest, with a copy for each of so many losses.

    Device 1 of 8 has padding only; ids and vectors repeat everywhere.
    """
    vectors, others = example_arrays(DEVICES * ROWS, WIDTH)
    vectors = {name: x.at[jnp.array([9, 17, 30])].set(x[0]) for name, x in vectors.items()}
    vectors["query"] = jnp.where(others["where"][:, None], vectors["query"], 1e4)
    vectors = {name: jnp.repeat(x[:, None], size, axis=1).astype(dtype) for name, x in vectors.items()}
    weight = np.random.default_rng(1).normal(size=(1, WIDTH, WIDTH)).astype(np.float32)
    return jnp.repeat(jnp.asarray(weight), size, axis=0), vectors, others


def on_one_device(names, dtype):
    """By its name, the value of a loss and its gradients without any mapping."""
    single = partial(all_losses, chosen=slots(names))
    return dict(zip(names, taken_apart(*values_and_gradients(single, *arguments(len(names), dtype))), strict=True))


def taken_apart(values, gradients):
    """Of each loss its value and its gradients, as float32."""
    of_weight, of_vectors = jax.tree.map(lambda x: np.asarray(x, np.float32), gradients)
    for n, value in enumerate(values):
        yield float(value), [of_weight[n], *(of_vectors[name][:, n] for name in sorted(of_vectors))]


def compare(devices, dtype, form, chosen, expected):
    """A line of the report for each loss."""
    function = over_devices(devices, form, chosen)
    found = taken_apart(*values_and_gradients(function, *arguments(len(chosen), dtype)))
    for (name, collective), (value, gradients) in zip(chosen, found, strict=True):
        expected_value, expected_gradients = expected[name]
        pairs = list(zip(gradients, expected_gradients, strict=True))
        yield {
            "form": form,
            "collective": collective,
            "dtype": jnp.dtype(dtype).name,
            "devices": devices,
            "loss": name,
            "value": expected_value,
            "value_error": abs(value - expected_value),
            "gradient": max(float(np.max(np.abs(right))) for _, right in pairs),
            "gradient_error": max(float(np.max(np.abs(left - right))) for left, right in pairs),
        }


def check_what_a_device_holds():
    """Rows of a transport plan between points stay where the points are; between axes, one sum of width x width."""
    mesh = Mesh(np.array(jax.devices()), ("data",))
    points = jnp.ones((DEVICES * ROWS, WIDTH))
    program = str(jax.make_jaxpr(shard_map_loss(wasserstein_distance, mesh))(points, points))
    assert f"f32[{ROWS},{DEVICES * ROWS}]" in program
    assert f"f32[{DEVICES * ROWS},{DEVICES * ROWS}]" not in program
    program = str(jax.make_jaxpr(shard_map_loss(feature_transport, mesh))(points, points))
    assert len(re.findall(rf"f32\[{WIDTH},{WIDTH}\]\S* = psum", program)) == 1


def main():
    if jax.device_count() != DEVICES:
        sys.exit(f"{DEVICES} devices are needed, there are {jax.device_count()}")
    with pytest.raises(ValueError, match=r"9 rows for 8 devices.*Pad every array to 16 rows"):
        shard_map_loss(all_losses, Mesh(np.array(jax.devices()), ("data",)))(jnp.ones((9, 2)), {}, {})
    check_what_a_device_holds()
    expected = {jnp.float32: on_one_device(ALL, jnp.float32), jnp.bfloat16: on_one_device(ONCE, jnp.bfloat16)}
    report = []
    for devices, dtype, form, chosen in CASES:
        report += compare(devices, dtype, form, chosen, expected[dtype])
    print(json.dumps(report))


if __name__ == "__main__":
    main()
