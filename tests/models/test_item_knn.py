import numpy as np
import pytest

from recgoat_jax.models import ItemKnn
from tests.runs import random_dataset


@pytest.mark.parametrize("k", [1, 3, 50])
def test_scores_against_loops(k: int) -> None:
    data = random_dataset()
    owners = [set(data.train.users[data.train.items == item]) for item in range(data.num_items)]
    knn = ItemKnn(data.train, num_users=data.num_users, num_items=data.num_items, k=50)
    users = np.array([0, 3, 9])
    scores = knn.with_k(k)(users)
    found = 0
    for item in range(data.num_items):
        shared = [len(owners[item] & other) for other in owners]
        cosines = [
            n / np.sqrt(len(owners[item]) * len(owners[j])) if n and j != item else 0 for j, n in enumerate(shared)
        ]
        nearest = np.argsort(-np.array(cosines), kind="stable")[:k]
        for row, user in enumerate(users):
            expected = sum(cosines[j] for j in nearest if user in owners[j])
            assert scores[row, item] == pytest.approx(expected, abs=1e-6)
            found += expected > 0
    assert found > 10
    assert not scores[0].any()  # User 0 has no training items.
    np.testing.assert_array_equal(scores, ItemKnn(data.train, num_users=23, num_items=31, k=k)(users))


def test_counts_in_place_of_cosines() -> None:
    data = random_dataset()
    knn = ItemKnn(data.train, num_users=23, num_items=31, k=31, similarity="count")
    owned = np.zeros((23, 31))
    owned[data.train.users, data.train.items] = 1
    shared = owned.T @ owned
    np.fill_diagonal(shared, 0)
    np.testing.assert_array_equal(knn(np.arange(23)), owned @ shared)


def test_no_neighbours_are_refused() -> None:
    data = random_dataset()
    with pytest.raises(ValueError, match="k is 0"):
        ItemKnn(data.train, num_users=23, num_items=31, k=0)
    with pytest.raises(ValueError, match="k is -1"):
        ItemKnn(data.train, num_users=23, num_items=31, k=2).with_k(-1)
    with pytest.raises(ValueError, match="k is 3; expected at most 2"):
        ItemKnn(data.train, num_users=23, num_items=31, k=2).with_k(3)
