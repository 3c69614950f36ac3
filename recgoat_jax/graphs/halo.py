"""Each shard's edges as a graph of its own, over its rows and the rows that it received from other shards (its halo).

For what differentiates more than x: learned edge weights, graph attention. The gradient of a received row goes back to
the shard that sent it, so that no shard needs the edges, or the weights, that another one receives.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from recgoat_jax.graphs.adjacency import Adjacency, CompressedRows
from recgoat_jax.graphs.edge_groups import RequestLists, grouped_edges, padded_values, placed_edges, request_lists
from recgoat_jax.graphs.partition import NodePartition
from recgoat_jax.graphs.propagate import propagate, safe_rsqrt, sparse_product
from recgoat_jax.graphs.sharded import with_received


class HaloGraph(NamedTuple):
    """The graph of each shard (a pytree; every array has a leading axis of shards).

    Its nodes are the rows of the shard, the rows received from each peer, and one row of zeros. Edges end in the rows
    of the shard alone, so the matrix is wider than high. All padding edges start at the row of zeros and end in one
    more row below the others: there they change neither a sum nor a softmax of any other row.

    Attributes:
        adjacency: the edges that end in the shard, ``rows_per_shard + 1`` rows, and, as the transposed matrix, the same
            edges by sender.
        sent: ``shards x peers x sent``: the slots of the rows that a shard sends to each peer; slot 0 pads.
        returned: which gradients that come back belong to which row: ``sent`` by slot.
        edge: ``shards x edges``: each edge's place in the unsharded adjacency; -1 for padding.
    """

    adjacency: Adjacency
    sent: Int[Array, "shards peers sent"]
    returned: CompressedRows
    edge: Int[Array, "shards edges"]

    @property
    def num_shards(self) -> int:
        """Shards of the partition; within `jax.shard_map` still all of them."""
        return self.sent.shape[1]

    @property
    def rows_per_shard(self) -> int:
        """Rows of each shard, padding included."""
        return self.returned.offsets.shape[-1] - 1

    @classmethod
    def from_adjacency(cls, adjacency: Adjacency, partition: NodePartition) -> "HaloGraph":
        """Deals edges to the shards of their receivers, on the host.

        Args:
            adjacency: the matrix; its arrays must not be traced.
            partition: of its nodes.

        Returns:
            The graph of each shard.

        Raises:
            ValueError: a partition of another number of nodes.
        """
        edges = placed_edges(adjacency.rows, partition)
        lists = request_lists(edges)
        num_shards, size = edges.num_shards, edges.rows_per_shard
        rows, edge = grouped_edges(
            edges.receivers // size, edges.receivers % size, lists.columns, num_groups=num_shards, num_rows=size
        )
        weights = padded_values(np.asarray(adjacency.weights), edge, 0)
        return cls(
            _with_padding_row(rows, weights, edge, num_nodes=size + num_shards * lists.longest + 1),
            jnp.asarray(lists.sent),
            _returned(lists, size),
            jnp.asarray(edge, jnp.int32),
        )


def sharded_weighted_propagate(
    graph: HaloGraph,
    x: Float[Array, "slots dim"],
    weights: Float[Array, " edges"],
    *,
    axis_name: str | tuple[str, ...],
) -> Float[Array, "slots dim"]:
    """`recgoat_jax.graphs.propagate` with learned weights, within `jax.shard_map`; both are differentiated.

    Args:
        graph: this device's part, with a leading axis of one shard.
        x: ``rows_per_shard x dim``, the rows of this device, float32.
        weights: ``edges`` of the unsharded adjacency, in its order, whole on every device.
        axis_name: mapped axis, or axes, that the shards are spread over.

    Returns:
        ``rows_per_shard x dim``; zero for nodes that receive no edge and for padding.
    """
    own = jax.tree.map(lambda array: array[0], graph)
    return halo_product(own, x, own_edges(own, weights, 0), axis_name=axis_name)


def halo_product(
    own: HaloGraph,
    x: Float[Array, "slots dim"],
    weights: Float[Array, " edges"] | None,
    *,
    axis_name: str | tuple[str, ...],
) -> Float[Array, "slots dim"]:
    """The rows of this device of ``A @ x``.

    Args:
        own: the graph of this device, without its axis of shards.
        x: ``rows_per_shard x dim``.
        weights: ``edges`` of this device, differentiated; None: the matrix's own, which are constants.
        axis_name: mapped axis, or axes.

    Returns:
        ``rows_per_shard x dim``.
    """
    return propagate(own.adjacency, with_halo(own, x, axis_name=axis_name), weights)[: x.shape[0]]


def halo_normalization(
    own: HaloGraph, weights: Float[Array, " edges"], *, axis_name: str | tuple[str, ...]
) -> Float[Array, " edges"]:
    """Degree-normalised weights of this device's edges, ``w_ij / sqrt(d_i d_j)``, for weights that are symmetric.

    What a node sends is then what it receives, which its own device knows.

    Args:
        own: the graph of this device, without its axis of shards.
        weights: ``edges`` of this device, equal on an edge and its reverse, not negative.
        axis_name: mapped axis, or axes.

    Returns:
        ``edges``, differentiable; zero on padding edges and where a degree is zero.
    """
    weights = jnp.where(own.edge >= 0, weights, 0.0)
    adjacency = own.adjacency
    degrees = jax.ops.segment_sum(weights, adjacency.receivers, adjacency.num_nodes, indices_are_sorted=True)
    scales = safe_rsqrt(with_halo(own, degrees[: own.rows_per_shard, None], axis_name=axis_name)[:, 0])
    return weights * scales[adjacency.receivers] * scales[adjacency.senders]


def with_halo(
    own: HaloGraph, x: Float[Array, "slots dim"], *, axis_name: str | tuple[str, ...]
) -> Float[Array, "nodes dim"]:
    """The rows of all nodes of a shard's graph; its backward pass sends gradients home and adds them up in order.

    Args:
        own: the graph of this device, without its axis of shards.
        x: ``rows_per_shard x dim``.
        axis_name: mapped axis, or axes.

    Returns:
        ``nodes x dim``: own rows, received rows, and the row of the padding.
    """
    return _with_halo(axis_name, own.sent, own.returned, x)


def own_edges(own: HaloGraph, values: Shaped[Array, "all_edges ..."], padding: int) -> Array:
    """Values by edge, for the edges of a shard.

    Args:
        own: the graph of this device, without its axis of shards.
        values: ``edges x ...`` of the unsharded adjacency.
        padding: value of padding edges.

    Returns:
        ``edges x ...`` in the order of the shard's graph.
    """
    there = (own.edge >= 0).reshape(-1, *(1 for _ in values.shape[1:]))
    return jnp.where(there, values[own.edge], padding)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _with_halo(
    axis_name: str | tuple[str, ...],
    sent: Int[Array, "peers sent"],
    returned: CompressedRows,
    x: Float[Array, "slots dim"],
) -> Float[Array, "nodes dim"]:
    return with_received(x, sent, axis_name, zero_rows=1)


def _forward(
    axis_name: str | tuple[str, ...],
    sent: Int[Array, "peers sent"],
    returned: CompressedRows,
    x: Float[Array, "slots dim"],
) -> tuple[Float[Array, "nodes dim"], tuple[Int[Array, "peers sent"], CompressedRows]]:
    return _with_halo(axis_name, sent, returned, x), (sent, returned)


def _backward(
    axis_name: str | tuple[str, ...],
    saved: tuple[Int[Array, "peers sent"], CompressedRows],
    cotangent: Float[Array, "nodes dim"],
) -> tuple[None, None, Float[Array, "slots dim"]]:
    sent, returned = saved
    own, received = cotangent[: returned.num_rows], cotangent[returned.num_rows : -1]
    if sent.shape[1] == 0:
        return None, None, own
    home = jax.lax.all_to_all(received.reshape(*sent.shape, -1), axis_name, split_axis=0, concat_axis=0)
    ones = jnp.ones((returned.senders.shape[0], 1), own.dtype)
    return None, None, own + sparse_product(returned, ones, home.reshape(received.shape))


_with_halo.defvjp(_forward, _backward)


def _with_padding_row(
    rows: CompressedRows,
    weights: Float[np.ndarray, "shards edges"],
    edge: Int[np.ndarray, "shards edges"],
    *,
    num_nodes: int,
) -> Adjacency:
    """The edges of each shard and their transpose, padding edges in a row and a column of their own."""
    senders = np.where(edge >= 0, rows.senders, num_nodes - 1)
    receivers = np.asarray(rows.receivers)  # padding ends at the row below the last already
    offsets = np.pad(np.asarray(rows.offsets), ((0, 0), (0, 1)), constant_values=edge.shape[1])
    by_sender = np.argsort(senders, axis=1, kind="stable")
    nodes = np.arange(num_nodes + 1)
    transposed_receivers = np.take_along_axis(senders, by_sender, axis=1)
    transposed_offsets = np.stack([np.searchsorted(shard, nodes) for shard in transposed_receivers])
    return Adjacency(
        rows=CompressedRows(*(jnp.asarray(array, jnp.int32) for array in (senders, receivers, offsets))),
        weights=jnp.asarray(weights, jnp.float32),
        transposed=CompressedRows(
            senders=jnp.asarray(np.take_along_axis(receivers, by_sender, axis=1), jnp.int32),
            receivers=jnp.asarray(transposed_receivers, jnp.int32),
            offsets=jnp.asarray(transposed_offsets, jnp.int32),
        ),
        transposed_order=jnp.asarray(by_sender, jnp.int32),
        transposed_weights=jnp.asarray(np.take_along_axis(weights, by_sender, axis=1), jnp.float32),
    )


def _returned(lists: RequestLists, rows_per_shard: int) -> CompressedRows:
    """The entries of the lists by slot: what sums the gradients that come back."""
    shard, peer, position = np.nonzero(np.arange(lists.longest) < lists.lengths[:, :, None])
    return grouped_edges(
        shard,
        lists.sent[shard, peer, position],
        peer * lists.longest + position,
        num_groups=len(lists.sent),
        num_rows=rows_per_shard,
    ).rows


__all__ = ["HaloGraph", "halo_normalization", "halo_product", "own_edges", "sharded_weighted_propagate", "with_halo"]
