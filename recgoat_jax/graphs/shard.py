"""What one device holds of the users and items, and how it reads rows that another one holds; for `jax.shard_map`.

Rows are named by their place in mesh order (`recgoat_jax.graphs.NodePartition`): device ``p // slots`` of the axis
holds place ``p``. A device reads the rows of others by a sum over devices in which one term alone is not zero, so what
it reads is equal to the last bit to what is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from recgoat_jax.arrays import DATA_AXIS, EXAMPLE_AXES, ROWS_AXIS
from recgoat_jax.collectives import sum_scattered


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LocalRows:
    """The rows of one vocabulary that a device holds.

    Attributes:
        numbers: ``slots``, int32: the vocabulary row in each slot; -1 for padding.
        total: rows of the vocabulary.
    """

    numbers: Int[Array, " slots"]
    total: int = field(metadata={"static": True})

    @property
    def real(self) -> Bool[Array, " slots"]:
        """True where a slot holds a row, False for padding."""
        return self.numbers >= 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shard:
    """What a device holds of a model over a mesh; models get it within `jax.shard_map`, and None on one device.

    Attributes:
        users: the users whose rows are here.
        items: the items whose rows are here.
    """

    users: LocalRows
    items: LocalRows


def rows_axis(shard: Shard | None) -> str | None:
    """The axis to sum over what every row adds; None on one device."""
    return None if shard is None else ROWS_AXIS


def example_axes(shard: Shard | None) -> tuple[str, ...] | None:
    """The axes to sum over what every example adds; None on one device."""
    return None if shard is None else EXAMPLE_AXES


def counted_rows(rows: LocalRows | None) -> Bool[Array, " slots"] | None:
    """The rows that this device adds to sums over the axes of the examples, so that each row counts once.

    Devices along "data" hold the same rows; each of them counts an equal part.

    Args:
        rows: None on one device.

    Returns:
        A mask; None on one device: all.
    """
    if rows is None:
        return None
    groups = jax.lax.axis_size(DATA_AXIS)
    return rows.real & (jnp.arange(len(rows.numbers)) % groups == jax.lax.axis_index(DATA_AXIS))


def take_rows(
    x: Shaped[Array, "slots ..."], places: Int[Array, " batch"], shard: Shard | None
) -> Shaped[Array, "batch ..."]:
    """Rows of a spread table by place, for the examples of this device.

    Args:
        x: the rows of this device; numbers or booleans.
        places: ``batch``: places in mesh order, other ones on every device; on one device rows of x.
        shard: None on one device.

    Returns:
        ``batch x ...``, exact. The gradient of x adds up what the examples of all devices say.
    """
    if shard is None or jax.lax.axis_size(ROWS_AXIS) == 1:
        return x[places]
    with jax.named_scope("rows of the batch"):
        wanted = jax.lax.all_gather(places, ROWS_AXIS, tiled=True)
        return _summed(x, wanted, lambda found: sum_scattered(found, ROWS_AXIS))


def take_rows_together(
    x: Shaped[Array, "slots ..."], places: Int[Array, " batch"], shard: Shard | None
) -> Shaped[Array, "batch ..."]:
    """`take_rows` for places that are the same on all devices of the axis: every device gets all of the rows."""
    if shard is None or jax.lax.axis_size(ROWS_AXIS) == 1:
        return x[places]
    return _summed(x, places, lambda found: jax.lax.psum(found, ROWS_AXIS))


def _summed(x: Array, places: Int[Array, " all"], add_up: Callable[[Array], Array]) -> Array:
    """Rows held here, zero elsewhere, added up over devices."""
    if x.dtype == jnp.bool_:
        return _summed(x.astype(jnp.int32), places, add_up) > 0
    slot = places - jax.lax.axis_index(ROWS_AXIS) * x.shape[0]
    here = (slot >= 0) & (slot < x.shape[0])
    found = x[jnp.clip(slot, 0, x.shape[0] - 1)]
    return add_up(jnp.where(here.reshape(-1, *(1 for _ in x.shape[1:])), found, 0))


__all__ = ["LocalRows", "Shard", "counted_rows", "example_axes", "rows_axis", "take_rows", "take_rows_together"]
