"""Full ranking, blocked over users: ranks of held-out items by counting.

The rank of a held-out item is the number of candidate items that score above it. Counting needs no sorted list,
serves every cut-off at once and costs about as much as the score product itself. Three rules make it exact:

* The score of the held-out item is read from the same product as the scores that it is compared with: a dot product
  computed alone differs in the last bit, so that an item could outrank itself.
* Equal scores are ordered by item row, the lower row first, here and in the lists of `top_k.top_k`. A model that scores
  everything alike therefore gets the ranking by row, which is worth nothing.
* Excluded items (a user's training items) are masked out of the scores and never count.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.errors import DataError, RunStoppedError, UsageError

VectorPair = tuple[Float[Array | np.ndarray, "users dim"], Float[Array | np.ndarray, "items dim"]]
"""User vectors and item vectors; the score is their dot product. `models.protocols.Vectors` is one."""

ScoreBlock = Callable[[Int[np.ndarray, " batch"]], Float[Array | np.ndarray, "batch items"]]
"""A function from user rows to their scores of all items: what a ranker without vectors offers."""

_CPU_SCORES, _ACCELERATOR_SCORES = 2**20, 2**27
"""Scores held at once: what fits a CPU's cache, and half a gigabyte elsewhere."""


class _Blocks(NamedTuple):
    """Everything that the compiled pass reads. The users with targets are sorted by their number of targets.

    Attributes:
        users: ``blocks x size``, user rows; padding repeats row 0.
        first: ``blocks x size``, where the user's targets start in `items`.
        counts: ``blocks x size``, number of targets; 0 for padding.
        items: ``pairs``, item rows of all targets.
        excluded_rows: flat list, block after block: the place of the user within its block.
        excluded_items: the item rows that belong to `excluded_rows`.
        excluded_first: ``blocks + 1``, where the excluded pairs of each block start.
    """

    users: Int[Array, "blocks size"]
    first: Int[Array, "blocks size"]
    counts: Int[Array, "blocks size"]
    items: Int[Array, " pairs"]
    excluded_rows: Int[Array, " excluded"]
    excluded_items: Int[Array, " excluded"]
    excluded_first: Int[Array, " starts"]


@dataclass(frozen=True, eq=False)
class RankingPlan:
    """Targets and exclusions laid out for the compiled pass; made once, used at every evaluation.

    Attributes:
        targets: the held-out pairs; ranks come back in their order.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        block_size: users scored at once.
        chunk: excluded pairs masked at once.
        blocks: the arrays.
    """

    targets: Interactions
    num_users: int
    num_items: int
    block_size: int
    chunk: int
    blocks: _Blocks


