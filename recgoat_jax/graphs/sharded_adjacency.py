"""A sparse matrix over many devices: the entries of each shard, and what tells shards which rows to send each other.

Built on the host. Every array has a leading axis of shards and equal sizes along the others, by padding: spread over a
mesh axis by that axis, each device holds the entries whose receivers are its rows.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from recgoat_jax.graphs.adjacency import Adjacency, CompressedRows
from recgoat_jax.graphs.edge_groups import PlacedEdges, grouped_edges, padded_values, placed_edges, request_lists
from recgoat_jax.graphs.partition import NodePartition

RowCollective = Literal["ring", "exchange"]
"""How rows reach the shards that need them: blocks of rows travel round a ring, or each shard sends what is needed."""


class RowsMoved(NamedTuple):
    """Rows that each shard sends in one product, padding included: what decides between the collectives.

    Attributes:
        ring: ``(num_shards - 1) * rows_per_shard``, whatever the edges are.
        exchange: ``num_shards - 1`` lists of the length of the longest; never more than ``ring``.
    """

    ring: int
    exchange: int

    @property
    def preferred(self) -> RowCollective:
        """The exchange where it moves at most half of the rows of the ring, else the ring.

        The exchange holds all rows that it received at once, up to the whole of x where the lists are long; the ring
        holds two blocks, however many devices there are, and its traffic can overlap with the products.
        """
        return "exchange" if 2 * self.exchange <= self.ring else "ring"


class RingEntries(NamedTuple):
    """Entries grouped by the shard of their sender, in the order in which its block of rows comes by.

    Attributes:
        rows: places; ``shards x hops x edges`` and ``shards x hops x offsets``. At hop h the block of shard
            ``own - h`` is there, and ``senders`` are slots of it.
        weights: ``shards x hops x edges``.
    """

    rows: CompressedRows
    weights: Float[Array, "shards hops edges"]


class ExchangeEntries(NamedTuple):
    """Entries of a shard together, and the lists of rows that it sends.

    Attributes:
        rows: places; ``shards x edges`` and ``shards x offsets``. Senders below ``rows_per_shard`` are slots of the
            own shard; those from there on count the received rows, by sending shard, then by position in its list.
        weights: ``shards x edges``.
        sent: ``shards x peers x sent``: the slots of the rows that a shard sends to each peer; slot 0 pads.
    """

    rows: CompressedRows
    weights: Float[Array, "shards edges"]
    sent: Int[Array, "shards peers sent"]


Entries = RingEntries | ExchangeEntries
"""The entries of a matrix over shards, for one of the collectives."""


class ShardedAdjacency(NamedTuple):
    """An `Adjacency` over the shards of a `NodePartition`, rows and columns in mesh order (a pytree).

    Attributes:
        entries: of A, by the shard of their receiver.
        transposed: of the transposed matrix, by the shard of their receiver there; None where A is symmetric in value.
    """

    entries: Entries
    transposed: Entries | None

    @property
    def num_shards(self) -> int:
        """Shards of the partition; within `jax.shard_map` still all of them."""
        match self.entries:
            case RingEntries(weights=weights):
                return weights.shape[1]
            case ExchangeEntries(sent=sent):
                return sent.shape[1]

    @property
    def rows_per_shard(self) -> int:
        """Rows of each shard, padding included."""
        return self.entries.rows.offsets.shape[-1] - 1

    @property
    def collective(self) -> RowCollective:
        """What the entries are laid out for."""
        return "ring" if isinstance(self.entries, RingEntries) else "exchange"

    @classmethod
    def from_adjacency(
        cls, adjacency: Adjacency, partition: NodePartition, *, collective: RowCollective | None = None
    ) -> "ShardedAdjacency":
        """Deals the entries of a matrix to shards, on the host.

        Args:
            adjacency: the matrix; its arrays must not be traced.
            partition: of its nodes.
            collective: how rows will move; None: `RowsMoved.preferred`.

        Returns:
            The matrix for that collective.

        Raises:
            ValueError: a partition of another number of nodes.
        """
        if collective is None:
            collective = rows_moved(adjacency, partition).preferred
        build = _ring_entries if collective == "ring" else _exchange_entries
        transposed = None
        if adjacency.transposed_weights is not None:
            transposed = build(placed_edges(adjacency.transposed_rows, partition), adjacency.transposed_weights)
        return cls(build(placed_edges(adjacency.rows, partition), adjacency.weights), transposed)


def rows_moved(adjacency: Adjacency, partition: NodePartition) -> RowsMoved:
    """Counts the rows that each shard sends in one product, on the host.

    Args:
        adjacency: the matrix.
        partition: of its nodes.

    Returns:
        The count for each collective; the larger of A and its transpose for the exchange.

    Raises:
        ValueError: a partition of another number of nodes.
    """
    longest = request_lists(placed_edges(adjacency.rows, partition)).longest
    if adjacency.transposed is not None:
        longest = max(longest, request_lists(placed_edges(adjacency.transposed, partition)).longest)
    others = partition.num_shards - 1
    return RowsMoved(ring=others * partition.rows_per_shard, exchange=others * longest)


def _ring_entries(edges: PlacedEdges, weights: Float[Array, " edges"]) -> RingEntries:
    size, num_shards = edges.rows_per_shard, edges.num_shards
    owner = edges.receivers // size
    hop = (owner - edges.senders // size) % num_shards
    groups, edge = grouped_edges(
        owner * num_shards + hop,
        edges.receivers % size,
        edges.senders % size,
        num_groups=num_shards * num_shards,
        num_rows=size,
    )
    values = jnp.asarray(padded_values(np.asarray(weights), edge, 0), jnp.float32)
    return jax.tree.map(lambda x: x.reshape(num_shards, num_shards, x.shape[-1]), RingEntries(groups, values))


def _exchange_entries(edges: PlacedEdges, weights: Float[Array, " edges"]) -> ExchangeEntries:
    size = edges.rows_per_shard
    lists = request_lists(edges)
    rows, edge = grouped_edges(
        edges.receivers // size, edges.receivers % size, lists.columns, num_groups=edges.num_shards, num_rows=size
    )
    values = jnp.asarray(padded_values(np.asarray(weights), edge, 0), jnp.float32)
    return ExchangeEntries(rows, values, jnp.asarray(lists.sent))


__all__ = [
    "Entries",
    "ExchangeEntries",
    "RingEntries",
    "RowCollective",
    "RowsMoved",
    "ShardedAdjacency",
    "rows_moved",
]
