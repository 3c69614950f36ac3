"""From neighbour lists to weighted graphs: symmetry, weights, normalisation, self loops, mixtures."""

from collections.abc import Sequence
from typing import Literal

import jraph
import numpy as np
from jaxtyping import Bool

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.graphs.edges import Normalization, graph_from_edges


def neighbor_graph(
    neighbors: NeighborList,
    *,
    symmetrize: Literal["union", "none"] = "union",
    weighting: Literal["binary", "similarity"] = "binary",
    normalization: Normalization = "symmetric",
    self_loops: bool = False,
    receiving_only: Bool[np.ndarray, " nodes"] | None = None,
) -> jraph.GraphsTuple:
    """The graph of a neighbour list, node i receiving from its neighbours.

    Args:
        neighbors: directed neighbour list. Edges from a node to itself in it are dropped: ``self_loops`` alone says
            whether there are any.
        symmetrize: ``"union"`` joins i and j where either names the other (the larger similarity counts);
            ``"none"`` keeps the graph directed.
        weighting: weight of an edge before normalisation: 1, or its similarity, negative ones counting as 0.
        normalization: as in `graph_from_edges`; ``"symmetric"`` is ``D^-1/2 W D^-1/2`` for a symmetric W, and has a
            spectral norm of at most 1 for a directed one, too.
        self_loops: one loop of weight 1 on every node, before normalisation, also on nodes without neighbours.
        receiving_only: nodes that the others do not know of, as in `graph_from_edges`; edges from one that only
            ``symmetrize`` would add are none.

    Returns:
        A graph without node features, edges sorted by receiver, then sender, none twice.

    Example:
        Nodes 0 and 1 name each other, 2 names 1 and is joined to it:

        >>> ends = np.array([0, 1, 2], np.int32), np.array([1, 0, 1], np.int32)
        >>> listed = NeighborList(*ends, np.ones(3, np.float32), num_nodes=3, origin="by hand")
        >>> graph = neighbor_graph(listed)
        >>> print(graph.receivers, graph.senders, graph.edges.round(3))
        [0 1 1 2] [1 0 2 1] [0.707 0.707 0.707 0.707]
    """
    weights = np.ones(len(neighbors.weights)) if weighting == "binary" else np.maximum(neighbors.weights, 0.0)
    receivers, senders = neighbors.receivers.astype(np.int64), neighbors.senders.astype(np.int64)
    others = receivers != senders
    receivers, senders, weights = receivers[others], senders[others], weights[others].astype(np.float64)
    if symmetrize == "union":
        receivers, senders = np.concatenate([receivers, senders]), np.concatenate([senders, receivers])
        weights = np.tile(weights, 2)
    if self_loops:
        nodes = np.arange(neighbors.num_nodes)
        receivers, senders = np.concatenate([receivers, nodes]), np.concatenate([senders, nodes])
        weights = np.concatenate([weights, np.ones(len(nodes))])
    # Of edges with the same ends the heaviest counts: it comes first.
    order = np.lexsort((-weights, senders, receivers))
    _, first = np.unique(receivers[order] * neighbors.num_nodes + senders[order], return_index=True)
    kept = order[first]
    return graph_from_edges(
        receivers[kept],
        senders[kept],
        weights[kept],
        num_nodes=neighbors.num_nodes,
        normalization=normalization,
        receiving_only=receiving_only,
    )


def mix_graphs(parts: Sequence[tuple[jraph.GraphsTuple, float]]) -> jraph.GraphsTuple:
    """The weighted sum of adjacency matrices, on the union of their edges: ``sum_p weight_p A_p``.

    Args:
        parts: graphs over the same nodes, each with its weight; ``edges`` None counts as weight one an edge.

    Returns:
        A graph without node features, edges sorted by receiver, then sender, none twice. The sum of
        symmetric matrices is exactly symmetric.

    Raises:
        ValueError: no graph, or graphs with different numbers of nodes.

    Example:
        >>> def one_edge(sender, receiver):
        ...     edge = np.array([sender]), np.array([receiver]), np.ones(1)
        ...     return graph_from_edges(edge[1], edge[0], edge[2], num_nodes=3, normalization="none")
        >>> mixed = mix_graphs([(one_edge(0, 1), 0.75), (one_edge(2, 1), 0.25)])
        >>> print(mixed.senders, mixed.receivers, mixed.edges)
        [0 2] [1 1] [0.75 0.25]
    """
    sizes = sorted({int(np.sum(graph.n_node)) for graph, _ in parts})
    if len(sizes) != 1:
        raise ValueError(f"graphs over {sizes} nodes cannot be mixed; expected one or more graphs over the same nodes.")
    num_nodes = sizes[0]
    places, weights = [], []
    for graph, weight in parts:
        receivers, senders = np.asarray(graph.receivers, np.int64), np.asarray(graph.senders, np.int64)
        places.append(receivers * num_nodes + senders)
        weights.append(weight * (np.ones(len(senders)) if graph.edges is None else np.asarray(graph.edges, np.float64)))
    union, position = np.unique(np.concatenate(places), return_inverse=True)
    return graph_from_edges(
        union // num_nodes,
        union % num_nodes,
        np.bincount(position, np.concatenate(weights), minlength=len(union)),
        num_nodes=num_nodes,
        normalization="none",
    )


__all__ = ["mix_graphs", "neighbor_graph"]
