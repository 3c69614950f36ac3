import numpy as np
import pytest

from recgoat_jax.data.dataset import Interactions, NeighborList
from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.errors import DataError
from recgoat_jax.graphs import Adjacency, bipartite_graph, co_occurrence_graph, neighbor_graph

USERS, ITEMS = 19_445, 7_050


@pytest.fixture(scope="module")
def folder():
    try:
        return find_shared_data() / "amazon-baby"
    except DataError as error:
        pytest.skip(f"the shared research data is absent: {error}")


@pytest.fixture(scope="module")
def train(folder):
    rows = [np.array(line.split(), np.int32) for line in (folder / "train.txt").read_text().splitlines()]
    pairs = sorted((int(row[0]), int(item)) for row in rows for item in row[1:])
    return Interactions(*np.array(pairs, np.int32).T)


def directed(folder, modality: str) -> NeighborList:
    with np.load(folder / f"{modality}_adj_10.npz") as stored:
        row, column, value = stored["row"], stored["col"], stored["val"]
    order = np.lexsort((column, row))
    ends = row[order].astype(np.int32), column[order].astype(np.int32)
    return NeighborList(*ends, value[order].astype(np.float32), ITEMS, modality)


@pytest.mark.data
def test_bipartite_graph(train):
    graph = bipartite_graph(train, USERS, ITEMS)
    adjacency = Adjacency.from_graph(graph)
    assert (adjacency.num_edges, adjacency.num_nodes, adjacency.is_symmetric) == (2 * 118_551, USERS + ITEMS, True)
    degrees = np.diff(adjacency.rows.offsets)
    assert np.flatnonzero(degrees == 0).size == 3
    assert degrees[:USERS].min() >= 1
    # ||A||_2 = 1 with the eigenvector sqrt(degree): row i of A sqrt(d) is sqrt(d_i).
    received = np.bincount(graph.receivers, np.asarray(graph.edges) * np.sqrt(degrees)[graph.senders], USERS + ITEMS)
    np.testing.assert_allclose(received, np.sqrt(degrees), rtol=1e-5)


@pytest.mark.data
@pytest.mark.parametrize(("modality", "without_self_edge", "reverse_share"), [("text", 4, 0.61), ("image", 53, 0.47)])
def test_ready_made_item_graphs(folder, modality, without_self_edge, reverse_share):
    neighbors = directed(folder, modality)
    assert len(neighbors.senders) == 70_500
    graph = neighbor_graph(neighbors, symmetrize="none", normalization="none")
    num_edges = 70_500 - (ITEMS - without_self_edge)
    assert graph.n_edge.tolist() == [num_edges]
    assert not Adjacency.from_graph(graph).is_symmetric
    union = Adjacency.from_graph(neighbor_graph(neighbors, self_loops=True))
    assert union.is_symmetric
    # The union has each pair in both directions, so an edge whose reverse is listed, too, adds nothing to it. The
    # published share counts self edges, each its own reverse.
    mutual = 2 * num_edges - (union.num_edges - ITEMS)
    assert (mutual + ITEMS - without_self_edge) / 70_500 == pytest.approx(reverse_share, abs=0.006)


@pytest.mark.data
def test_co_purchase(train):
    found = co_occurrence_graph(train, ITEMS, k=10)
    users_of = [set() for _ in range(ITEMS)]
    for user, item in zip(train.users.tolist(), train.items.tolist(), strict=True):
        users_of[item].add(user)
    for edge in range(0, len(found.senders), 997):
        shared = users_of[found.receivers[edge]] & users_of[found.senders[edge]]
        assert len(shared) == found.weights[edge] > 0
    assert np.bincount(found.receivers, minlength=ITEMS).max() == 10
