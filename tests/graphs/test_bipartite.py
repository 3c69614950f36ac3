import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.errors import DataError
from recgoat_jax.graphs import Adjacency, bipartite_graph, edge_ratings

# Three users and four items; item 3 is in no pair, user 2 has one pair.
PAIRS = [(0, 0, 5.0), (0, 2, 1.0), (1, 0, 2.0), (1, 1, 4.0), (1, 2, 3.0), (2, 2, 4.0)]
TRAIN = Interactions(
    np.array([u for u, _, _ in PAIRS], np.int32),
    np.array([i for _, i, _ in PAIRS], np.int32),
    np.array([r for _, _, r in PAIRS], np.float32),
)


def dense(graph: jraph.GraphsTuple) -> np.ndarray:
    matrix = np.zeros((int(graph.n_node[0]),) * 2)
    np.add.at(matrix, (np.asarray(graph.receivers), np.asarray(graph.senders)), np.asarray(graph.edges))
    return matrix


def expected(weight) -> np.ndarray:
    """D^-1/2 A D^-1/2 entry by entry, from the definition."""
    matrix = np.zeros((7, 7))
    for user, item, rating in PAIRS:
        matrix[user, 3 + item] = matrix[3 + item, user] = weight(user, rating)
    degree = matrix.sum(1)
    return np.array(
        [[w / np.sqrt(degree[i] * degree[j]) if w else 0.0 for j, w in enumerate(row)] for i, row in enumerate(matrix)]
    )


def test_weights_by_hand():
    matrix = dense(bipartite_graph(TRAIN, 3, 4))
    # User 0 has two items, item 0 has two users: 1 / sqrt(2 * 2).
    assert matrix[0, 3] == pytest.approx(0.5)
    # User 2 has one item, item 2 has three users.
    assert matrix[5, 2] == pytest.approx(1 / np.sqrt(3))


@pytest.mark.parametrize(
    ("rating_weight", "weight"),
    [
        ("none", lambda user, rating: 1.0),
        ("fifth", lambda user, rating: rating / 5),
        ("centred", lambda user, rating: rating / {0: 3.0, 1: 3.0, 2: 4.0}[user]),
    ],
)
def test_weighted_degrees(rating_weight, weight):
    matrix = dense(bipartite_graph(TRAIN, 3, 4, rating_weight=rating_weight))
    np.testing.assert_allclose(matrix, expected(weight), rtol=1e-6)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_contract_of_the_graph():
    graph = bipartite_graph(TRAIN, 3, 4)
    receivers, senders = np.asarray(graph.receivers), np.asarray(graph.senders)
    assert (receivers.dtype, senders.dtype, np.asarray(graph.edges).dtype) == (np.int32, np.int32, np.float32)
    assert (graph.n_node.tolist(), graph.n_edge.tolist(), graph.nodes) == ([7], [12], None)
    np.testing.assert_array_equal(np.lexsort((senders, receivers)), np.arange(12))
    assert np.all((receivers < 3) != (senders < 3))
    assert 6 not in receivers


def test_random_ratings_stay_exactly_symmetric():
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(0, 60 * 40, 700))
    train = Interactions(
        (places // 40).astype(np.int32),
        (places % 40).astype(np.int32),
        rng.uniform(0.1, 5, len(places)).astype(np.float32),
    )
    graph = bipartite_graph(train, 60, 40, rating_weight="centred")
    assert Adjacency.from_graph(graph).is_symmetric
    assert np.linalg.eigvalsh(dense(graph))[-1] == pytest.approx(1.0, abs=1e-5)


def test_zero_ratings_leave_finite_zeros():
    train = Interactions(TRAIN.users, TRAIN.items, np.array([0, 0, 2, 4, 3, 0], np.float32))
    for rating_weight in ("fifth", "centred"):
        graph = bipartite_graph(train, 3, 4, rating_weight=rating_weight)
        assert np.all(np.isfinite(graph.edges))
    assert np.all(dense(bipartite_graph(train, 3, 4, rating_weight="fifth"))[0] == 0)


def test_edge_ratings_follow_the_edges():
    graph = bipartite_graph(TRAIN, 3, 4)
    ratings = edge_ratings(TRAIN, 3)
    known = {(user, 3 + item): rating for user, item, rating in PAIRS}
    ends = zip(graph.receivers.tolist(), graph.senders.tolist(), strict=True)
    assert ratings.tolist() == [known[min(pair), max(pair)] for pair in ends]
    assert ratings.dtype == np.float32


def test_ratings_that_cannot_weigh():
    without = Interactions(TRAIN.users, TRAIN.items)
    negative = Interactions(TRAIN.users, TRAIN.items, -np.ones(6, np.float32))
    with pytest.raises(DataError, match="no ratings"):
        bipartite_graph(without, 3, 4, rating_weight="fifth")
    with pytest.raises(DataError, match="no ratings"):
        edge_ratings(without, 3)
    with pytest.raises(DataError, match="negative"):
        bipartite_graph(negative, 3, 4, rating_weight="centred")
    assert jnp.all(bipartite_graph(without, 3, 4).edges > 0)


def test_a_user_who_only_receives_changes_no_other_row():
    late = np.array([False, False, True, False, False, False, False])
    found = dense(bipartite_graph(TRAIN, 3, 4, receiving_only=late))
    old = Interactions(TRAIN.users[:5], TRAIN.items[:5])
    np.testing.assert_array_equal(found[~late][:, ~late], dense(bipartite_graph(old, 3, 4))[~late][:, ~late])
    np.testing.assert_array_equal(found[:, late], 0)
    # Item 2 has two users but for the newcomer, who has one item.
    assert found[2, 5] == pytest.approx(1 / np.sqrt(1 * 2))


def test_an_item_that_only_the_newcomer_has_tells_nothing():
    users, items = np.array([0, 0, 1, 2, 2], np.int32), np.array([0, 1, 1, 0, 2], np.int32)
    late = np.array([False, False, True, False, False, False])
    found = dense(bipartite_graph(Interactions(users, items), 3, 3, receiving_only=late))
    assert found[2, 5] == 0.0
    # Item 0 has one user but for the newcomer, who has two items.
    assert found[2, 3] == pytest.approx(1 / np.sqrt(2 * 1))
