"""The compiled pass that counts ranks: on one device, or by every device of a mesh within `jax.shard_map`.

Over a mesh, users are spread over the axis "data" and items over the axis "rows". Each device counts among its own
items the ones that score above a target; the sum over "rows" is the rank. No device holds scores of more than one
block of users and its own items, in whole tiles.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.evaluation.rank_blocks import BLOCK_SPECS, RankBlocks
from recgoat_jax.evaluation.scores import in_tiles, scores_in_tiles, tile_size
from recgoat_jax.graphs.shard import LocalRows, Shard, example_axes, rows_axis, take_rows_together

_SUMMED_AT_ONCE = 16
"""XLA fuses a comparison with a sum of few terms; for more it writes one int32 a score, which takes twice the time."""


class CountedRanks(NamedTuple):
    """What the pass gives.

    Attributes:
        ranks: ``pairs``, int32.
        bound: no score is larger (Cauchy-Schwarz); not finite where any vector is not.
    """

    ranks: Int[Array, " pairs"]
    bound: Float[Array, ""]


@functools.cache
def ranking_function(mesh: Mesh | None, *, num_users: int, num_items: int, chunk: int) -> jax.stages.Wrapped:
    """The compiled pass; it holds no data, so that it can also be lowered from shapes.

    Args:
        mesh: the devices, with the axes "data" and "rows"; None: one device.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        chunk: excluded pairs masked at once, by `rank_blocks.lay_out`.

    Returns:
        A jitted function of `RankBlocks` (spread by `BLOCK_SPECS`), user vectors and item vectors (``places x dim``,
        in mesh order and spread over "rows"). It gives `CountedRanks`, whole on every device. What padding rows hold is
        not read.
    """
    if mesh is None:
        return jax.jit(functools.partial(_counted_ranks, tile=tile_size(num_items), chunk=chunk, shard=None))

    def of_device(blocks: RankBlocks, users: Array, items: Array) -> CountedRanks:
        shard = Shard(LocalRows(blocks.user_numbers, num_users), LocalRows(blocks.item_numbers, num_items))
        return _counted_ranks(blocks, users, items, tile=tile_size(num_items), chunk=chunk, shard=shard)

    rows = PartitionSpec(ROWS_AXIS)
    return jax.jit(jax.shard_map(of_device, mesh=mesh, in_specs=(BLOCK_SPECS, rows, rows), out_specs=PartitionSpec()))


def _counted_ranks(
    blocks: RankBlocks,
    users: Float[Array, "users dim"],
    items: Float[Array, "items dim"],
    *,
    tile: int,
    chunk: int,
    shard: Shard | None,
) -> CountedRanks:
    """Counts all blocks of this device, then adds up over devices."""
    numbers, tiles = in_tiles(blocks.item_numbers, tile, padding=-1), in_tiles(items, tile)

    def one_block(found: Array, step: Array) -> tuple[Array, None]:
        scores = scores_in_tiles(take_rows_together(users, blocks.users[0, step], shard), tiles)
        return count_step(found, scores, numbers, blocks, step, chunk=chunk, shard=shard), None

    found = _zeros(blocks.items.shape, shard)
    found, _ = jax.lax.scan(one_block, found, jnp.arange(blocks.users.shape[1]))
    if axes := example_axes(shard):
        found = jax.lax.psum(found, axes)
    bound = _longest(users, blocks.user_numbers >= 0, shard) * _longest(items, blocks.item_numbers >= 0, shard)
    return CountedRanks(found, bound)


def count_step(
    found: Int[Array, " pairs"],
    scores: Float[Array, "tiles batch tile"],
    numbers: Int[Array, "tiles tile"],
    blocks: RankBlocks,
    step: Int[Array, ""],
    *,
    chunk: int,
    shard: Shard | None = None,
) -> Int[Array, " pairs"]:
    """Writes the ranks of one block of users into ``found``; its loops run as often as this block needs.

    Args:
        found: ranks among the items of this device.
        scores: of the items of this device.
        numbers: their item rows; -1 for padding.
        blocks: of this device, `groups` and `shards` being 1.
        step: which block.
        chunk: excluded pairs masked at once.
        shard: what this device holds; None on one device.

    Returns:
        ``found`` with the ranks of the block.
    """
    _, size, tile = scores.shape
    start, stop = blocks.excluded_first[0, 0, step], blocks.excluded_first[0, 0, step + 1]

    def mask(turn: Array, scores: Array) -> Array:
        begin = start + turn * chunk
        rows = jax.lax.dynamic_slice(blocks.excluded_users[0, 0], (begin,), (chunk,))
        slots = jax.lax.dynamic_slice(blocks.excluded_slots[0, 0], (begin,), (chunk,))
        rows = jnp.where(begin + jnp.arange(chunk) < stop, rows, size)  # beyond the block: dropped
        return scores.at[slots // tile, rows, slots % tile].set(-jnp.inf, mode="drop")

    scores = jax.lax.fori_loop(0, (stop - start + chunk - 1) // chunk, mask, scores)
    first, counts = blocks.first[0, step], blocks.counts[0, step]

    def count(turn: Array, found: Array) -> Array:
        place = jnp.where(turn < counts, first + turn, found.size)  # beyond the targets: dropped
        target = blocks.items.at[place].get(mode="clip")[:, None]
        score = _target_scores(scores, blocks.places.at[place].get(mode="clip"), shard)[:, None]

        def in_tile(total: Array, one: tuple[Array, Array]) -> tuple[Array, None]:
            others, number = one
            above = (number >= 0) & ((others > score) | ((others == score) & (number < target)))
            return total + jnp.sum(above.reshape(size, _SUMMED_AT_ONCE, -1), axis=1, dtype=jnp.int32), None

        total, _ = jax.lax.scan(in_tile, _zeros((size, tile // _SUMMED_AT_ONCE), shard), (scores, numbers))
        return found.at[place].set(jnp.sum(total, axis=1, dtype=jnp.int32), mode="drop")

    # As often on every device, whatever its own block needs: they wait for each other's scores.
    return jax.lax.fori_loop(0, blocks.most[step], count, found)


def _target_scores(
    scores: Float[Array, "tiles batch tile"], places: Int[Array, " batch"], shard: Shard | None
) -> Float[Array, " batch"]:
    """The score of each user's target, read from the product of the device that holds the item."""
    _, size, tile = scores.shape
    users = jnp.arange(size)
    if shard is None:
        return scores[places // tile, users, places % tile]
    device, slot = jnp.divmod(places, shard.items.numbers.shape[0])
    here = device == jax.lax.axis_index(ROWS_AXIS)
    return jax.lax.psum(jnp.where(here, scores[slot // tile, users, slot % tile], 0), ROWS_AXIS)


def _longest(vectors: Float[Array, "slots dim"], real: Bool[Array, " slots"], shard: Shard | None) -> Float[Array, ""]:
    """The largest length of a vector; infinite where one is not a number, which a maximum over devices could lose."""
    lengths = jnp.where(real, jnp.linalg.norm(vectors, axis=1), 0)
    longest = jnp.max(jnp.where(jnp.isnan(lengths), jnp.inf, lengths))
    axis = rows_axis(shard)
    return longest if axis is None else jax.lax.pmax(longest, axis)


def _zeros(shape: tuple[int, ...], shard: Shard | None) -> Int[Array, "..."]:
    """Zeros to add up on, which differ from device to device as soon as that begins."""
    zeros, axes = jnp.zeros(shape, jnp.int32), example_axes(shard)
    return zeros if axes is None else jax.lax.pcast(zeros, axes, to="varying")


__all__ = ["CountedRanks", "count_step", "ranking_function"]
