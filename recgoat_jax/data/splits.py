"""Split protocols: pure functions from (user, item) pairs to a label a pair.

Each takes pairs without repeats and returns int8 labels `TRAIN`, `VALID` or `TEST`, one a pair, in the same
order. A function that draws does so from ``numpy.random.default_rng(seed)`` in the order of its input: give it
pairs in a defined order, and the same seed gives the same split.

==================  ==============================================================================================
protocol            rule
==================  ==============================================================================================
``given``           published labels; without validation part, one is held out of train by a seed
``per_user_811``    shuffled per user, 8:1:1 by the exact counts of the MMRec toolbox
``leave_last_out``  per user: the last pair to test, the one before to validation
``global_time``     one point in time for all users ends train, a later one validation
``cold_items``      some items are wholly out of train: half of them to validation, half to test
==================  ==============================================================================================
"""

import numpy as np
from jaxtyping import Int, Int8

from recgoat_jax.arrays import RowIds

TRAIN, VALID, TEST = np.int8(0), np.int8(1), np.int8(2)
"""Labels of a pair."""

Labels = Int8[np.ndarray, " pairs"]
"""One label a pair."""


def per_user_811(users: RowIds, *, seed: int) -> Labels:
    """The rule of the MMRec toolbox: each user's ``n`` pairs are shuffled, then cut by count.

    ===========  ======================================================================
    ``n``        train, validation, test
    ===========  ======================================================================
    1            1, 0, 0 (never evaluated)
    2            1, 0, 1
    3 to 9       n - 2, 1, 1
    10 and more  n - k, k // 2, k - k // 2, where k = floor(0.2 n)
    ===========  ======================================================================

    The toolbox starts at 5-core data and has no rule below three; the first two lines are ours.

    Args:
        users: ``pairs``, user of each pair, in any order.
        seed: of the shuffle.

    Returns:
        ``pairs``, labels.
    """
    size, place = _sizes_and_places(users, np.random.default_rng(seed).random(len(users)))
    held_out = np.where(size >= 10, size // 5, np.minimum(size - 1, 2))
    valid = held_out // 2
    return _label(place, valid=valid, test=held_out - valid)


def leave_last_out(users: RowIds, timestamps: Int[np.ndarray, " pairs"]) -> Labels:
    """Each user's last pair goes to test, the last but one to validation.

    A user with two pairs gives the last to test; one with a single pair stays in train and is never evaluated.

    Args:
        users: ``pairs``, user of each pair.
        timestamps: ``pairs``; pairs of equal time stand in the order of the input.

    Returns:
        ``pairs``, labels.
    """
    size, place = _sizes_and_places(users, timestamps)
    backwards = size - 1 - place
    return _label(backwards, valid=(size >= 3).astype(np.int64), test=(size >= 2).astype(np.int64))


def global_time(timestamps: Int[np.ndarray, " pairs"], *, valid_fraction: float, test_fraction: float) -> Labels:
    """Train is everything before one moment, validation everything from it to a second one, test the rest.

    The moments are times of pairs, so pairs of one second are never parted and no label sees its own future; the
    fractions are met up to such ties.

    Args:
        timestamps: ``pairs``.
        valid_fraction: part of the pairs for validation.
        test_fraction: part of the pairs for test, the latest.

    Returns:
        ``pairs``, labels. A user or item may be absent from train; `recgoat_jax.data.prepare` says what follows.
    """
    ordered = np.sort(timestamps)
    count = len(ordered)
    # Rounded before the ceiling: 1 - 0.1 - 0.1 is a little more than 0.8 in floating point.
    cuts = np.ceil(np.round(np.array([1 - valid_fraction - test_fraction, 1 - test_fraction]) * count, 6)).astype(int)
    first, second = ordered[np.minimum(cuts, count - 1)]
    return (timestamps >= first).astype(np.int8) + (timestamps >= second).astype(np.int8)


def cold_items(items: RowIds, *, seed: int, cold_fraction: float) -> Labels:
    """Some items are held out of train wholly: all pairs of one half of them are validation, of the other test.

    Args:
        items: ``pairs``, item of each pair.
        seed: of the choice of items.
        cold_fraction: part of the items to hold out, between 0 and 1; at least two are.

    Returns:
        ``pairs``, labels.
    """
    distinct, position = np.unique(items, return_inverse=True)
    cold = max(2, round(cold_fraction * len(distinct)))
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:cold]
    label = np.full(len(distinct), TRAIN)
    label[chosen[: cold // 2]] = VALID
    label[chosen[cold // 2 :]] = TEST
    return label[position]


def given(labels: Labels, users: RowIds, *, seed: int, valid_fraction: float) -> Labels:
    """Published labels; where there is no validation pair at all, some are held out of train.

    Each user with three or more train pairs gives ``max(1, floor(valid_fraction * n))`` of them, drawn by the seed;
    the others give none. Test stays as published.

    Args:
        labels: ``pairs``, the published labels.
        users: ``pairs``, user of each pair.
        seed: of the draw; without effect where validation pairs are published.
        valid_fraction: part of each user's train pairs, between 0 and 1.

    Returns:
        ``pairs``, labels.
    """
    if (labels == VALID).any():
        return labels.copy()
    result = labels.copy()
    train = np.flatnonzero(labels == TRAIN)
    size, place = _sizes_and_places(users[train], np.random.default_rng(seed).random(len(train)))
    take = np.where(size >= 3, np.maximum(1, np.floor(np.round(valid_fraction * size, 6)).astype(np.int64)), 0)
    result[train[place < take]] = VALID
    return result


def _sizes_and_places(users: RowIds, keys: np.ndarray) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """For each pair: how many its user has, and its place (from 0) among them by ascending key, ties in order."""
    order = np.lexsort((keys, users))
    _, start, count = np.unique(users[order], return_index=True, return_counts=True)
    size, place = np.empty(len(users), np.int64), np.empty(len(users), np.int64)
    size[order] = np.repeat(count, count)
    place[order] = np.arange(len(users)) - np.repeat(start, count)
    return size, place


def _label(place: np.ndarray, *, valid: np.ndarray, test: np.ndarray) -> Labels:
    """The first ``test`` places of each user are test, the next ``valid`` ones validation, the rest train."""
    return np.where(place < test, TEST, np.where(place < test + valid, VALID, TRAIN)).astype(np.int8)


__all__ = ["TEST", "TRAIN", "VALID", "Labels", "cold_items", "given", "global_time", "leave_last_out", "per_user_811"]
