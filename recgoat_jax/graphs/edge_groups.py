"""Edges in mesh order, cut into padded groups, and the lists of rows that shards request of each other; on the host."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from recgoat_jax.graphs.adjacency import CompressedRows
from recgoat_jax.graphs.partition import NodePartition


class PlacedEdges(NamedTuple):
    """Edges with the rows of their ends in mesh order, and the sizes of that order."""

    receivers: Int[np.ndarray, " edges"]
    senders: Int[np.ndarray, " edges"]
    num_shards: int
    rows_per_shard: int


def placed_edges(rows: CompressedRows, partition: NodePartition) -> PlacedEdges:
    """Puts the ends of edges into mesh order.

    Args:
        rows: places of a matrix over nodes.
        partition: of those nodes.

    Returns:
        The edges, in their own order.

    Raises:
        ValueError: a partition of another number of nodes.
    """
    if rows.num_rows != partition.num_nodes:
        raise ValueError(f"the partition deals {partition.num_nodes} nodes, the matrix has {rows.num_rows}.")
    place = partition.place.astype(np.int64)
    return PlacedEdges(
        place[np.asarray(rows.receivers)],
        place[np.asarray(rows.senders)],
        partition.num_shards,
        partition.rows_per_shard,
    )


class RequestLists(NamedTuple):
    """Which rows of other shards each shard needs.

    Attributes:
        columns: ``edges``: the sender of each edge as a column of its shard's own and received rows.
        sent: ``shards x peers x longest``: slots that a shard sends to each peer.
        lengths: ``shards x peers``: slots of each list that are not padding.
    """

    columns: Int[np.ndarray, " edges"]
    sent: Int[np.ndarray, "shards peers longest"]
    lengths: Int[np.ndarray, "shards peers"]

    @property
    def longest(self) -> int:
        """Length of the longest list, and so of all with their padding."""
        return self.sent.shape[2]


def request_lists(edges: PlacedEdges) -> RequestLists:
    """The lists of the exchange: each row once for each shard that needs it, in ascending order.

    Args:
        edges: edges in mesh order.

    Returns:
        The lists.
    """
    size, num_shards = edges.rows_per_shard, edges.num_shards
    owner, source = edges.receivers // size, edges.senders // size
    remote = owner != source
    requests, request_of_edge = np.unique(
        owner[remote] * (num_shards * size) + edges.senders[remote], return_inverse=True
    )
    pairs = requests // size  # owner * num_shards + source
    position = np.arange(len(pairs)) - np.searchsorted(pairs, pairs)
    longest = int(position.max(initial=-1)) + 1
    sent = np.zeros((num_shards, num_shards, longest), np.int32)
    sent[pairs % num_shards, pairs // num_shards, position] = requests % size
    columns = edges.senders % size
    columns[remote] = size + source[remote] * longest + position[request_of_edge]
    lengths = np.bincount(pairs, minlength=num_shards * num_shards).reshape(num_shards, num_shards).T
    return RequestLists(columns, sent, lengths)


class GroupedEdges(NamedTuple):
    """Edges in groups of equal length, sorted by receiver within each.

    Attributes:
        rows: places, ``groups x edges`` and ``groups x offsets``; padding follows the last offset, and its receiver is
            the number of rows.
        edge: ``groups x edges``: which edge it is; -1 for padding.
    """

    rows: CompressedRows
    edge: Int[np.ndarray, "groups edges"]


def grouped_edges(
    groups: Int[np.ndarray, " edges"],
    slots: Int[np.ndarray, " edges"],
    columns: Int[np.ndarray, " edges"],
    *,
    num_groups: int,
    num_rows: int,
) -> GroupedEdges:
    """Cuts edges into groups, each padded to the length of the longest.

    Args:
        groups: ``edges``, group of each edge.
        slots: ``edges``, its row in that group.
        columns: ``edges``, its column in that group.
        num_groups: groups.
        num_rows: rows of each group.

    Returns:
        The groups; within a row edges keep their order.
    """
    order = np.lexsort((slots, groups))
    counts = np.bincount(groups, minlength=num_groups)
    position = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    edge = np.full((num_groups, int(counts.max())), -1, np.int64)
    edge[groups[order], position] = order
    by_row = np.bincount(groups * num_rows + slots, minlength=num_groups * num_rows).reshape(num_groups, num_rows)
    rows = CompressedRows(
        senders=jnp.asarray(padded_values(columns, edge, 0), jnp.int32),
        receivers=jnp.asarray(padded_values(slots, edge, num_rows), jnp.int32),
        offsets=jnp.asarray(np.pad(np.cumsum(by_row, axis=1), ((0, 0), (1, 0))), jnp.int32),
    )
    return GroupedEdges(rows, edge)


def padded_values(values: np.ndarray, edge: Int[np.ndarray, "groups edges"], padding: int) -> np.ndarray:
    """Values of the edges of each group, and ``padding`` where there is none."""
    # An edge that is not there still needs a place to read from where there are no edges at all.
    return np.where(edge >= 0, np.append(values, padding)[edge], padding)


__all__ = [
    "GroupedEdges",
    "PlacedEdges",
    "RequestLists",
    "grouped_edges",
    "padded_values",
    "placed_edges",
    "request_lists",
]
