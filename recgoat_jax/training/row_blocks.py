"""Tables that are spread over processes, brought to the host of the first in blocks.

No device, and no host but the first, ever holds more of them than its own rows and one block.
"""

from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.graphs.partition import NodePartition
from recgoat_jax.training.hosts import is_first

BLOCK = 1 << 16
"""Rows of a block, about, of all shards together."""


def in_vocabulary_order(
    table: Float[Array, "places dim"], partition: NodePartition, *, block: int = BLOCK
) -> Float[np.ndarray, "rows dim"] | None:
    """A table in mesh order as rows of the vocabulary, on the host of the first process.

    All processes must call it, for each sends its rows.

    Args:
        table: spread over the axis "rows" of a mesh by its leading axis.
        partition: the order of its rows.
        block: rows that travel at once.

    Returns:
        The table on the first process, None on the others.
    """
    if table.is_fully_addressable:
        return np.asarray(table)[partition.place] if is_first() else None
    mesh = table.sharding.mesh  # type: ignore[union-attr]  # over processes it is a NamedSharding
    shards, rows = partition.num_shards, len(partition.order) // partition.num_shards
    size = min(rows, max(1, block // shards))
    places = np.arange(len(partition.order)).reshape(shards, rows)
    result = np.empty((len(partition.place), *table.shape[1:]), table.dtype) if is_first() else None
    for begin in range(0, rows, size):
        # The last block begins earlier rather than being a shorter one, which would be compiled anew.
        start = min(begin, rows - size)
        arrived = _block(table, np.int32(start), size=size, mesh=mesh)
        if result is not None:
            row = partition.order[places[:, start : start + size].ravel()]
            result[row[row >= 0]] = np.asarray(arrived)[row >= 0]
    return result


@partial(jax.jit, static_argnames=("size", "mesh"))
def _block(
    table: Float[Array, "places dim"], start: Int[np.ndarray, ""] | Int[Array, ""] | np.int32, *, size: int, mesh: Mesh
) -> Float[Array, "block dim"]:
    """``size`` rows of each shard, whole on every device."""
    cut = jax.shard_map(
        lambda rows, start: jax.lax.dynamic_slice_in_dim(rows, start, size),
        mesh=mesh,
        in_specs=(PartitionSpec(ROWS_AXIS), PartitionSpec()),
        out_specs=PartitionSpec(ROWS_AXIS),
    )
    return jax.lax.with_sharding_constraint(cut(table, start), NamedSharding(mesh, PartitionSpec()))


__all__ = ["BLOCK", "in_vocabulary_order"]
