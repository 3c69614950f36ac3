"""Compares every loss over 8 devices with the same loss on one; prints JSON. Run in a process of its own.

Rows are spread over the devices, a weight matrix is on all of them, and all is differentiated from outside.
"""

import json
import os
import sys
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is nearly all of the time, and the code runs once: no optimisation.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import Mesh, PartitionSpec  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from tests.losses.table import example_arrays, named_losses

DEVICES, ROWS, WIDTH = 8, 4, 6
NAMES = tuple(named_losses())


def all_losses(weight, vectors, others, axis_name=None):
    """Each loss on its own copy of the weight and the vectors, so that one backward pass serves all."""
    return jnp.stack(
        [
            loss(vectors["query"][:, n] @ weight[n], vectors["key"][:, n], vectors["third"][:, n], others)
            for n, loss in enumerate(named_losses(axis_name).values())
        ]
    )


def one_device(weight, vectors, others):
    return all_losses(weight, vectors, others)[None]


def by_pmap(weight, vectors, others):
    local = jax.tree.map(lambda x: x.reshape(DEVICES, ROWS, *x.shape[1:]), (vectors, others))
    mapped = jax.pmap(lambda w, v, o: all_losses(w, v, o, "rows"), axis_name="rows", in_axes=(None, 0, 0))
    return mapped(weight, *local)


def by_shard_map(*, check_vma):
    mesh = Mesh(np.array(jax.devices()), ("rows",))
    spread, same = PartitionSpec("rows"), PartitionSpec()
    mapped = jax.shard_map(
        lambda w, v, o: all_losses(w, v, o, "rows"),
        mesh=mesh,
        in_specs=(same, spread, spread),
        out_specs=same,
        check_vma=check_vma,
    )
    return jax.jit(lambda weight, vectors, others: mapped(weight, vectors, others)[None])


def values_and_gradients(function, weight, vectors, others):
    """Values ``devices x losses``, and the gradient to the weight and the vectors of their mean over devices."""

    def mean(weight, vectors):
        values = function(weight, vectors, others)
        return jnp.sum(jnp.mean(values, axis=0)), values

    (_, values), gradients = jax.value_and_grad(mean, argnums=(0, 1), has_aux=True)(weight, vectors)
    return np.asarray(values), gradients


def main():
    if jax.device_count() != DEVICES:
        sys.exit(f"{DEVICES} devices are needed, there are {jax.device_count()}")
    vectors, others = example_arrays(DEVICES * ROWS, WIDTH)
    vectors["query"] = jnp.where(others["where"][:, None], vectors["query"], 1e4)  # padding; device 1 has nothing else
    vectors = {name: jnp.repeat(x[:, None], len(NAMES), axis=1) for name, x in vectors.items()}
    weight = np.random.default_rng(1).normal(size=(1, WIDTH, WIDTH)).astype(np.float32)
    arguments = jnp.repeat(jnp.asarray(weight), len(NAMES), axis=0), vectors, others
    expected, (of_weight, of_vectors) = values_and_gradients(jax.jit(one_device), *arguments)
    forms = {
        "pmap": by_pmap,
        "shard_map": by_shard_map(check_vma=True),
        "shard_map without check_vma": by_shard_map(check_vma=False),
    }
    report = []
    for form, function in forms.items():
        values, (weight_gradient, vector_gradients) = values_and_gradients(function, *arguments)
        for n, name in enumerate(NAMES):
            pairs = [(weight_gradient[n], of_weight[n])]
            pairs += [(vector_gradients[vector][:, n], of_vectors[vector][:, n]) for vector in of_vectors]
            report.append(
                {
                    "form": form,
                    "loss": name,
                    "value": float(expected[0, n]),
                    "value_error": float(np.max(np.abs(values[:, n] - expected[0, n]))),
                    "gradient": max(float(jnp.max(jnp.abs(right))) for _, right in pairs),
                    "gradient_error": max(float(jnp.max(jnp.abs(left - right))) for left, right in pairs),
                }
            )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
