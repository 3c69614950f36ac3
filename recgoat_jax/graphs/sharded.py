"""Products and LightGCN over many devices: nodes dealt to shards, neighbour rows fetched from those that hold them.

`NodePartition` and `ShardedAdjacency` are built on the host; the functions here run within `jax.shard_map`, each
device on the rows of its shard, and `shard_map_graph` maps them over a mesh. Differentiate the mapped function.
The weights of the matrix are constants; where they are learned, `recgoat_jax.graphs.halo` has the product.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from recgoat_jax.graphs.combine import LayerCombination, combine_layers
from recgoat_jax.graphs.propagate import sparse_product
from recgoat_jax.graphs.sharded_adjacency import Entries, ExchangeEntries, RingEntries, ShardedAdjacency

Graph = TypeVar("Graph")


def shard_map_graph(
    function: Callable[..., Any], mesh: Mesh, *, axis_name: str | tuple[str, ...] = "data"
) -> Callable[..., Any]:
    """A function of a sharded matrix and rows, over the devices of a mesh, by ``jax.shard_map``.

    Args:
        function: `sharded_propagate`, `sharded_lightgcn`, or any function ``(graph, x, *others, axis_name=...)`` that
            returns rows of its shard.
        mesh: the devices.
        axis_name: axis, or axes, of the mesh that the shards are spread over.

    Returns:
        A function of the graph, of ``x`` in mesh order (`NodePartition.to_mesh_order`), of further arrays that every
        device gets whole, and of the keyword arguments of ``function`` but ``axis_name``. It returns rows in mesh
        order; to be jitted and differentiated from outside.

    Raises:
        ValueError: an axis that the mesh does not have; when called, a graph for another number of devices, or rows
            that are not in mesh order.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np
        >>> from recgoat_jax.data.dataset import Interactions
        >>> from recgoat_jax.graphs import Adjacency, ShardedAdjacency, balanced_partition, bipartite_graph, lightgcn
        >>> from recgoat_jax.graphs import place_on_mesh, shard_map_graph, sharded_lightgcn
        >>> train = Interactions(np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32))
        >>> adjacency = Adjacency.from_graph(bipartite_graph(train, num_users=2, num_items=2))
        >>> mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
        >>> partition = balanced_partition(adjacency, jax.device_count())
        >>> sharded = place_on_mesh(ShardedAdjacency.from_adjacency(adjacency, partition), mesh)
        >>> over_devices = shard_map_graph(sharded_lightgcn, mesh)
        >>> x = jnp.eye(4)
        >>> rows = over_devices(sharded, partition.to_mesh_order(x), num_layers=2)
        >>> print(jnp.allclose(partition.to_node_order(rows), lightgcn(adjacency, x, num_layers=2), atol=1e-6))
        True
    """
    num_devices = devices_along(mesh, axis_name)

    def mapped(graph: Any, x: Float[Array, "rows dim"], *others: Any, **options: Any) -> Any:
        if graph.num_shards != num_devices:
            raise ValueError(f"the graph has {graph.num_shards} shards for {num_devices} devices; partition it anew.")
        if x.shape[0] != num_devices * graph.rows_per_shard:
            raise ValueError(
                f"x has {x.shape[0]} rows; expected {num_devices * graph.rows_per_shard}, in mesh order. Lay it out "
                "with `NodePartition.to_mesh_order`."
            )
        spread, whole = PartitionSpec(axis_name), PartitionSpec()
        return jax.shard_map(
            partial(function, axis_name=axis_name, **options),
            mesh=mesh,
            in_specs=(spread, spread, *(whole for _ in others)),
            out_specs=spread,
        )(graph, x, *others)

    return mapped


def place_on_mesh(graph: Graph, mesh: Mesh, *, axis_name: str | tuple[str, ...] = "data") -> Graph:
    """Moves each shard of a graph to its device, so that no call has to.

    Args:
        graph: a `ShardedAdjacency`, a `recgoat_jax.graphs.HaloGraph`, or any arrays with a leading axis of shards; the
            same on every process of the mesh.
        mesh: the devices.
        axis_name: axis, or axes, of the mesh that the shards are spread over.

    Returns:
        The same, spread.
    """
    sharding = NamedSharding(mesh, PartitionSpec(axis_name))
    return jax.tree.map(lambda array: jax.device_put(np.asarray(array), sharding), graph)


def devices_along(mesh: Mesh, axis_name: str | tuple[str, ...]) -> int:
    """The number of devices along one or more axes of a mesh.

    Args:
        mesh: the devices.
        axis_name: axis, or axes.

    Returns:
        The product of their sizes.

    Raises:
        ValueError: an axis that the mesh does not have.
    """
    names = (axis_name,) if isinstance(axis_name, str) else axis_name
    if missing := [name for name in names if name not in mesh.shape]:
        raise ValueError(f"the mesh has no axis {missing[0]!r}; its axes are {dict(mesh.shape)}")
    return math.prod(mesh.shape[name] for name in names)


def sharded_propagate(
    adjacency: ShardedAdjacency, x: Float[Array, "slots dim"], *, axis_name: str | tuple[str, ...]
) -> Float[Array, "slots dim"]:
    """Multiplies by the adjacency matrix, ``A @ x``, within `jax.shard_map`.

    The backward pass is the same product with the transposed matrix.

    Args:
        adjacency: the matrix; this device's part of it, with a leading axis of one shard.
        x: ``rows_per_shard x dim``, the rows of this device, float32.
        axis_name: mapped axis, or axes, that the shards are spread over.

    Returns:
        ``rows_per_shard x dim``; zero for nodes that receive no edge and for padding.
    """
    return _propagate(axis_name, adjacency, x)


def sharded_lightgcn(
    adjacency: ShardedAdjacency,
    x: Float[Array, "slots dim"],
    *,
    num_layers: int,
    axis_name: str | tuple[str, ...],
    combine: LayerCombination = "mean",
) -> Float[Array, "slots dim"]:
    """`recgoat_jax.graphs.lightgcn` within `jax.shard_map`.

    Args:
        adjacency: as in `sharded_propagate`, normalised.
        x: ``rows_per_shard x dim``, layer 0 of the rows of this device.
        num_layers: L; 0 returns ``x`` itself.
        axis_name: as in `sharded_propagate`.
        combine: mean or sum of the layers 0 to L, or the last layer alone.

    Returns:
        ``rows_per_shard x dim``.

    Raises:
        ValueError: a negative number of layers.
    """
    return combine_layers(
        lambda layer: sharded_propagate(adjacency, layer, axis_name=axis_name),
        x,
        num_layers=num_layers,
        combine=combine,
    )


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _propagate(
    axis_name: str | tuple[str, ...], adjacency: ShardedAdjacency, x: Float[Array, "slots dim"]
) -> Float[Array, "slots dim"]:
    return _product(adjacency.entries, x, axis_name)


def _forward(
    axis_name: str | tuple[str, ...], adjacency: ShardedAdjacency, x: Float[Array, "slots dim"]
) -> tuple[Float[Array, "slots dim"], ShardedAdjacency]:
    return _propagate(axis_name, adjacency, x), adjacency


def _backward(
    axis_name: str | tuple[str, ...], adjacency: ShardedAdjacency, cotangent: Float[Array, "slots dim"]
) -> tuple[None, Float[Array, "slots dim"]]:
    transposed = adjacency.entries if adjacency.transposed is None else adjacency.transposed
    return None, _product(transposed, cotangent, axis_name)


_propagate.defvjp(_forward, _backward)


def _product(
    entries: Entries, x: Float[Array, "slots dim"], axis_name: str | tuple[str, ...]
) -> Float[Array, "slots dim"]:
    """This device's rows of the product."""
    own: Entries = jax.tree.map(lambda array: array[0], entries)
    match own:
        case RingEntries():
            return _ring_product(own, x, axis_name)
        case ExchangeEntries(rows=rows, weights=weights, sent=sent):
            return sparse_product(rows, weights[:, None], with_received(x, sent, axis_name))


