"""EASE against ridge regressions: column j of its weights is that of item j on all other items."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from recgoat_jax.data import Dataset, NeighborList
from recgoat_jax.errors import UsageError
from recgoat_jax.models import Ease, ease
from tests.runs import random_dataset

RECEIVERS = np.arange(1, 31, dtype=np.int32)
NEAREST = {
    "text": NeighborList(RECEIVERS - 1, RECEIVERS, np.ones(30, np.float32), 31, "one before"),
    "image": NeighborList(RECEIVERS * 7 % 31, RECEIVERS, np.ones(30, np.float32), 31, "seven times"),
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return replace(random_dataset(), item_neighbors=NEAREST)


def interactions(data: Dataset) -> np.ndarray:
    matrix = np.zeros((data.num_users, data.num_items))
    matrix[data.train.users, data.train.items] = 1
    return matrix


def content_graph(shares: dict[str, float]) -> np.ndarray:
    """Both graphs, symmetric by union, divided by the roots of both degrees, and mixed; by hand."""
    mixed = np.zeros((31, 31))
    for name, share in shares.items():
        graph = np.zeros((31, 31))
        graph[NEAREST[name].receivers, NEAREST[name].senders] = 1
        graph = np.maximum(graph, graph.T)
        degrees = np.maximum(graph.sum(axis=1), 1)
        mixed += share * graph / np.sqrt(np.outer(degrees, degrees))
    return mixed


def ridge_columns(rows: np.ndarray, l2: float) -> np.ndarray:
    """Each column regressed on the others, by scikit-learn."""
    weights = np.zeros((rows.shape[1], rows.shape[1]))
    for item in range(rows.shape[1]):
        others = np.delete(np.arange(rows.shape[1]), item)
        weights[others, item] = Ridge(alpha=l2, fit_intercept=False).fit(rows[:, others], rows[:, item]).coef_
    return weights


@pytest.mark.parametrize("l2", [0.5, 20.0])
def test_interactions_alone(data: Dataset, l2: float) -> None:
    expected = ridge_columns(interactions(data), l2)
    assert np.abs(expected).max() > 1e-3
    model = Ease(data, l2=l2)
    np.testing.assert_allclose(model.weights, expected, atol=2e-5)
    users = np.array([0, 4, 4, 9])
    np.testing.assert_allclose(model(users), interactions(data)[users] @ expected, atol=1e-4)
    assert not model(users)[0].any()  # User 0 has no training items.


def test_content_is_more_rows_of_the_same_regression(data: Dataset) -> None:
    """sqrt(l2 alpha) A below X: the ridge regression of both, whose solution is the closed form's."""
    l2, alpha = 3.0, 0.7
    rows = np.concatenate([interactions(data), np.sqrt(l2 * alpha) * content_graph({"text": 0.75, "image": 0.25})])
    model = Ease(data, l2=l2, content_weight=alpha, modality_shares={"text": 3.0})
    np.testing.assert_allclose(model.weights, ridge_columns(rows, l2), atol=2e-5)
    # The last three items have no training pairs; content alone finds them.
    assert np.abs(model(np.arange(1, 23))[:, -3:]).max() > 1e-3
    assert not Ease(data, l2=l2)(np.arange(1, 23))[:, -3:].any()


def test_other_settings_of_the_same_data(data: Dataset) -> None:
    first = Ease(data, l2=1.0)
    again = first.with_settings(l2=3.0, content_weight=0.7)
    np.testing.assert_array_equal(again.weights, Ease(data, l2=3.0, content_weight=0.7).weights)
    np.testing.assert_array_equal(first.weights, Ease(data, l2=1.0).weights)


def test_the_nearest_are_the_largest_positive_weights(data: Dataset) -> None:
    model = Ease(data, l2=2.0)
    expected = []
    for item in range(31):
        senders = sorted(range(31), key=lambda other: (-model.weights[other, item], other))[:4]
        expected += [(item, other) for other in senders if model.weights[other, item] > 0]
    found = model.nearest(4)
    assert list(zip(found.receivers.tolist(), found.senders.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(found.weights, [model.weights[other, item] for item, other in expected])
    # The last three items have no training pairs.
    assert max(found.receivers.max(), found.senders.max()) < 28
    assert len(model.nearest(1000).weights) == (model.weights > 0).sum()
    with pytest.raises(ValueError, match="k is 0"):
        model.nearest(0)


def test_bad_settings_and_data_are_refused(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in ({"l2": 0.0}, {"l2": float("nan")}, {"l2": 1.0, "content_weight": -1.0}):
        with pytest.raises(ValueError, match="l2 is .* and content_weight"):
            Ease(data, **settings)
    bare = replace(data, item_features={}, item_neighbors={})
    assert not ease.has_content(bare)
    with pytest.raises(UsageError, match="content weight above 0 on 'random'; expected data with item features"):
        Ease(bare, l2=1.0, content_weight=1.0)
    with pytest.raises(UsageError, match=r"modality shares .*expected one above 0 of image, text"):
        Ease(data, l2=1.0, content_weight=1.0, modality_shares={"image": 0.0, "text": 0.0})
    with pytest.raises(UsageError, match="l2 = 1e-30: found weights that are not finite; expected a larger l2"):
        Ease(data, l2=1e-30)
    monkeypatch.setattr(ease, "MOST_ITEMS", 30)
    with pytest.raises(UsageError, match="EASE on 31 items; expected at most 30"):
        Ease(data, l2=1.0)
