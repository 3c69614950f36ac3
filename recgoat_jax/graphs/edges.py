"""What every graph builder shares: edge lists, their normalisation, and the `jraph.GraphsTuple` that they become."""

from typing import Literal

import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Float, Int

Normalization = Literal["symmetric", "row", "none"]
"""Division of an edge j -> i by ``sqrt(r_i c_j)``, by ``r_i``, or by nothing (r, c: row and column sums)."""


def graph_from_edges(
    receivers: Int[np.ndarray, " edges"],
    senders: Int[np.ndarray, " edges"],
    weights: Float[np.ndarray, " edges"],
    *,
    num_nodes: int,
    normalization: Normalization,
) -> jraph.GraphsTuple:
    """The graph of an edge list without repeats, its weights normalised.

    Args:
        receivers: ``edges``, node that an edge ends at.
        senders: ``edges``, node that it starts at.
        weights: ``edges``, not negative where they are to be normalised.
        num_nodes: nodes.
        normalization: ``"symmetric"`` is ``w_ij / sqrt(r_i c_j)`` with the row sum of the receiver and the column sum
            of the sender; ``"row"`` is ``w_ij / r_i``. Weights stay zero where a sum is zero.

    Returns:
        One graph without node features, edges sorted by receiver, then sender: ``senders`` and ``receivers`` int32,
        ``edges`` float32. Symmetric weights stay exactly symmetric.
    """
    order = np.lexsort((senders, receivers))
    receivers, senders, weights = receivers[order], senders[order], weights[order].astype(np.float64)
    if normalization != "none":
        divisor = np.bincount(receivers, weights, minlength=num_nodes)[receivers]
        if normalization == "symmetric":
            # Each column is summed in row order, as each row is in column order: where the weights are symmetric, the
            # sums of row i and column i are equal to the last bit, and so are the results.
            column_sums = np.bincount(senders, weights, minlength=num_nodes)
            divisor = np.sqrt(divisor * column_sums[senders])
        weights = weights / np.where(divisor > 0, divisor, 1.0)
    return jraph.GraphsTuple(
        nodes=None,
        edges=jnp.asarray(weights, jnp.float32),
        senders=jnp.asarray(senders, jnp.int32),
        receivers=jnp.asarray(receivers, jnp.int32),
        globals=None,
        n_node=jnp.asarray([num_nodes], jnp.int32),
        n_edge=jnp.asarray([len(weights)], jnp.int32),
    )


__all__ = ["Normalization", "graph_from_edges"]