def _ring_product(
    entries: RingEntries, x: Float[Array, "slots dim"], axis_name: str | tuple[str, ...]
) -> Float[Array, "slots dim"]:
    def product(group: RingEntries, block: Float[Array, "slots dim"]) -> Float[Array, "slots dim"]:
        return sparse_product(group.rows, group.weights[:, None], block)

    def hop(
        carry: tuple[Float[Array, "slots dim"], Float[Array, "slots dim"]], group: RingEntries
    ) -> tuple[tuple[Float[Array, "slots dim"], Float[Array, "slots dim"]], None]:
        total, block = carry
        return (total + product(group, block), passed_on(block, axis_name)), None

    first, between, last = (jax.tree.map(lambda array, at=at: array[at], entries) for at in (0, slice(1, -1), -1))
    total = product(first, x)
    if entries.weights.shape[0] == 1:
        return total
    # A block travels on while it is multiplied. The last is not passed on: nobody waits for it.
    (total, block), _ = jax.lax.scan(hop, (total, passed_on(x, axis_name)), between)
    return total + product(last, block)


def passed_on(block: Float[Array, "slots dim"], axis_name: str | tuple[str, ...]) -> Float[Array, "slots dim"]:
    """A block of rows one device further round the ring, within `jax.shard_map`."""
    size = jax.lax.psum(1, axis_name)
    return jax.lax.ppermute(block, axis_name, [(device, (device + 1) % size) for device in range(size)])


def with_received(
    x: Float[Array, "slots dim"],
    sent: Int[Array, "peers sent"],
    axis_name: str | tuple[str, ...],
    *,
    zero_rows: int = 0,
) -> Float[Array, "columns dim"]:
    """The rows of this device, followed by those that the others send it. No gradient of its own.

    Args:
        x: ``rows_per_shard x dim``.
        sent: ``peers x sent``, the slots that this device sends to each.
        axis_name: mapped axis, or axes.
        zero_rows: rows of zeros behind them.

    Returns:
        ``rows_per_shard + peers * sent + zero_rows x dim``.
    """
    if sent.shape[1] == 0:
        return jnp.pad(x, ((0, zero_rows), (0, 0)))
    with jax.named_scope("rows of other shards"):
        received = jax.lax.all_to_all(x[sent], axis_name, split_axis=0, concat_axis=0)
        zeros = jnp.zeros((zero_rows, x.shape[1]), x.dtype)
        return jnp.concatenate([x, received.reshape(-1, x.shape[1]), zeros])


__all__ = [
    "devices_along",
    "passed_on",
    "place_on_mesh",
    "shard_map_graph",
    "sharded_lightgcn",
    "sharded_propagate",
    "with_received",
]
