from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgoat_jax.data import Dataset
from recgoat_jax.errors import DataError, RunStoppedError, UsageError
from recgoat_jax.evaluation import held_out_ranks, prepare_ranking, ranks, ranks_from_scores
from recgoat_jax.evaluation.ranking import RankingPlan
from recgoat_jax.evaluation.scores import default_block_size
from tests.evaluation.worlds import integer_vectors, reference_ranks
from tests.runs import random_dataset, random_vectors
from tests.worlds import interactions


class Vectors(NamedTuple):
    """As models have it."""

    users: jax.Array
    items: jax.Array


def plan_of(dataset: Dataset, *, block_size: int | None = None, split: str = "test") -> RankingPlan:
    return prepare_ranking(
        dataset.test if split == "test" else dataset.valid,
        num_users=dataset.num_users,
        num_items=dataset.num_items,
        excluded=[dataset.train],
        block_size=block_size,
    )


def test_ranks_equal_the_sorted_list_of_candidates() -> None:
    dataset = random_dataset()
    users, items = random_vectors(dataset)
    expected = reference_ranks(users @ items.T, dataset.test, [dataset.train])
    np.testing.assert_array_equal(ranks(plan_of(dataset), (users, items)), expected)
    # The models' own type, and JAX arrays.
    np.testing.assert_array_equal(ranks(plan_of(dataset), Vectors(jnp.asarray(users), jnp.asarray(items))), expected)


def test_equal_scores_go_to_the_lower_row() -> None:
    dataset = random_dataset()
    vectors = integer_vectors(dataset, seed=1)
    expected = reference_ranks(vectors[0] @ vectors[1].T, dataset.test, [dataset.train])
    np.testing.assert_array_equal(ranks(plan_of(dataset), vectors), expected)


@pytest.mark.parametrize("constant", [0.0, 1.0, -2.5])
def test_constant_scores_rank_by_row(constant: float) -> None:
    # Five items, user 0 trained on item 1: item 2 comes after candidate 0, item 4 after candidates 0, 2, 3.
    targets, train = interactions({(0, 2), (0, 4), (1, 3)}), interactions({(0, 1)})
    vectors = (np.ones((2, 1), np.float32), np.full((5, 1), constant, np.float32))
    assert held_out_ranks(vectors, targets, excluded=[train]).tolist() == [1, 3, 3]


def test_a_training_item_never_pushes_a_target_down() -> None:
    # Scores 9, 8, 7, 6, 5 for items 0..4; user 0 trained on the two best items, user 1 on none.
    vectors = (np.ones((2, 1), np.float32), np.array([[9], [8], [7], [6], [5]], np.float32))
    targets, train = interactions({(0, 2), (0, 3), (1, 2)}), interactions({(0, 0), (0, 1)})
    assert held_out_ranks(vectors, targets, excluded=[train]).tolist() == [0, 1, 2]
    # Without the mask they do.
    assert held_out_ranks(vectors, targets, excluded=[interactions({(1, 4)})]).tolist() == [2, 3, 2]


def test_several_splits_can_be_excluded() -> None:
    dataset = random_dataset()
    users, items = random_vectors(dataset, seed=2)
    excluded = [dataset.train, dataset.valid]
    expected = reference_ranks(users @ items.T, dataset.test, excluded)
    np.testing.assert_array_equal(held_out_ranks((users, items), dataset.test, excluded=excluded), expected)


@pytest.mark.parametrize("block_size", [1, 3])
def test_the_block_size_changes_nothing(block_size: int) -> None:
    dataset = random_dataset()
    vectors = integer_vectors(dataset, seed=1)
    plan = plan_of(dataset, block_size=block_size)
    np.testing.assert_array_equal(ranks(plan, vectors), ranks(plan_of(dataset), vectors))
    scores = vectors[0] @ vectors[1].T
    np.testing.assert_array_equal(ranks_from_scores(plan, lambda rows: scores[rows]), ranks(plan, vectors))


def test_many_exclusions_take_several_chunks() -> None:
    # One user has 200 training items, more than a chunk; the other has 3.
    items = {(0, i) for i in range(200)} | {(1, i) for i in range(3)}
    vectors = (np.ones((2, 1), np.float32), -np.arange(300, dtype=np.float32)[:, None])
    targets = interactions({(0, 200), (0, 299), (1, 5), (1, 299)})
    plan = prepare_ranking(targets, num_users=2, num_items=300, excluded=[interactions(items)], block_size=1)
    assert (np.diff(np.asarray(plan.blocks.excluded_first)) > plan.laid_out.chunk).any()
    assert ranks(plan, vectors).tolist() == [0, 99, 2, 296]


def test_a_target_does_not_outrank_itself() -> None:
    # Scores whose last bits depend on the order of the sums: the target's own must come from the same product.
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 37)).astype(np.float32), rng.normal(size=(1, 37)).astype(np.float32))
    assert not held_out_ranks(vectors, interactions({(u, 0) for u in range(200)})).any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.25, 4.0), shift=st.integers(-4, 4))
def test_ranks_depend_on_the_order_of_scores_only(seed: int, scale: float, shift: int) -> None:
    dataset = random_dataset()
    plan, scores = plan_of(dataset), np.random.default_rng(seed).integers(-3, 4, (dataset.num_users, dataset.num_items))
    plain = ranks_from_scores(plan, lambda rows: scores[rows].astype(np.float32))
    moved = ranks_from_scores(plan, lambda rows: np.float32(scale) * scores[rows].astype(np.float32) + shift)
    np.testing.assert_array_equal(plain, moved)
    np.testing.assert_array_equal(plain, reference_ranks(scores, dataset.test, [dataset.train]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_scores_that_are_not_finite_stop_the_run(bad: float) -> None:
    dataset = random_dataset()
    users, items = random_vectors(dataset)
    users[3, 1] = items[4, 1] = bad
    scores = np.zeros((dataset.num_users, dataset.num_items), np.float32)
    scores[int(dataset.test.users[0]), 4] = np.inf if bad > 1 else bad
    with pytest.raises(RunStoppedError, match="not finite"):
        ranks(plan_of(dataset), (users, items))
    with pytest.raises(RunStoppedError, match="not finite"):
        ranks_from_scores(plan_of(dataset), lambda rows: scores[rows])


def test_a_leak_between_splits_is_refused() -> None:
    with pytest.raises(DataError, match="1 held-out pairs.*user row 1, item row 2"):
        prepare_ranking(
            interactions({(0, 1), (1, 2)}), num_users=2, num_items=3, excluded=[interactions({(1, 2), (0, 0)})]
        )


def test_wrong_arguments_are_refused() -> None:
    dataset = random_dataset()
    users, items = random_vectors(dataset)
    with pytest.raises(DataError, match="nothing to rank"):
        prepare_ranking(interactions(set()), num_users=2, num_items=3)
    with pytest.raises(UsageError, match="block size 0"):
        plan_of(dataset, block_size=0)
    with pytest.raises(UsageError, match="expected 23 user rows"):
        ranks(plan_of(dataset), (users[:-1], items))
    with pytest.raises(UsageError, match="scores of shape"):
        ranks_from_scores(plan_of(dataset), lambda rows: np.zeros((len(rows), 3), np.float32))


@pytest.mark.parametrize("num_items", [10, 7_050, 1_000_000, 10**8])
def test_blocks_of_scores_have_a_bounded_size(num_items: int) -> None:
    size = default_block_size(num_items)
    assert size % 8 == 0
    assert size * num_items <= max(2**25, 8 * num_items)
