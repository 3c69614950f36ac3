"""Which device holds which node: the rows of a graph dealt to shards, and the order that arrays of nodes then have."""

import heapq
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from recgoat_jax.graphs.adjacency import Adjacency


@dataclass(frozen=True, eq=False)
class NodePartition:
    """The nodes of a graph dealt to shards of equally many rows.

    Mesh order is the order of ``order``: the rows of shard 0, then those of shard 1, and so on, so that an array in it
    is spread over a mesh axis by its leading axis. Where the shards do not divide the nodes, shards end in padding.

    Attributes:
        place: ``nodes``, int32: the row of each node in mesh order, ``shard * rows_per_shard + slot``.
        order: ``num_shards * rows_per_shard``, int32: the node of each row, ascending within a shard; -1 for padding.
        num_shards: shards.
    """

    place: Int[np.ndarray, " nodes"]
    order: Int[np.ndarray, " rows"]
    num_shards: int

    @property
    def num_nodes(self) -> int:
        """Nodes; padding is not one."""
        return len(self.place)

    @property
    def rows_per_shard(self) -> int:
        """Rows of each shard, padding included."""
        return len(self.order) // self.num_shards

    @classmethod
    def from_shards(cls, shards: Int[np.ndarray, " nodes"], num_shards: int) -> "NodePartition":
        """The partition that puts each node into a given shard.

        Args:
            shards: ``nodes``, the shard of each node, 0 to ``num_shards - 1``.
            num_shards: shards.

        Returns:
            The partition; every shard has as many rows as the fullest has nodes.

        Raises:
            ValueError: no shard, or a node outside the shards.
        """
        _check_shards(num_shards)
        if outside := [int(shard) for shard in np.unique(shards) if not 0 <= shard < num_shards]:
            raise ValueError(f"a node is in shard {outside[0]}; expected 0 to {num_shards - 1}.")
        counts = np.bincount(shards, minlength=num_shards)
        rows_per_shard = max(int(counts.max()), 1)
        by_shard = np.argsort(shards, kind="stable")
        slots = np.arange(len(shards)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = np.empty(len(shards), np.int32)
        place[by_shard] = np.asarray(shards)[by_shard] * rows_per_shard + slots
        order = np.full(num_shards * rows_per_shard, -1, np.int32)
        order[place] = np.arange(len(shards))
        return cls(place, order, num_shards)

    @classmethod
    def joined(cls, first: "NodePartition", second: "NodePartition") -> "NodePartition":
        """The partition of the nodes of both, those of the second counted on from those of the first.

        Args:
            first: for example of users.
            second: for example of items; of as many shards.

        Returns:
            In each shard the rows of the first, padding included, then those of the second.

        Raises:
            ValueError: other numbers of shards.
        """
        if first.num_shards != second.num_shards:
            raise ValueError(f"partitions of {first.num_shards} and {second.num_shards} shards cannot be joined.")
        size = first.rows_per_shard + second.rows_per_shard
        shard, slot = np.divmod(first.place, first.rows_per_shard)
        places = [shard * size + slot]
        shard, slot = np.divmod(second.place, second.rows_per_shard)
        places.append(shard * size + first.rows_per_shard + slot)
        place = np.concatenate(places).astype(np.int32)
        order = np.full(first.num_shards * size, -1, np.int32)
        order[place] = np.arange(len(place))
        return cls(place, order, first.num_shards)

    def to_mesh_order(self, x: Float[Array, "nodes dim"]) -> Float[Array, "rows dim"]:
        """Lays an array of nodes out for the mesh.

        Args:
            x: ``nodes x dim``.

        Returns:
            ``num_shards * rows_per_shard x dim``, padding rows zero. Differentiable, by the way back.
        """
        return _to_mesh_order(jnp.asarray(self.place), jnp.asarray(self.order), x)

    def to_node_order(self, x: Float[Array, "rows dim"]) -> Float[Array, "nodes dim"]:
        """Brings an array in mesh order back.

        Args:
            x: ``num_shards * rows_per_shard x dim``; what padding rows hold is not read.

        Returns:
            ``nodes x dim``. Differentiable, by the way there.
        """
        return _to_node_order(jnp.asarray(self.place), jnp.asarray(self.order), x)


def balanced_partition(adjacency: Adjacency, num_shards: int) -> NodePartition:
    """Deals nodes to shards so that each has as many rows, and about as many edges to add up.

    Heaviest node first, each to the shard with the fewest edges among those with room (greedy scheduling by longest
    processing time, Graham 1969). The weight of a node counts the edges that it receives and, where the transposed
    matrix has other places, those that it sends: the backward pass adds those up. Neighbours are not kept together, so
    the rows that shards need from each other are not what is balanced.

    Args:
        adjacency: the matrix, on the host.
        num_shards: shards, usually the devices of a mesh axis.

    Returns:
        The partition; equal for equal arguments.

    Raises:
        ValueError: no shard.
    """
    _check_shards(num_shards)
    degrees = np.diff(np.asarray(adjacency.rows.offsets)).astype(np.int64)
    if adjacency.transposed is not None:
        degrees = degrees + np.diff(np.asarray(adjacency.transposed.offsets))
    return partition_by_weight(degrees, num_shards)


def partition_by_weight(weights: Int[np.ndarray, " nodes"], num_shards: int) -> NodePartition:
    """`balanced_partition` of nodes whose weights are known.

    Args:
        weights: ``nodes``, the work that each node makes, usually its edges.
        num_shards: shards.

    Returns:
        The partition; equal for equal arguments.

    Raises:
        ValueError: no shard.
    """
    _check_shards(num_shards)
    room = -(-len(weights) // num_shards)
    shards = np.empty(len(weights), np.int32)
    # Edges, then rows of each shard that has room: of equally loaded shards the emptier comes first.
    lightest = [(0, 0, shard) for shard in range(num_shards)]
    for node in np.argsort(-weights, kind="stable").tolist():
        edges, rows, shard = heapq.heappop(lightest)
        shards[node] = shard
        if rows + 1 < room:
            heapq.heappush(lightest, (edges + int(weights[node]), rows + 1, shard))
    return NodePartition.from_shards(shards, num_shards)


def edges_per_shard(adjacency: Adjacency, partition: NodePartition) -> Int[np.ndarray, " shards"]:
    """Edges that the nodes of each shard receive: the work of one product.

    Args:
        adjacency: the matrix, on the host.
        partition: of its nodes.

    Returns:
        ``shards``; the sum is the number of edges.
    """
    shards = partition.place[np.asarray(adjacency.receivers)] // partition.rows_per_shard
    return np.bincount(shards, minlength=partition.num_shards)


# The two orders are each other's transpose, and both are gathers. Automatic differentiation would scatter instead.
@jax.custom_vjp
def _to_mesh_order(
    place: Int[Array, " nodes"], order: Int[Array, " rows"], x: Float[Array, "nodes dim"]
) -> Float[Array, "rows dim"]:
    return jnp.where(order[:, None] >= 0, x[order], 0.0)


@jax.custom_vjp
def _to_node_order(
    place: Int[Array, " nodes"], order: Int[Array, " rows"], x: Float[Array, "rows dim"]
) -> Float[Array, "nodes dim"]:
    return x[place]


_to_mesh_order.defvjp(
    lambda place, order, x: (_to_mesh_order(place, order, x), (place, order)),
    lambda saved, cotangent: (None, None, _to_node_order(*saved, cotangent)),
)
_to_node_order.defvjp(
    lambda place, order, x: (_to_node_order(place, order, x), (place, order)),
    lambda saved, cotangent: (None, None, _to_mesh_order(*saved, cotangent)),
)


def _check_shards(num_shards: int) -> None:
    if num_shards < 1:
        raise ValueError(f"num_shards is {num_shards}; expected 1 or more.")


__all__ = ["NodePartition", "balanced_partition", "edges_per_shard", "partition_by_weight"]
