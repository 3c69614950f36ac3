import numpy as np
import pytest

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.graphs import Adjacency, mix_graphs, neighbor_graph

# 0 names 1 and 2 (and itself), 1 names 0, 2 names 3; node 4 names nobody and is named by nobody.
NEIGHBORS = NeighborList(
    receivers=np.array([0, 0, 0, 1, 2], np.int32),
    senders=np.array([0, 2, 1, 0, 3], np.int32),
    weights=np.array([1.0, 0.5, 0.25, 0.75, -0.5], np.float32),
    num_nodes=5,
    origin="test",
)


def dense(graph):
    matrix = np.zeros((int(graph.n_node[0]),) * 2)
    np.add.at(matrix, (np.asarray(graph.receivers), np.asarray(graph.senders)), np.asarray(graph.edges))
    return matrix


def rows(*entries):
    matrix = np.zeros((5, 5))
    for i, j, value in entries:
        matrix[i, j] = value
    return matrix


def test_directed():
    graph = neighbor_graph(NEIGHBORS, symmetrize="none", normalization="none")
    np.testing.assert_array_equal(dense(graph), rows((0, 1, 1), (0, 2, 1), (1, 0, 1), (2, 3, 1)))
    assert graph.senders.tolist() == [1, 2, 0, 3]
    assert not Adjacency.from_graph(graph).is_symmetric


def test_union():
    graph = neighbor_graph(NEIGHBORS, normalization="none")
    edges = [(0, 1, 1), (1, 0, 1), (0, 2, 1), (2, 0, 1), (2, 3, 1), (3, 2, 1)]
    np.testing.assert_array_equal(dense(graph), rows(*edges))
    assert graph.n_edge.tolist() == [6]


def test_union_of_similarities_keeps_the_larger_and_no_negative():
    graph = neighbor_graph(NEIGHBORS, weighting="similarity", normalization="none")
    edges = [(0, 1, 0.75), (1, 0, 0.75), (0, 2, 0.5), (2, 0, 0.5), (2, 3, 0), (3, 2, 0)]
    np.testing.assert_allclose(dense(graph), rows(*edges))


def test_self_loops_are_added_once_and_to_every_node():
    graph = neighbor_graph(NEIGHBORS, normalization="none", self_loops=True)
    np.testing.assert_array_equal(np.diag(dense(graph)), np.ones(5))
    assert graph.n_edge.tolist() == [11]


def test_normalizations():
    plain = dense(neighbor_graph(NEIGHBORS, normalization="none", self_loops=True))
    degree = plain.sum(1)
    symmetric = neighbor_graph(NEIGHBORS, normalization="symmetric", self_loops=True)
    np.testing.assert_allclose(dense(symmetric), plain / np.sqrt(np.outer(degree, degree)), rtol=1e-6)
    assert Adjacency.from_graph(symmetric).is_symmetric
    row = dense(neighbor_graph(NEIGHBORS, normalization="row", self_loops=True))
    np.testing.assert_allclose(row, plain / degree[:, None], rtol=1e-6)
    np.testing.assert_allclose(row.sum(1), 1, rtol=1e-6)


def test_symmetric_normalization_of_a_directed_graph_has_norm_at_most_one():
    rng = np.random.default_rng(0)
    receivers = np.repeat(np.arange(40, dtype=np.int32), 3)
    hubs = (40 * rng.uniform(size=120) ** 3).astype(np.int32)
    weights = rng.uniform(0.1, 1, 120).astype(np.float32)
    neighbors = NeighborList(receivers, hubs, weights, 40, "test")
    graph = neighbor_graph(neighbors, symmetrize="none", weighting="similarity")
    assert np.linalg.norm(dense(graph), 2) == pytest.approx(1.0, abs=1e-5)
    union = neighbor_graph(neighbors, weighting="similarity")
    assert Adjacency.from_graph(union).is_symmetric
    assert np.abs(np.linalg.eigvalsh(dense(union))).max() == pytest.approx(1.0, abs=1e-5)


def test_isolated_nodes_stay_finite():
    for normalization in ("symmetric", "row"):
        graph = neighbor_graph(NEIGHBORS, weighting="similarity", normalization=normalization)
        assert np.all(np.isfinite(graph.edges))
        assert dense(graph)[4].sum() == 0


def test_mixture():
    first = neighbor_graph(NEIGHBORS, symmetrize="none")
    second = neighbor_graph(NEIGHBORS, self_loops=True)
    mixed = mix_graphs([(first, 0.7), (second, 0.3)])
    np.testing.assert_allclose(dense(mixed), 0.7 * dense(first) + 0.3 * dense(second), rtol=1e-6)
    places = np.asarray(mixed.receivers) * 5 + np.asarray(mixed.senders)
    assert np.all(np.diff(places) > 0)
    unweighted = mix_graphs([(first._replace(edges=None), 2.0)])
    np.testing.assert_array_equal(unweighted.edges, 2 * np.ones(4))


def test_mixtures_of_symmetric_graphs_are_symmetric():
    similarity = neighbor_graph(NEIGHBORS, weighting="similarity")
    mixed = mix_graphs([(similarity, 0.1), (neighbor_graph(NEIGHBORS, self_loops=True), 1 / 3)])
    assert Adjacency.from_graph(mixed).is_symmetric


def test_mixtures_need_one_vocabulary():
    other = neighbor_graph(NeighborList(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), 4, ""))
    with pytest.raises(ValueError, match=r"\[4, 5\] nodes"):
        mix_graphs([(neighbor_graph(NEIGHBORS), 1.0), (other, 1.0)])
    with pytest.raises(ValueError, match=r"\[\] nodes"):
        mix_graphs([])


@pytest.mark.parametrize("normalization", ["symmetric", "row", "none"])
def test_nodes_that_only_receive_change_no_other_row(normalization):
    """Node 4 names 0 and 2, node 5 names 4 and 1; neither is there for the others."""
    late = np.array([False, False, False, False, True, True])
    grown = NeighborList(
        receivers=np.append(NEIGHBORS.receivers, [4, 4, 5, 5]).astype(np.int32),
        senders=np.append(NEIGHBORS.senders, [0, 2, 4, 1]).astype(np.int32),
        weights=np.append(NEIGHBORS.weights, np.ones(4)).astype(np.float32),
        num_nodes=6,
        origin="test",
    )
    found = dense(neighbor_graph(grown, normalization=normalization, receiving_only=late))
    before = dense(neighbor_graph(NEIGHBORS, normalization=normalization))
    np.testing.assert_array_equal(found[:4, :4], before[:4, :4])
    np.testing.assert_array_equal(found[:, 4:], 0)
    # Degrees without the newcomers: 2 of node 0, 1 of node 1, 2 of node 2.
    expected = {
        "symmetric": [[1 / np.sqrt(2 * 2), 0, 1 / np.sqrt(2 * 2)], [0, 1 / np.sqrt(1 * 1), 0]],
        "row": [[0.5, 0, 0.5], [0, 1, 0]],
        "none": [[1, 0, 1], [0, 1, 0]],
    }[normalization]
    np.testing.assert_allclose(found[4:, :3], expected, rtol=1e-6)
    loops = dense(neighbor_graph(grown, normalization="none", self_loops=True, receiving_only=late))
    np.testing.assert_array_equal(np.diag(loops), np.ones(6))
