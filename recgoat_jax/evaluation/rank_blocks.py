"""Targets and exclusions laid out for the compiled pass, on one device or over a mesh. On the host."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Int

from recgoat_jax.arrays import DATA_AXIS, ROWS_AXIS
from recgoat_jax.data.dataset import Interactions
from recgoat_jax.graphs.partition import NodePartition
from recgoat_jax.graphs.placement import Placement

_SMALLEST_CHUNK = 64


class RankBlocks(NamedTuple):
    """Everything that the compiled pass reads beside vectors; of numpy, of JAX arrays, or of their shapes.

    Users with targets, sorted by falling number of targets, are cut into blocks. Consecutive blocks go to the groups
    along the axis "data" in turn: at each step every group counts a block with about as many targets. On one device
    `groups` and `shards` are 1.

    Attributes:
        users: ``groups x steps x size``, the places of users in mesh order (on one device their rows); padding
            repeats the first place.
        first: ``groups x steps x size``, where the user's targets start in `items`.
        counts: ``groups x steps x size``, number of targets; 0 for padding.
        most: ``steps``, the largest number of targets of a user in any group: how often all devices count.
        items: ``pairs``, item rows of all targets.
        places: ``pairs``, their places in mesh order (on one device their rows).
        user_numbers: ``places``, the user row in each place of the mesh order; -1 for padding.
        item_numbers: ``places``, the item row likewise.
        excluded_users: ``groups x shards x excluded``, one step after the other: the user's place within its block.
        excluded_slots: ``groups x shards x excluded``, the slot of the item among those of the shard.
        excluded_first: ``groups x shards x starts``, where the excluded pairs of each step start, and their end.
    """

    users: Any
    first: Any
    counts: Any
    most: Any
    items: Any
    places: Any
    user_numbers: Any
    item_numbers: Any
    excluded_users: Any
    excluded_slots: Any
    excluded_first: Any


_EVERYWHERE, _GROUPS, _ROWS = PartitionSpec(), PartitionSpec(DATA_AXIS), PartitionSpec(ROWS_AXIS)
_DEVICES = PartitionSpec(DATA_AXIS, ROWS_AXIS)

BLOCK_SPECS = RankBlocks(
    users=_GROUPS,
    first=_GROUPS,
    counts=_GROUPS,
    most=_EVERYWHERE,
    items=_EVERYWHERE,
    places=_EVERYWHERE,
    user_numbers=_ROWS,
    item_numbers=_ROWS,
    excluded_users=_DEVICES,
    excluded_slots=_DEVICES,
    excluded_first=_DEVICES,
)
"""The mesh axes along the axes of each array."""


class LaidOut(NamedTuple):
    """The layout and what the compiled pass has to know of it beforehand.

    Attributes:
        blocks: numpy arrays, int32.
        chunk: excluded pairs masked at once.
    """

    blocks: RankBlocks
    chunk: int


def lay_out(
    targets: Interactions,
    *,
    num_users: int,
    num_items: int,
    excluded: Sequence[Interactions],
    block_size: int,
    placement: Placement | None = None,
) -> LaidOut:
    """Lays targets and exclusions out.

    Args:
        targets: held-out pairs, at least one, sorted by user.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        excluded: pairs that are no candidates.
        block_size: users scored at once, where so many have targets.
        placement: where users and items are; None on one device.

    Returns:
        The layout. Which users form a block depends neither on the mesh nor on the placement.
    """
    if placement is None:
        users, items = (NodePartition.from_shards(np.zeros(n, np.int32), 1) for n in (num_users, num_items))
        groups = 1
    else:
        users, items, groups = placement.users, placement.items, placement.mesh.shape[DATA_AXIS]
    counts = np.bincount(targets.users, minlength=num_users)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    size = min(block_size, len(order))
    steps = math.ceil(len(order) / (size * groups))

    def by_group(values: Int[np.ndarray, " ordered"]) -> Int[np.ndarray, "groups steps size"]:
        padded = np.pad(values, (0, steps * groups * size - len(order)))
        return padded.reshape(steps, groups, size).swapaxes(0, 1).astype(np.int32)

    target_counts = by_group(counts[order])
    position = np.full(num_users, -1)
    position[order] = np.arange(len(order))
    excluded_pairs, chunk = _excluded_by_step(
        np.concatenate([np.zeros(0, np.int64), *(position[pairs.users] for pairs in excluded)]),
        np.concatenate([np.zeros(0, np.int32), *(items.place[pairs.items] for pairs in excluded)]),
        (groups, items.num_shards, steps, size),
        items.rows_per_shard,
    )
    blocks = RankBlocks(
        users=by_group(users.place[order]),
        first=by_group(np.searchsorted(targets.users, order)),
        counts=target_counts,
        most=target_counts.max(axis=(0, 2)),
        items=targets.items.astype(np.int32),
        places=items.place[targets.items],
        user_numbers=users.order,
        item_numbers=items.order,
        **excluded_pairs,
    )
    return LaidOut(blocks, chunk)


def _excluded_by_step(
    positions: Int[np.ndarray, " excluded"],
    places: Int[np.ndarray, " excluded"],
    sizes: tuple[int, int, int, int],
    rows_per_shard: int,
) -> tuple[dict[str, np.ndarray], int]:
    """The arrays of excluded pairs, and the chunk. Each pair is with the group of its user and the shard of its item.

    Args:
        positions: of the users among those with targets; -1 for others, whose pairs are left out.
        places: of the items.
        sizes: groups, shards, steps, users of a block.
        rows_per_shard: items of a shard.
    """
    groups, shards, steps, size = sizes
    positions, places = positions[positions >= 0], places[positions >= 0]
    block, row = np.divmod(positions, size)
    shard, slot = np.divmod(places, rows_per_shard)
    device = block % groups * shards + shard
    step = device * steps + block // groups
    counts = np.bincount(step, minlength=groups * shards * steps).reshape(-1, steps)
    starts = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    # Chunks of the mean size: a block of heavy users takes several, and no block pays for the heaviest.
    chunk = max(_SMALLEST_CHUNK, 2 ** math.ceil(math.log2(max(1, len(places)) / counts.size + 1)))
    # A slice of one chunk must never run over the end; whole chunks let data of similar size share a program.
    width = (math.ceil(starts[:, -1].max() / chunk) + 1) * chunk
    sort = np.lexsort((positions, step))
    device = device[sort]
    within = np.arange(len(sort)) - np.searchsorted(device, device)

    def by_device(values: np.ndarray) -> np.ndarray:
        laid = np.zeros((groups * shards, width), np.int32)
        laid[device, within] = values[sort]
        return laid.reshape(groups, shards, width)

    arrays = {
        "excluded_users": by_device(row),
        "excluded_slots": by_device(slot),
        "excluded_first": starts.reshape(groups, shards, steps + 1).astype(np.int32),
    }
    return arrays, chunk


__all__ = ["BLOCK_SPECS", "LaidOut", "RankBlocks", "lay_out"]
