"""Lists of the k best items, blocked over users."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.errors import RunStoppedError, UsageError
from recgoat_jax.evaluation.ranking import ScoreBlock, VectorPair
from recgoat_jax.evaluation.scores import all_scores, default_block_size


class TopK(NamedTuple):
    """The best items of each user, best first.

    Attributes:
        items: ``rows x k``, int32 item rows; -1 where fewer than k items are left after exclusion.
        scores: ``rows x k``, float32; -inf where there is no item.
    """

    items: Int[np.ndarray, "rows k"]
    scores: Float[np.ndarray, "rows k"]


def top_k(
    vectors: VectorPair,
    users: Int[np.ndarray, " rows"],
    *,
    k: int,
    excluded: Sequence[Interactions] = (),
    excluded_items: Int[np.ndarray, " banned"] | None = None,
    block_size: int | None = None,
) -> TopK:
    """The k best items of some users, blocked; equal scores go to the lower item row, as in `ranks`.

    Args:
        vectors: user vectors ``users x dim`` and item vectors ``items x dim``.
        users: ``rows``, user rows; one may come twice.
        k: length of the lists, 1 to the number of items.
        excluded: pairs that are not to be listed, e.g. ``[dataset.train]``, sorted by user.
        excluded_items: item rows that are not to be listed for anyone.
        block_size: users scored at once; default: `default_block_size`.

    Returns:
        Items and scores; where exclusion leaves fewer than k items, the rest is -1 with score -inf.

    Raises:
        UsageError: k out of range.

    Example:
        >>> import numpy as np
        >>> users, items = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [3.0, 0.0], [2.0, 0.0]])
        >>> print(top_k((users, items), np.array([0]), k=2))
        TopK(items=array([[1, 2]], dtype=int32), scores=array([[3., 2.]], dtype=float32))
    """
    user_vectors, item_vectors = (jnp.asarray(side) for side in vectors)

    def best(rows: np.ndarray, open_items: Array, places: Array, items: Array) -> tuple[Array, Array]:
        return _best_by_vectors(user_vectors, item_vectors, jnp.asarray(rows), open_items, places, items, k=k)

    sizes = len(user_vectors), len(item_vectors)
    return _listed(best, users, sizes, k, excluded, excluded_items, block_size)


def top_k_from_scores(
    score_block: ScoreBlock,
    users: Int[np.ndarray, " rows"],
    *,
    num_users: int,
    num_items: int,
    k: int,
    excluded: Sequence[Interactions] = (),
    excluded_items: Int[np.ndarray, " banned"] | None = None,
    block_size: int | None = None,
) -> TopK:
    """`top_k` for any ranker that scores all items of a few users.

    Args:
        score_block: called with a block of user rows at a time (the last is filled up with row 0), gives
            ``batch x items`` scores, float32.
        users: as in `top_k`.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        k: as in `top_k`, like the rest.
        excluded: pairs that are not to be listed.
        excluded_items: item rows that are not to be listed for anyone.
        block_size: users scored at once.

    Returns:
        As `top_k`.

    Raises:
        RunStoppedError: a score that is not finite.
        UsageError: k out of range, or scores of another shape.

    Example:
        >>> import numpy as np
        >>> def scores(rows):
        ...     return np.array([[1.0, 3.0, 2.0]])[rows]
        >>> print(top_k_from_scores(scores, np.array([0]), num_users=1, num_items=3, k=2).items)
        [[1 2]]
    """

    def best(rows: np.ndarray, open_items: Array, places: Array, items: Array) -> tuple[Array, Array]:
        scores = jnp.asarray(score_block(rows), jnp.float32)
        if scores.shape != (len(rows), num_items):
            raise UsageError(f"scores of shape {scores.shape}; expected {(len(rows), num_items)}: one an item.")
        if not jnp.isfinite(scores).all():
            raise RunStoppedError(f"scores of user rows {rows[0]} to {rows[-1]} are not finite; expected finite ones.")
        return _best_of_scores(scores, open_items, places, items, k=k)

    return _listed(best, users, (num_users, num_items), k, excluded, excluded_items, block_size)


def _listed(
    best: Callable[[np.ndarray, Array, Array, Array], tuple[Array, Array]],
    users: Int[np.ndarray, " rows"],
    sizes: tuple[int, int],
    k: int,
    excluded: Sequence[Interactions],
    excluded_items: Int[np.ndarray, " banned"] | None,
    block_size: int | None,
) -> TopK:
    """The lists, block by block.

    Args:
        best: of user rows, items that may be listed, and coordinates of pairs that may not: items and scores.
        users: as in `top_k`, like all but the next.
        sizes: users and items of the vocabularies.
        k: length of the lists.
        excluded: pairs that are not to be listed.
        excluded_items: item rows that are not to be listed for anyone.
        block_size: users scored at once.
    """
    num_users, num_items = sizes
    if not 1 <= k <= num_items:
        raise UsageError(f"k = {k}; expected 1 to {num_items}, the number of items.")
    size = min(block_size or default_block_size(num_items), max(1, len(users)))
    offsets = [pairs.offsets(num_users) for pairs in excluded]
    banned = np.zeros(num_items, bool)
    if excluded_items is not None:
        banned[excluded_items] = True
    open_items = jnp.asarray(~banned)
    items, scores = np.full((len(users), k), -1, np.int32), np.full((len(users), k), -np.inf, np.float32)
    for start in range(0, len(users), size):
        rows = users[start : start + size]
        masked_rows, masked_items = _pairs_of(rows, excluded, offsets, pad_to=size)
        padded = np.pad(rows, (0, size - len(rows)))
        found_items, found_scores = best(padded, open_items, masked_rows, masked_items)
        items[start : start + size] = np.asarray(found_items)[: len(rows)]
        scores[start : start + size] = np.asarray(found_scores)[: len(rows)]
    items[np.isneginf(scores)] = -1
    return TopK(items, scores)


def _pairs_of(
    rows: np.ndarray, excluded: Sequence[Interactions], offsets: Sequence[np.ndarray], *, pad_to: int
) -> tuple[Array, Array]:
    """Coordinates (place in `rows`, item) of excluded pairs, padded to a power of two so that few shapes compile."""
    places, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for pairs, offset in zip(excluded, offsets, strict=True):
        counts = offset[rows + 1] - offset[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places.append(np.repeat(np.arange(len(rows)), counts))
        items.append(pairs.items[np.repeat(offset[rows], counts) + within])
    place, item = np.concatenate(places), np.concatenate(items)
    padding = (0, 2 ** math.ceil(math.log2(max(64, len(place)))) - len(place))
    # A place beyond the block is dropped by the scatter.
    return jnp.asarray(np.pad(place, padding, constant_values=pad_to), jnp.int32), jnp.asarray(
        np.pad(item, padding), jnp.int32
    )


@functools.partial(jax.jit, static_argnames="k")
def _best_by_vectors(
    user_vectors: Array, item_vectors: Array, rows: Array, open_items: Array, places: Array, items: Array, *, k: int
) -> tuple[Array, Array]:
    return _best_of_scores(all_scores(user_vectors[rows], item_vectors), open_items, places, items, k=k)


@functools.partial(jax.jit, static_argnames="k")
def _best_of_scores(scores: Array, open_items: Array, places: Array, items: Array, *, k: int) -> tuple[Array, Array]:
    # To top_k zero and minus zero are not equal.
    scores = jnp.where(open_items, jnp.where(scores == 0, 0.0, scores), -jnp.inf)
    scores, found = jax.lax.top_k(scores.at[places, items].set(-jnp.inf, mode="drop"), k)
    return found, scores


__all__ = ["TopK", "top_k", "top_k_from_scores"]
