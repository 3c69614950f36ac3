"""Graph convolutions without parameters: one in the style of jraph, and LightGCN on the fast path."""

import jax
import jax.numpy as jnp
import jraph
from jaxtyping import Array, Float

from recgoat_jax.graphs.combine import LayerCombination, combine_layers
from recgoat_jax.graphs.products import AnyGraph, graph_product


def lightgcn_convolution(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """One LightGCN layer in the style of jraph: ``node_i <- sum over edges (j -> i) of edge_ij * node_j``.

    The neighbourhood sum of He et al. (SIGIR 2020), equation 3, with the normalised weights in ``edges``; no parameter
    and no non-linearity. Works on traced graphs, padded ones too, and composes with other jraph layers. On the
    hot path of a fixed graph use `lightgcn`, which computes the same several times faster.

    Args:
        graph: ``nodes`` an array ``[nodes, dim]``, ``edges`` weights ``[edges]`` or None for weight one, edges sorted
            by receiver.

    Returns:
        The graph with new nodes.

    Example:
        >>> graph = jraph.GraphsTuple(
        ...     nodes=jnp.array([[1.0], [10.0]]), senders=jnp.array([1]), receivers=jnp.array([0]),
        ...     edges=jnp.array([0.5]), n_node=jnp.array([2]), n_edge=jnp.array([1]), globals=None,
        ... )
        >>> print(lightgcn_convolution(graph).nodes.T)
        [[5. 0.]]
    """
    nodes = jnp.asarray(graph.nodes)
    messages = nodes[jnp.asarray(graph.senders)]
    if graph.edges is not None:
        messages = jnp.asarray(graph.edges)[:, None] * messages
    received = jax.ops.segment_sum(
        messages, jnp.asarray(graph.receivers), num_segments=nodes.shape[0], indices_are_sorted=True
    )
    return graph._replace(nodes=received)


def lightgcn(
    adjacency: AnyGraph,
    x: Float[Array, "nodes dim"],
    *,
    num_layers: int,
    combine: LayerCombination = "mean",
    weights: Float[Array, " edges"] | None = None,
) -> Float[Array, "nodes dim"]:
    """LightGCN propagation: ``x_(k+1) = A x_k`` for L layers, then one representation of the layers 0 to L.

    He et al. (SIGIR 2020), equations 3 and 4 with equal layer weights ``1 / (L + 1)``, and equation 7.

    Args:
        adjacency: the normalised matrix A; over devices this device's part of it, as in `graph_product`.
        x: ``nodes x dim``, layer 0.
        num_layers: L; 0 returns ``x`` itself.
        combine: mean or sum of the layers 0 to L, or the last layer alone.
        weights: None, or ``edges`` normalised weights that replace those of A and are differentiated.

    Returns:
        ``nodes x dim``.

    Raises:
        ValueError: a negative number of layers.

    Example:
        One user with one item: the nodes swap their values in each layer, and the mean is of both:

        >>> import numpy as np
        >>> from recgoat_jax.data import Interactions
        >>> from recgoat_jax.graphs import Adjacency, bipartite_graph
        >>> pair = Interactions(np.zeros(1, np.int32), np.zeros(1, np.int32))
        >>> adjacency = Adjacency.from_graph(bipartite_graph(pair, 1, 1))
        >>> print(lightgcn(adjacency, jnp.array([[1.0], [5.0]]), num_layers=1).T)
        [[3. 3.]]
    """
    return combine_layers(
        lambda layer: graph_product(adjacency, layer, weights), x, num_layers=num_layers, combine=combine
    )


__all__ = ["lightgcn", "lightgcn_convolution"]
