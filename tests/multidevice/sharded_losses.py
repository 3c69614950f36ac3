"""Compares every loss over 8 devices with the same loss on one; prints JSON. Run in a process of its own.

Rows are spread over the devices, a weight matrix is on all of them, and all is differentiated from outside.
"""

import json
import os
import sys
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import Mesh, PartitionSpec  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax import losses

DEVICES, ROWS, WIDTH = 8, 4, 6


def make_arrays():
    """Rows in device order; ids repeat within and across devices, one device is all padding."""
    random = np.random.default_rng(0)
    rows = DEVICES * ROWS
    vectors = {name: random.normal(size=(rows, WIDTH)).astype(np.float32) for name in ("query", "key", "third")}
    where = random.random(rows) < 0.8
    where[ROWS : 2 * ROWS] = False
    vectors["query"][~where] = 1e4
    return {
        **vectors,
        "ids": random.integers(0, 20, rows).astype(np.int32),
        "where": where,
        "partly": random.random(rows) < 0.7,
        "log_probabilities": np.log(random.uniform(0.1, 1.0, rows)).astype(np.float32),
    }


def named_losses(axis_name=None):
    """Name -> loss of (weight, vectors, others); queries pass through the weight that all devices hold."""

    def rows(others):
        return {"where": others["where"], "axis_name": axis_name}

    def points(others):
        return {"x_where": others["where"], "y_where": others["partly"], "axis_name": axis_name}

    def bpr(query, key, third, others):
        scores = jnp.sum(query * key, axis=1), jnp.sum(query * third, axis=1)
        return losses.bpr_loss(*scores, **rows(others))

    def cmcl(query, key, third, others):
        where, partly = others["where"], others["partly"]
        presence = {"id": where, "text": partly, "image": where & ~partly}
        views = {"id": query, "text": key, "image": third}
        return losses.cmcl_loss(views, ids=others["ids"], where=presence, axis_name=axis_name)

    def sampled_softmax(query, key, third, others):
        given = {name: others[name] for name in ("ids", "log_probabilities")}
        return losses.sampled_softmax_loss(query, key, temperature=5.0, **given, **rows(others))

    def transport(cost, epsilon):
        def loss(query, key, third, others):
            plan = losses.feature_transport(query, key, cost=cost, epsilon=epsilon, num_iterations=20, **rows(others))
            return plan.cost + jax.lax.stop_gradient(plan.marginal_error)

        return loss

    return {
        "bpr": bpr,
        "info_nce": lambda q, k, t, o: losses.info_nce(q, k, ids=o["ids"], **rows(o)),
        "info_nce without masks": lambda q, k, t, o: losses.info_nce(k, t, axis_name=axis_name),
        "info_nce both ways": lambda q, k, t, o: losses.info_nce(q, k, ids=o["ids"], direction="both", **rows(o)),
        "cmcl": cmcl,
        "sampled softmax": sampled_softmax,
        "l2": lambda q, k, t, o: losses.l2_regularization(q, k, **rows(o)),
        "norm": lambda q, k, t, o: losses.embedding_norm_regularization(q, k, **rows(o)),
        "transport": transport("correlation", None),
        "transport l1": transport("l1", 0.1),
        "wasserstein": lambda q, k, t, o: losses.wasserstein_distance(q, k, num_iterations=20, **points(o)),
        "sliced wasserstein": lambda q, k, t, o: losses.sliced_wasserstein_distance(
            q, k, key=jax.random.key(0), num_projections=7, **points(o)
        ),
    }


NAMES = tuple(named_losses())


def all_losses(weight, vectors, others, axis_name=None):
    """Each loss on its own copy of the weight and the vectors, so that one backward pass tells their gradients apart."""
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
    others = {name: jnp.asarray(x) for name, x in make_arrays().items()}
    vectors = {name: others.pop(name) for name in ("query", "key", "third")}
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