def default_block_size(num_items: int) -> int:
    """Users scored at once, so that a block of scores has a bounded size whatever the catalogue.

    Args:
        num_items: rows of the item vocabulary.

    Returns:
        A multiple of 8. Measured on CPU with 7,050 items: 96 to 256 users are equally fast; smaller blocks lose in
        the product, larger ones leave the cache.
    """
    scores = _CPU_SCORES if jax.default_backend() == "cpu" else _ACCELERATOR_SCORES
    return max(8, scores // max(num_items, 1) // 8 * 8)


def prepare_ranking(
    targets: Interactions,
    *,
    num_users: int,
    num_items: int,
    excluded: Sequence[Interactions] = (),
    block_size: int | None = None,
) -> RankingPlan:
    """Lays targets and exclusions out for `ranks`.

    Args:
        targets: held-out pairs to rank, sorted by user.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        excluded: pairs that are no candidates, e.g. ``[dataset.train]``.
        block_size: users scored at once; default: `default_block_size`.

    Returns:
        The plan.

    Raises:
        DataError: no targets, or a target is among the excluded pairs (a leak between splits).
        UsageError: a block size below 1.
    """
    if len(targets) == 0:
        raise DataError(
            "there is nothing to rank: the split holds no pairs. Expected at least one held-out pair; prepare the data "
            "with a protocol that holds some out, or evaluate another split."
        )
    if block_size is not None and block_size < 1:
        raise UsageError(f"block size {block_size}; expected at least 1.")
    _refuse_overlap(targets, excluded, num_items)
    counts = np.bincount(targets.users, minlength=num_users)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    size = min(block_size or default_block_size(num_items), len(order))
    num_blocks = math.ceil(len(order) / size)
    padding = (0, num_blocks * size - len(order))
    first = np.searchsorted(targets.users, order)

    position = np.full(num_users, -1)
    position[order] = np.arange(len(order))
    places = np.concatenate([np.zeros(0, np.int64), *(position[pairs.users] for pairs in excluded)])
    items = np.concatenate([np.zeros(0, np.int64), *(pairs.items for pairs in excluded)])
    kept = np.flatnonzero(places >= 0)
    kept = kept[np.argsort(places[kept], kind="stable")]
    places, items = places[kept], items[kept]
    starts = np.searchsorted(places // size, np.arange(num_blocks + 1))
    # Chunks of the mean size: a block of heavy users takes several, and no block pays for the heaviest.
    chunk = max(64, 2 ** math.ceil(math.log2(max(1, len(places)) / num_blocks + 1)))
    # A slice of one chunk must never run over the end; whole chunks let data of similar size share a program.
    spare = (0, chunk + -len(places) % chunk)

    def int32(values: np.ndarray) -> Array:
        return jnp.asarray(values, jnp.int32)

    blocks = _Blocks(
        users=int32(np.pad(order, padding).reshape(num_blocks, size)),
        first=int32(np.pad(first, padding).reshape(num_blocks, size)),
        counts=int32(np.pad(counts[order], padding).reshape(num_blocks, size)),
        items=int32(targets.items),
        excluded_rows=int32(np.pad(places % size, spare)),
        excluded_items=int32(np.pad(items, spare)),
        excluded_first=int32(starts),
    )
    return RankingPlan(targets, num_users, num_items, size, chunk, blocks)


def _refuse_overlap(targets: Interactions, excluded: Sequence[Interactions], num_items: int) -> None:
    keys = targets.users.astype(np.int64) * num_items + targets.items
    for pairs in excluded:
        common = np.intersect1d(keys, pairs.users.astype(np.int64) * num_items + pairs.items)
        if common.size:
            user, item = divmod(int(common[0]), num_items)
            raise DataError(
                f"{common.size} held-out pairs are among the excluded ones, the first is user row {user}, item row "
                f"{item}; expected splits without common pairs. Prepare the data again without repeats across splits."
            )


def ranks(plan: RankingPlan, vectors: VectorPair) -> Int[np.ndarray, " pairs"]:
    """Ranks of all targets for a model of user and item vectors.

    The pass is compiled once for each shape; a plan that is used again costs the pass alone.

    Args:
        plan: from `prepare_ranking`.
        vectors: user vectors ``users x dim`` and item vectors ``items x dim``, float32.

    Returns:
        int32, one a target, in the order of ``plan.targets``: the number of candidate items that score higher, or as
        high with a lower row. 0 is the best rank.

    Raises:
        RunStoppedError: vectors that are not finite, or so long that a score could overflow.
        UsageError: vectors that do not match the plan in rows or width.
    """
    users, items = vectors
    if users.shape[0] != plan.num_users or items.shape[0] != plan.num_items or users.shape[1] != items.shape[1]:
        raise UsageError(
            f"vectors of shape {users.shape} and {items.shape}; expected {plan.num_users} user rows and "
            f"{plan.num_items} item rows of one width."
        )
    found, bound = _ranks_of_vectors(plan.blocks, jnp.asarray(users), jnp.asarray(items), chunk=plan.chunk)
    if not np.isfinite(bound):
        raise RunStoppedError(
            f"the vectors give scores that are not finite (bound {float(bound)}); expected finite vectors. "
            "Lower the learning rate, or go back to the last good checkpoint."
        )
    return np.asarray(found)


def held_out_ranks(
    vectors: VectorPair, targets: Interactions, *, excluded: Sequence[Interactions] = (), block_size: int | None = None
) -> Int[np.ndarray, " pairs"]:
    """`prepare_ranking` and `ranks` in one call, for a single evaluation; same arguments, result and errors."""
    sizes = {"num_users": len(vectors[0]), "num_items": len(vectors[1])}
    return ranks(prepare_ranking(targets, **sizes, excluded=excluded, block_size=block_size), vectors)


def ranks_from_scores(plan: RankingPlan, score_block: ScoreBlock) -> Int[np.ndarray, " pairs"]:
    """Ranks of all targets for any model that scores all items of a few users.

    Args:
        plan: from `prepare_ranking`.
        score_block: called with ``block_size`` user rows at a time (the last block repeats row 0), gives
            ``batch x items`` scores, float32. It runs outside of any compiled function and may use numpy.

    Returns:
        As `ranks`.

    Raises:
        RunStoppedError: a score that is not finite.
        UsageError: scores of another shape.
    """
    users = np.asarray(plan.blocks.users)
    found = jnp.zeros(len(plan.targets), jnp.int32)
    for block, rows in enumerate(users):
        scores = jnp.asarray(score_block(rows), jnp.float32)
        if scores.shape != (len(rows), plan.num_items):
            raise UsageError(f"scores of shape {scores.shape}; expected {(len(rows), plan.num_items)}: one an item.")
        found, finite = _ranks_of_scores(found, scores, plan.blocks, block, chunk=plan.chunk)
        if not finite:
            raise RunStoppedError(f"scores of user rows {rows[0]} to {rows[-1]} are not finite; expected finite ones.")
    return np.asarray(found)


def all_scores(user_vectors: Float[Array, "batch dim"], item_vectors: Float[Array, "items dim"]) -> Array:
    """Scores ``batch x items``, in full float32: what accelerators round by default would reorder items."""
    return jnp.matmul(user_vectors, item_vectors.T, precision=jax.lax.Precision.HIGHEST)


@functools.partial(jax.jit, static_argnames="chunk")
def _ranks_of_vectors(blocks: _Blocks, users: Array, items: Array, *, chunk: int) -> tuple[Array, Array]:
    """Ranks, and an upper bound of all scores (Cauchy-Schwarz), which is not finite where any vector is not."""

    def step(found: Array, block: Array) -> tuple[Array, None]:
        scores = all_scores(users[blocks.users[block]], items)
        return _count_block(found, scores, blocks, block, chunk), None

    found = jnp.zeros(blocks.items.shape, jnp.int32)
    found, _ = jax.lax.scan(step, found, jnp.arange(blocks.users.shape[0]))
    longest_user, longest_item = (jnp.max(jnp.linalg.norm(side, axis=1)) for side in (users, items))
    return found, longest_user * longest_item


@functools.partial(jax.jit, static_argnames="chunk", donate_argnums=0)
def _ranks_of_scores(found: Array, scores: Array, blocks: _Blocks, block: Array, *, chunk: int) -> tuple[Array, Array]:
    return _count_block(found, scores, blocks, block, chunk), jnp.isfinite(scores).all()


def _count_block(found: Array, scores: Array, blocks: _Blocks, block: Array, chunk: int) -> Array:
    """Writes the ranks of one block of users into `found`; both loops run as often as this block needs."""
    size, num_items = scores.shape
    start, stop = blocks.excluded_first[block], blocks.excluded_first[block + 1]

    def mask(step: Array, scores: Array) -> Array:
        begin = start + step * chunk
        rows = jax.lax.dynamic_slice(blocks.excluded_rows, (begin,), (chunk,))
        items = jax.lax.dynamic_slice(blocks.excluded_items, (begin,), (chunk,))
        rows = jnp.where(begin + jnp.arange(chunk) < stop, rows, size)  # beyond the block: dropped
        return scores.at[rows, items].set(-jnp.inf, mode="drop")

    scores = jax.lax.fori_loop(0, (stop - start + chunk - 1) // chunk, mask, scores)
    first, counts = blocks.first[block], blocks.counts[block]
    columns = jnp.arange(num_items, dtype=jnp.int32)

    def count(step: Array, found: Array) -> Array:
        place = jnp.where(step < counts, first + step, found.size)  # beyond the targets: dropped
        item = blocks.items.at[place].get(mode="clip")[:, None]
        score = jnp.take_along_axis(scores, item, axis=1)
        above = (scores > score) | ((scores == score) & (columns < item))
        return found.at[place].set(jnp.sum(above, axis=1, dtype=jnp.int32), mode="drop")

    return jax.lax.fori_loop(0, counts[0], count, found)  # sorted: the first user has the most targets


__all__ = [
    "RankingPlan",
    "ScoreBlock",
    "VectorPair",
    "all_scores",
    "default_block_size",
    "held_out_ranks",
    "prepare_ranking",
    "ranks",
    "ranks_from_scores",
]
