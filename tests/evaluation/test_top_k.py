import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import top_k, top_k_from_scores
from tests.runs import random_dataset, random_vectors
from tests.worlds import interactions


@pytest.mark.parametrize("block_size", [None, 4])
def test_lists_equal_a_sort(block_size: int | None) -> None:
    dataset = random_dataset()
    users, items = random_vectors(dataset)
    rows, banned = np.array([5, 0, 22, 5, 7, 9], np.int32), np.array([3, 30])
    found = top_k(
        (users, items), rows, k=6, excluded=[dataset.train, dataset.test], excluded_items=banned, block_size=block_size
    )
    scores = users @ items.T
    for pairs in (dataset.train, dataset.test):
        scores[pairs.users, pairs.items] = -np.inf
    scores[:, banned] = -np.inf
    by_function = top_k_from_scores(
        lambda some: users[some] @ items.T, rows, num_users=len(users), num_items=len(items), k=6,
        excluded=[dataset.train, dataset.test], excluded_items=banned, block_size=block_size,
    )  # fmt: skip
    np.testing.assert_array_equal(by_function.items, found.items)
    np.testing.assert_allclose(by_function.scores, found.scores, rtol=1e-5)
    expected = np.argsort(-scores[rows], axis=1, kind="stable")[:, :6]
    np.testing.assert_array_equal(found.items, expected)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores[rows], expected, 1), rtol=1e-5)


def test_ties_go_to_the_lower_row_and_short_lists_end_in_minus_one() -> None:
    vectors = (np.ones((1, 1), np.float32), np.array([[1], [2], [1], [2]], np.float32))
    rows = np.zeros(1, np.int32)
    assert top_k(vectors, rows, k=4).items.tolist() == [[1, 3, 0, 2]]
    found = top_k(vectors, rows, k=4, excluded=[interactions({(0, 1), (0, 2)})])
    assert found.items.tolist() == [[3, 0, -1, -1]]
    assert np.isneginf(found.scores[0, 2:]).all()


def test_zero_and_minus_zero_are_a_tie() -> None:
    vectors = (np.array([[-1.0]], np.float32), np.array([[0.0], [-0.0], [1.0]], np.float32))
    assert top_k(vectors, np.zeros(1, np.int32), k=3).items.tolist() == [[0, 1, 2]]


def test_no_users_give_no_lists() -> None:
    vectors = (np.ones((1, 1), np.float32), np.ones((4, 1), np.float32))
    assert top_k(vectors, np.zeros(0, np.int32), k=2).items.shape == (0, 2)


@pytest.mark.parametrize("k", [0, 5])
def test_k_out_of_range_is_refused(k: int) -> None:
    vectors = (np.ones((1, 1), np.float32), np.ones((4, 1), np.float32))
    with pytest.raises(UsageError, match=f"k = {k}; expected 1 to 4"):
        top_k(vectors, np.zeros(1, np.int32), k=k)
