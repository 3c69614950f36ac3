from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given as sampled
from hypothesis import settings
from hypothesis import strategies as st

from recgoat_jax.data import splits
from recgoat_jax.data.splits import TEST, TRAIN, VALID

PAIRS = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 25)), min_size=4, max_size=120).map(
    lambda pairs: np.array(sorted(pairs), np.int32).reshape(-1, 2)
)
RULES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "per_user_811": lambda pairs, seed: splits.per_user_811(pairs[:, 0], seed=seed),
    "leave_last_out": lambda pairs, seed: splits.leave_last_out(pairs[:, 0], times(pairs, seed)),
    "global_time": lambda pairs, seed: splits.global_time(times(pairs, seed), valid_fraction=0.1, test_fraction=0.1),
    "cold_items": lambda pairs, seed: splits.cold_items(pairs[:, 1], seed=seed, cold_fraction=0.3),
    "given": lambda pairs, seed: splits.given(
        np.where(times(pairs, seed) % 4 == 0, TEST, TRAIN), pairs[:, 0], seed=seed, valid_fraction=0.1
    ),
}


def times(pairs: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 30, len(pairs))


def sizes(users: np.ndarray, labels: np.ndarray, user: int) -> tuple[int, int, int]:
    count = Counter(labels[users == user].tolist())
    return count[TRAIN], count[VALID], count[TEST]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=25, deadline=None)
@sampled(pairs=PAIRS, seed=st.integers(0, 3))
def test_every_pair_gets_one_label_and_the_same_one_again(rule: str, pairs: np.ndarray, seed: int) -> None:
    labels = RULES[rule](pairs, seed)
    assert labels.shape == (len(pairs),)
    assert labels.dtype == np.int8
    assert set(labels.tolist()) <= {TRAIN, VALID, TEST}
    np.testing.assert_array_equal(labels, RULES[rule](pairs, seed))


@pytest.mark.parametrize("rule", ["per_user_811", "cold_items", "given"])
def test_the_seed_decides_the_draw(rule: str) -> None:
    pairs = np.array([(user, item) for user in range(5) for item in range(12)], np.int32)
    drawn = {RULES[rule](pairs, seed).tobytes() for seed in range(4)}
    assert len(drawn) == 4


def test_per_user_811_counts_follow_the_toolbox() -> None:
    # Interleaved users, one of each size from 1 to 120.
    users = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 121), np.arange(1, 121))).astype(np.int32)
    labels = splits.per_user_811(users, seed=5)
    expected = {1: (1, 0, 0), 2: (1, 0, 1)} | {n: (n - 2, 1, 1) for n in range(3, 10)}
    for n in range(10, 121):
        k = int(0.2 * n)
        expected[n] = (n - k, k // 2, k - k // 2)
    assert {n: sizes(users, labels, n) for n in range(1, 121)} == expected


def test_per_user_811_draws_every_place_alike() -> None:
    users = np.repeat(np.arange(3000), 5).astype(np.int32)
    labels = splits.per_user_811(users, seed=1).reshape(-1, 5)
    # A fifth each; six standard deviations of a binomial share.
    np.testing.assert_allclose((labels == TEST).mean(axis=0), 0.2, atol=6 * np.sqrt(0.16 / 3000))
    np.testing.assert_allclose((labels == VALID).mean(axis=0), 0.2, atol=6 * np.sqrt(0.16 / 3000))


def test_leave_last_out_takes_the_latest_and_breaks_ties_by_row() -> None:
    users = np.array([1, 0, 0, 1, 0, 2, 3, 3, 1], np.int32)
    seconds = np.array([9, 5, 7, 9, 6, 1, 4, 2, 9])
    labels = splits.leave_last_out(users, seconds)
    assert labels.tolist() == [TRAIN, TRAIN, TEST, VALID, VALID, TRAIN, TEST, TRAIN, TEST]


def test_global_time_cuts_between_seconds() -> None:
    seconds = np.array([10, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    labels = splits.global_time(seconds, valid_fraction=0.1, test_fraction=0.1)
    assert labels.tolist() == [TEST] + [TRAIN] * 8 + [VALID]
    tied = np.array([1, 1, 2, 2, 5, 5, 5, 5, 6, 7])
    # The eighth pair falls on second 5: all of its ties go with it to validation.
    labels = splits.global_time(tied, valid_fraction=0.2, test_fraction=0.1)
    assert labels.tolist() == [TRAIN] * 4 + [VALID] * 5 + [TEST]


@settings(max_examples=30, deadline=None)
@sampled(pairs=PAIRS, seed=st.integers(0, 3))
def test_global_time_never_shows_the_future(pairs: np.ndarray, seed: int) -> None:
    seconds = times(pairs, seed)
    labels = splits.global_time(seconds, valid_fraction=0.2, test_fraction=0.2)
    for earlier, later in ((TRAIN, VALID), (VALID, TEST), (TRAIN, TEST)):
        if (labels == earlier).any() and (labels == later).any():
            assert seconds[labels == earlier].max() < seconds[labels == later].min()


def test_cold_items_are_out_of_train_wholly() -> None:
    items = np.random.default_rng(0).integers(100, 140, 600).astype(np.int32)
    labels = splits.cold_items(items, seed=2, cold_fraction=0.25)
    groups = [set(items[labels == label].tolist()) for label in (TRAIN, VALID, TEST)]
    assert [len(group) for group in groups] == [30, 5, 5]
    assert len(set.union(*groups)) == 40


def test_given_keeps_published_validation() -> None:
    labels = np.array([0, 0, 1, 2, 0], np.int8)
    users = np.zeros(5, np.int32)
    np.testing.assert_array_equal(splits.given(labels, users, seed=3, valid_fraction=0.5), labels)


def test_given_holds_one_in_ten_of_train_out_and_leaves_test_alone() -> None:
    train_sizes = [1, 2, 3, 9, 10, 19, 20, 35]
    users = np.concatenate([np.repeat(user, size + 2) for user, size in enumerate(train_sizes)]).astype(np.int32)
    labels = np.concatenate([np.r_[TEST, TEST, np.full(size, TRAIN)] for size in train_sizes])
    result = splits.given(labels, users, seed=0, valid_fraction=0.1)
    np.testing.assert_array_equal(result == TEST, labels == TEST)
    assert [sizes(users, result, user)[1] for user in range(8)] == [0, 0, 1, 1, 1, 1, 2, 3]
