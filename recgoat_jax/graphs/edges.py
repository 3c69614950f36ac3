"""What every graph builder shares: edge lists, their normalisation, and the `jraph.GraphsTuple` that they become."""

from typing import Literal

import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Bool, Float, Int

Normalization = Literal["symmetric", "row", "none"]
"""Division of an edge j -> i by ``sqrt(r_i c_j)``, by ``r_i``, or by nothing (r, c: row and column sums)."""


def graph_from_edges(
    receivers: Int[np.ndarray, " edges"],
    senders: Int[np.ndarray, " edges"],
    weights: Float[np.ndarray, " edges"],
    *,
    num_nodes: int,
    normalization: Normalization,
    receiving_only: Bool[np.ndarray, " nodes"] | None = None,
) -> jraph.GraphsTuple:
    """The graph of an edge list without repeats, its weights normalised.

    Args:
        receivers: ``edges``, node that an edge ends at.
        senders: ``edges``, node that it starts at.
        weights: ``edges``, not negative where they are to be normalised.
        num_nodes: nodes.
        normalization: ``"symmetric"`` is ``w_ij / sqrt(r_i c_j)`` with the row sum of the receiver and the column sum
            of the sender; ``"row"`` is ``w_ij / r_i``. Weights stay zero where a sum is zero.
        receiving_only: ``nodes``, True for nodes that the others do not know of: of the edges that start at one only
            loops are kept, and the column sums of other nodes leave out the edges to it. So the rows of all other
            nodes are those of the graph without it. None: there are none.

    Returns:
        One graph without node features, edges sorted by receiver, then sender: ``senders`` and ``receivers`` int32,
        ``edges`` float32. Symmetric weights stay exactly symmetric.
    """
    order = np.lexsort((senders, receivers))
    receivers, senders, weights = receivers[order], senders[order], weights[order].astype(np.float64)
    known = np.ones(len(weights))
    if receiving_only is not None:
        loops = receivers == senders
        kept = loops | ~receiving_only[senders]
        known = (loops | ~receiving_only[receivers])[kept].astype(np.float64)
        receivers, senders, weights = receivers[kept], senders[kept], weights[kept]
    if normalization != "none":
        divisor = np.bincount(receivers, weights, minlength=num_nodes)[receivers]
        if normalization == "symmetric":
            # Each column is summed in row order, as each row is in column order: where the weights are symmetric, the
            # sums of row i and column i are equal to the last bit, and so are the results.
            column_sums = np.bincount(senders, weights * known, minlength=num_nodes)
            divisor = np.sqrt(divisor * column_sums[senders])
        weights = np.where(divisor > 0, weights / np.where(divisor > 0, divisor, 1.0), 0.0)
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
