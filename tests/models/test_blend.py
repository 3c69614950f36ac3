import numpy as np
import pytest

from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import Blend, ItemKnn
from tests.runs import random_dataset, random_vectors


def test_scores_are_added_on_the_scale_of_the_products() -> None:
    """All 23 users are in the sample, so that the standard deviations are those of the whole matrices."""
    data = random_dataset()
    knn, vectors = ItemKnn(data.train, num_users=23, num_items=31, k=5), random_vectors(data)
    products, others = vectors[0] @ vectors[1].T, knn(np.arange(23))
    blend = Blend(vectors, knn, weight=2.5)
    assert blend.scale == pytest.approx(products.std() / others.std(), rel=1e-5)
    users = np.array([4, 4, 7])
    expected = products[users] + 2.5 * products.std() / others.std() * others[users]
    np.testing.assert_allclose(blend(users), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(Blend(vectors, knn, weight=0.0).with_weight(2.5)(users), blend(users))
    # On another scale the same ranker counts as much.
    tenfold = Blend(vectors, lambda rows: 10 * knn(rows), weight=2.5)
    np.testing.assert_allclose(tenfold(users), blend(users), rtol=1e-4, atol=1e-5)


def test_a_ranker_that_says_nothing_adds_nothing() -> None:
    data = random_dataset()
    vectors = random_vectors(data)
    blend = Blend(vectors, lambda rows: np.zeros((len(rows), 31), np.float32), weight=1.0)
    np.testing.assert_allclose(blend(np.array([3])), vectors[0][[3]] @ vectors[1].T, rtol=1e-5, atol=1e-6)


def test_weight_zero_ranks_as_vectors_do_with_their_ties() -> None:
    data = random_dataset(num_users=300, num_items=150)
    users, items = random_vectors(data, dim=37)
    items[1::2] = items[::2]
    knn = ItemKnn(data.train, num_users=300, num_items=150, k=5)
    for split in ("valid", "test"):
        evaluator = Evaluator(data, split)
        by_vectors, blended = evaluator((users, items)), evaluator.from_scores(Blend((users, items), knn, weight=0.0))
        np.testing.assert_array_equal(by_vectors.ranks, blended.ranks)
