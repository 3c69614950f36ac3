"""The exact neighbour lists of `recgoat_jax.graphs.knn_graph`, built over the devices of a mesh.

Each device holds a block of unit rows. The blocks travel round a ring, and each device keeps the k nearest of what has
come by: no device ever holds more than two blocks of rows and ``block_rows`` rows of similarities to one of them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.graphs.knn import COLUMN_MULTIPLE, check_positive, neighbor_list, padded_rows, unit_rows
from recgoat_jax.graphs.sharded import devices_along, passed_on


class _Nearest(NamedTuple):
    """The nearest rows so far: by falling similarity, ties by the lower row."""

    similarities: Float[Array, "rows k"]
    neighbors: Int[Array, "rows k"]


def sharded_knn_graph(
    table: FeatureTable, *, k: int, mesh: Mesh, axis_name: str | tuple[str, ...] = "data", block_rows: int = 1024
) -> NeighborList:
    """The k nearest neighbours of each row by cosine similarity, exact, computed by all devices of a mesh.

    Args:
        table: features. A missing row, or one of zero length, has no neighbours and is nobody's neighbour.
        k: neighbours of a row, or all others where there are fewer.
        mesh: the devices; every process of it calls this with the same table.
        axis_name: axis, or axes, of the mesh that rows are spread over.
        block_rows: rows whose similarities to a block are computed at once; rounded up to a multiple of 64.

    Returns:
        The neighbours, edges and order of `recgoat_jax.graphs.knn_graph`; the cosines are equal up to rounding.

    Raises:
        ValueError: k or ``block_rows`` below 1, or an axis that the mesh does not have.
    """
    check_positive(k=k, block_rows=block_rows)
    rows, vectors = unit_rows(table)
    origin = f"knn(k={k}) of {table.encoder}"
    width = min(k, len(rows) - 1)
    if width < 1:
        return neighbor_list([], [], [], num_nodes=table.num_rows, origin=origin)
    num_devices = devices_along(mesh, axis_name)
    # As on one device: whole tiles of the product, so that equal rows get equal similarities on every device.
    per_device = _rounded_up(-(-len(rows) // num_devices), COLUMN_MULTIPLE)
    block_rows = min(_rounded_up(block_rows, COLUMN_MULTIPLE), per_device)
    per_device = _rounded_up(per_device, block_rows)
    spread = PartitionSpec(axis_name)
    search = jax.shard_map(
        partial(
            _ring_search,
            num_rows=len(rows),
            num_devices=num_devices,
            k=width,
            block_rows=block_rows,
            axis_name=axis_name,
        ),
        mesh=mesh,
        in_specs=spread,
        out_specs=spread,
    )
    # Whole on every device in the end, so that each process can read it: rows x k, not rows x rows.
    found = jax.jit(search, out_shardings=NamedSharding(mesh, PartitionSpec()))(
        jax.device_put(padded_rows(vectors, num_devices * per_device), NamedSharding(mesh, spread))
    )
    return neighbor_list(
        np.repeat(rows, width),
        rows[np.asarray(found.neighbors)[: len(rows)].ravel()],
        np.asarray(found.similarities)[: len(rows)].ravel(),
        num_nodes=table.num_rows,
        origin=origin,
    )


def _ring_search(
    own: Float[Array, "rows feature"],
    *,
    num_rows: int,
    num_devices: int,
    k: int,
    block_rows: int,
    axis_name: str | tuple[str, ...],
) -> _Nearest:
    """The k nearest of all rows to the rows of this device."""
    per_device = own.shape[0]
    device = jax.lax.axis_index(axis_name)

    def nearest_in(block: Float[Array, "rows feature"], hop: Int[Array, ""]) -> _Nearest:
        """The nearest rows in the block that is there after some hops."""
        column = (device - hop) % num_devices * per_device + jnp.arange(per_device)

        def of_some(start: Int[Array, ""]) -> _Nearest:
            queries = jax.lax.dynamic_slice_in_dim(own, start, block_rows)
            similarity = jnp.matmul(queries, block.T, precision=jax.lax.Precision.HIGHEST)
            row = device * per_device + start + jnp.arange(block_rows)
            allowed = (column[None, :] != row[:, None]) & (column < num_rows)[None, :]
            values, places = jax.lax.top_k(jnp.where(allowed, similarity, -jnp.inf), min(k, per_device))
            return _Nearest(values, column[places])

        found = jax.lax.map(of_some, jnp.arange(0, per_device, block_rows))
        return jax.tree.map(lambda x: x.reshape(per_device, -1), found)

    def hop(carry: tuple[_Nearest, Float[Array, "rows feature"]], number: Int[Array, ""]) -> tuple[tuple, None]:
        nearest, block = carry
        block = passed_on(block, axis_name)
        return (_merged(nearest, nearest_in(block, number), k), block), None

    start = nearest_in(own, jnp.int32(0))
    # One block may hold fewer rows than are wanted: what is missing is no neighbour, behind every real one.
    missing = ((0, 0), (0, k - start.similarities.shape[1]))
    start = _Nearest(
        jnp.pad(start.similarities, missing, constant_values=-jnp.inf),
        jnp.pad(start.neighbors, missing, constant_values=num_devices * per_device),
    )
    (nearest, _), _ = jax.lax.scan(hop, (start, own), jnp.arange(1, num_devices, dtype=jnp.int32))
    return nearest


def _merged(first: _Nearest, second: _Nearest, k: int) -> _Nearest:
    """The k nearest of both. Blocks do not come in the order of their rows, so ties are sorted by row."""
    together = jax.tree.map(lambda x, y: jnp.concatenate([x, y], axis=1), first, second)
    distance, neighbors = jax.lax.sort((-together.similarities, together.neighbors), dimension=1, num_keys=2)
    return _Nearest(-distance[:, :k], neighbors[:, :k])


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


__all__ = ["sharded_knn_graph"]
