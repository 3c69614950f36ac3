"""Every loss as a function of the same arguments, for the tests of what all of them promise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from recgoat_jax import losses

Loss = Callable[[Array, Array, Array, dict[str, Array]], Array]
"""From three ``batch x dim`` arrays and the other arrays of `example_arrays` to a scalar."""


def example_arrays(rows: int = 32, width: int = 6) -> tuple[dict[str, Array], dict[str, Array]]:
    """Vectors, and what comes with them: ids that repeat, masks, chances of being drawn; rows 4 to 7 are padding."""
    random = np.random.default_rng(0)
    vectors = {name: random.normal(size=(rows, width)).astype(np.float32) for name in ("query", "key", "third")}
    where = random.random(rows) < 0.8
    where[4:8] = False
    others = {
        "ids": random.integers(0, 2 * rows // 3, rows).astype(np.int32),
        "where": where,
        "partly": where & (random.random(rows) < 0.7),
        "log_probabilities": np.log(random.uniform(0.1, 1.0, rows)).astype(np.float32),
    }
    return jax.tree.map(jnp.asarray, (vectors, others))


CONTRASTIVE = ("info_nce", "info_nce both ways", "cmcl", "sampled softmax")
"""Losses with negatives: those that have two forms over devices."""

VARIANTS = ("info_nce", "transport l1")
"""Losses that are in the table under another name, too, with other options."""


def named_losses(axis_name: str | None = None, collective: str = "all_gather") -> dict[str, Loss]:
    """Every loss by its name; ``others["where"]`` masks what it computes, if it takes a mask."""
    spread = {"axis_name": axis_name, "collective": collective}

    def rows(others):
        return {"where": others["where"], "axis_name": axis_name}

    def points(others):
        return {"x_where": others["where"], "y_where": others["partly"], "axis_name": axis_name}

    def bpr(query, key, third, others):
        return losses.bpr_loss(query[:, 0], key[:, :3], **rows(others))

    def cmcl(query, key, third, others):
        where, partly = others["where"], others["partly"]
        presence = {"id": where, "text": partly, "image": where & ~partly}
        views = {"id": query, "text": key, "image": third}
        return losses.cmcl_loss(views, ids=others["ids"], where=presence, **spread)

    def sampled_softmax(query, key, third, others):
        given = {name: others[name] for name in ("ids", "log_probabilities")}
        return losses.sampled_softmax_loss(query, key, temperature=5.0, where=others["where"], **given, **spread)

    def transport(cost, epsilon):
        def loss(query, key, third, others):
            plan = losses.feature_transport(query, key, cost=cost, epsilon=epsilon, num_iterations=20, **rows(others))
            return plan.cost

        return loss

    def released_transport(query, key, third, others):
        plan = losses.released_transport(query, key, epsilon=100.0, num_iterations=20, **rows(others))
        return losses.l2_regularization(third - 6.0 * query.astype(jnp.float32) @ plan, **rows(others))

    return {
        "bpr": bpr,
        "info_nce": lambda q, k, t, o: losses.info_nce(k, t, **spread),
        "info_nce both ways": lambda q, k, t, o: losses.info_nce(
            q, k, ids=o["ids"], direction="both", where=o["where"], **spread
        ),
        "cmcl": cmcl,
        "sampled softmax": sampled_softmax,
        "l2": lambda q, k, t, o: losses.l2_regularization(q, k, **rows(o)),
        "norm": lambda q, k, t, o: losses.embedding_norm_regularization(q, k, **rows(o)),
        "transport": transport("correlation", None),
        "transport l1": transport("l1", 0.1),
        "released transport": released_transport,
        "wasserstein": lambda q, k, t, o: losses.wasserstein_distance(q, k, num_iterations=50, **points(o)),
        "sliced wasserstein": lambda q, k, t, o: losses.sliced_wasserstein_distance(
            q, k, key=jax.random.key(0), num_projections=7, **points(o)
        ),
    }
