import jax
import numpy as np
import pytest

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.graphs import co_occurrence_graph, knn_graph


def table(values, present=None):
    values = np.asarray(values, np.float32)
    present = np.ones(len(values), bool) if present is None else np.asarray(present)
    return FeatureTable(np.where(present[:, None], values, 0), present, "test")


def brute_force(values, usable, k):
    """The definition, in float64: sort all other usable rows by (falling cosine, row)."""
    edges = {}
    for row in np.flatnonzero(usable):
        others = [other for other in np.flatnonzero(usable) if other != row]
        cosine = {
            other: float(
                np.dot(values[row], values[other]) / np.linalg.norm(values[row]) / np.linalg.norm(values[other])
            )
            for other in others
        }
        edges[row] = [(other, cosine[other]) for other in sorted(others, key=lambda o: (-round(cosine[o], 6), o))[:k]]
    return edges


def as_lists(neighbors):
    lists = {}
    for receiver, sender, weight in zip(neighbors.receivers, neighbors.senders, neighbors.weights, strict=True):
        lists.setdefault(int(receiver), []).append((int(sender), float(weight)))
    return lists


@pytest.mark.parametrize("block_rows", [7, 1000])
def test_against_brute_force_with_missing_rows(block_rows):
    rng = np.random.default_rng(0)
    values, present = rng.normal(size=(50, 6)), rng.uniform(size=50) > 0.2
    found = knn_graph(table(values, present), k=5, block_rows=block_rows)
    lists, wanted = as_lists(found), brute_force(values.astype(np.float32).astype(np.float64), present, 5)
    assert lists.keys() == wanted.keys()
    for row, expected in wanted.items():
        assert [sender for sender, _ in lists[row]] == [sender for sender, _ in expected]
        np.testing.assert_allclose([w for _, w in lists[row]], [w for _, w in expected], atol=1e-6)
    assert found.num_nodes == 50
    assert np.all(np.diff(found.receivers) >= 0)


def test_ties_go_to_the_lower_row():
    # Ten copies of each of 30 directions: the nine twins tie at cosine 1 in every block and tile of the product.
    rng = np.random.default_rng(1)
    values = np.tile(rng.normal(size=(30, 17)), (10, 1))
    found = as_lists(knn_graph(table(values), k=4, block_rows=64))
    for row, neighbors in found.items():
        twins = [other for other in range(row % 30, 300, 30) if other != row]
        assert [sender for sender, _ in neighbors] == twins[:4]


def test_scale_of_a_row_does_not_matter():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(20, 5))
    scaled = knn_graph(table(values * rng.uniform(0.1, 10, (20, 1))), k=3)
    np.testing.assert_array_equal(knn_graph(table(values), k=3).senders, scaled.senders)


def test_few_rows():
    assert len(knn_graph(table([[1.0, 2.0]]), k=3).senders) == 0
    pair = knn_graph(table([[1.0, 0.0], [5.0, 5.0], [1.0, 1.0]], [True, False, True]), k=3)
    assert (pair.receivers.tolist(), pair.senders.tolist()) == ([0, 2], [2, 0])
    np.testing.assert_allclose(pair.weights, np.sqrt(0.5), rtol=1e-6)
    # The only other row is the opposite direction: still the nearest, and nearer than the padding of the product.
    opposite = knn_graph(table([[1.0, 0.0], [-2.0, 0.0]]), k=1)
    assert (opposite.senders.tolist(), opposite.weights.tolist()) == ([1, 0], [-1.0, -1.0])


def test_a_row_of_zero_length_has_no_direction():
    found = knn_graph(table([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]), k=2)
    assert as_lists(found).keys() == {0, 2}
    assert 1 not in found.senders


def test_no_array_of_rows_by_rows():
    rng = np.random.default_rng(3)
    live = []
    original = jax.lax.top_k
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.lax, "top_k", lambda x, k: (live.append(x.shape), original(x, k))[1])
        knn_graph(table(rng.normal(size=(130, 3))), k=2, block_rows=32)
    assert live == [(32, 192)]


@pytest.mark.parametrize("arguments", [{"k": 0}, {"k": 2, "block_rows": 0}])
def test_settings_below_one(arguments):
    with pytest.raises(ValueError, match="expected 1 or more"):
        knn_graph(table(np.eye(3)), **arguments)


@pytest.mark.parametrize("side", ["item", "user"])
@pytest.mark.parametrize("similarity", ["count", "cosine"])
def test_co_occurrence_against_brute_force(side, similarity):
    rng = np.random.default_rng(4)
    places = np.unique(rng.integers(0, 30 * 25, 200))
    train = Interactions((places // 25).astype(np.int32), (places % 25).astype(np.int32))
    by_user = np.zeros((31, 26))
    by_user[train.users, train.items] = 1
    nodes = by_user.T if side == "item" else by_user
    found = as_lists(co_occurrence_graph(train, len(nodes), k=4, side=side, similarity=similarity, block_rows=7))
    for row, own in enumerate(nodes):
        shared = [
            (other, own @ nodes[other] / (np.sqrt(own.sum() * nodes[other].sum()) if similarity == "cosine" else 1))
            for other in range(len(nodes))
            if other != row and own @ nodes[other] > 0
        ]
        expected = sorted(shared, key=lambda pair: (-pair[1], pair[0]))[:4]
        assert [sender for sender, _ in found.get(row, [])] == [sender for sender, _ in expected]
        np.testing.assert_allclose([w for _, w in found.get(row, [])], [w for _, w in expected], rtol=1e-6)


def test_co_occurrence_of_nothing():
    nothing = co_occurrence_graph(Interactions(np.zeros(0, np.int32), np.zeros(0, np.int32)), 5, k=2)
    assert (len(nothing.senders), nothing.num_nodes) == (0, 5)


def test_rows_that_are_nobodys_neighbour_have_neighbours():
    rng = np.random.default_rng(4)
    values, eligible = rng.normal(size=(30, 6)), rng.uniform(size=30) > 0.4
    lists = as_lists(knn_graph(table(values), k=5, eligible=eligible, block_rows=7))
    everybody = brute_force(values.astype(np.float32).astype(np.float64), np.ones(30, bool), 30)
    for row, others in everybody.items():
        assert [sender for sender, _ in lists[row]] == [other for other, _ in others if eligible[other]][:5]
    few = np.arange(30) < 3
    lists = as_lists(knn_graph(table(values), k=5, eligible=few))
    assert {len(lists[row]) for row in range(3)} == {2}
    assert {len(lists[row]) for row in range(3, 30)} == {3}
