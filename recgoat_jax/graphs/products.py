"""One product, and one normalisation of learned weights, for a graph on one device and for its forms over devices."""

from typing import assert_never

import jax
from jaxtyping import Array, Float

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.halo import HaloGraph, halo_normalization, halo_product
from recgoat_jax.graphs.propagate import propagate, symmetric_normalization
from recgoat_jax.graphs.sharded import sharded_propagate
from recgoat_jax.graphs.sharded_adjacency import ShardedAdjacency

AnyGraph = Adjacency | ShardedAdjacency | HaloGraph
"""A graph on one device; one over devices with constant weights; one over devices whose edges may have other values."""


def graph_product(
    graph: AnyGraph, x: Float[Array, "nodes dim"], weights: Float[Array, " edges"] | None = None
) -> Float[Array, "nodes dim"]:
    """Multiplies by the adjacency matrix, ``A @ x``, wherever its rows are.

    Args:
        graph: the matrix; of a form over devices this device's part, with a leading axis of one shard, within
            `jax.shard_map` over the axis "rows".
        x: ``nodes x dim``; over devices the rows of this device.
        weights: None for the weights of the matrix, which are constants; or ``edges`` weights of the graph, over
            devices those of this device's edges, which replace them and are differentiated.

    Returns:
        ``nodes x dim``, as x; zero for nodes that receive no edge.

    Raises:
        ValueError: weights for a matrix over devices whose weights are constants.
    """
    match graph:
        case Adjacency():
            return propagate(graph, x, weights)
        case ShardedAdjacency():
            if weights is not None:
                raise ValueError("a ShardedAdjacency has constant weights; deal a graph with others to a HaloGraph.")
            return sharded_propagate(graph, x, axis_name=ROWS_AXIS)
        case HaloGraph():
            return halo_product(jax.tree.map(lambda array: array[0], graph), x, weights, axis_name=ROWS_AXIS)
        case _:
            assert_never(graph)


def normalized_weights(graph: Adjacency | HaloGraph, weights: Float[Array, " edges"]) -> Float[Array, " edges"]:
    """`symmetric_normalization` of weights that are equal on an edge and its reverse, wherever the edges are.

    Args:
        graph: the edges; over devices this device's part, as in `graph_product`.
        weights: ``edges``, over devices those of this device's edges; not negative.

    Returns:
        ``edges``, differentiable; zero on padding edges.
    """
    match graph:
        case Adjacency():
            return symmetric_normalization(graph, weights)
        case HaloGraph():
            return halo_normalization(jax.tree.map(lambda array: array[0], graph), weights, axis_name=ROWS_AXIS)
        case _:
            assert_never(graph)


__all__ = ["AnyGraph", "graph_product", "normalized_weights"]
