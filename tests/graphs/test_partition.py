import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.graphs import (
    Adjacency,
    NodePartition,
    RowsMoved,
    ShardedAdjacency,
    balanced_partition,
    edges_per_shard,
    rows_moved,
)
from tests.graphs.worlds import HUB, ISOLATED, awkward_matrix, graph_of

KINDS = ["symmetric", "same places", "directed"]


def dense(sharded: ShardedAdjacency, transposed: bool = False) -> np.ndarray:
    """The matrix that the entries of all shards make up, in mesh order."""
    entries = sharded.transposed if transposed and sharded.transposed is not None else sharded.entries
    num_shards, size = sharded.num_shards, sharded.rows_per_shard
    matrix = np.zeros((num_shards * size, num_shards * size), np.float32)
    for shard in range(num_shards):
        if sharded.collective == "ring":
            groups = [(jax.tree.map(lambda x, h=h, s=shard: x[s, h], entries), h) for h in range(num_shards)]
        else:
            groups = [(jax.tree.map(lambda x, s=shard: x[s], entries), None)]
        for group, hop in groups:
            offsets = np.asarray(group.rows.offsets)
            for slot in range(size):
                for entry in range(offsets[slot], offsets[slot + 1]):
                    assert group.rows.receivers[entry] == slot
                    sender = int(group.rows.senders[entry])
                    if hop is not None:
                        source = (shard - hop) % num_shards
                    elif sender < size:
                        source = shard
                    else:
                        # What peer `source` put into its list for this shard arrives behind the own rows.
                        source, position = divmod(sender - size, entries.sent.shape[2])
                        sender = int(entries.sent[source, shard, position])
                        assert source != shard
                    matrix[shard * size + slot, source * size + sender] += group.weights[entry]
            assert np.all(np.asarray(group.rows.receivers)[offsets[-1] :] == size)
            assert np.all(np.asarray(group.weights)[offsets[-1] :] == 0)
    return matrix


def in_mesh_order(matrix: np.ndarray, partition: NodePartition) -> np.ndarray:
    rows = np.zeros((len(partition.order), len(partition.order)), np.float32)
    rows[np.ix_(partition.place, partition.place)] = matrix
    return rows


def test_rows_of_a_partition_by_hand():
    partition = NodePartition.from_shards(np.array([1, 0, 1, 1, 0]), 2)
    assert partition.order.tolist() == [1, 4, -1, 0, 2, 3]
    assert partition.place.tolist() == [3, 0, 4, 5, 1]
    assert (partition.num_nodes, partition.rows_per_shard) == (5, 3)
    with pytest.raises(ValueError, match="a node is in shard 2; expected 0 to 1"):
        NodePartition.from_shards(np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="num_shards is 0"):
        NodePartition.from_shards(np.array([0]), 0)


@pytest.mark.parametrize("num_shards", [1, 3, 8, 50])
def test_every_node_once_and_equal_rows(num_shards):
    adjacency = Adjacency.from_graph(graph_of(awkward_matrix("directed", 37)))
    partition = balanced_partition(adjacency, num_shards)
    assert partition.rows_per_shard == -(-37 // num_shards)
    real = partition.order >= 0
    np.testing.assert_array_equal(np.sort(partition.order[real]), np.arange(37))
    np.testing.assert_array_equal(partition.order[partition.place], np.arange(37))
    by_shard = real.reshape(num_shards, -1)
    assert np.all(by_shard[:, :-1] >= by_shard[:, 1:]), "padding stands at the end of its shard"


def test_edges_are_balanced_despite_hubs_at_the_start():
    # Degrees fall with the node: contiguous blocks would give the first shard nearly all edges.
    rng = np.random.default_rng(0)
    matrix = (rng.uniform(size=(80, 80)) < (1 / np.arange(1, 81))[:, None]).astype(np.float32)
    matrix = np.maximum(matrix, matrix.T)
    adjacency = Adjacency.from_graph(graph_of(matrix))
    edges = edges_per_shard(adjacency, balanced_partition(adjacency, 4))
    contiguous = edges_per_shard(adjacency, NodePartition.from_shards(np.repeat(np.arange(4), 20), 4))
    assert edges.sum() == contiguous.sum() == adjacency.num_edges
    assert contiguous.max() > 1.8 * contiguous.mean()
    assert edges.max() < 1.1 * edges.mean()


def test_sent_edges_count_where_the_backward_pass_adds_them_up():
    # Nodes 0 and 1 receive nothing and send to ten nodes each: received edges alone would not part them from others.
    matrix = np.zeros((14, 14), np.float32)
    matrix[2:12, :2] = 1.0
    partition = balanced_partition(Adjacency.from_graph(graph_of(matrix)), 2)
    assert partition.place[0] // 7 != partition.place[1] // 7


def test_mesh_order_and_back():
    partition = NodePartition.from_shards(np.array([1, 0, 1, 1, 0]), 2)
    x = jnp.arange(1.0, 11.0).reshape(5, 2)
    rows, pull_back = jax.vjp(partition.to_mesh_order, x)
    np.testing.assert_array_equal(rows, [[3, 4], [9, 10], [0, 0], [1, 2], [5, 6], [7, 8]])
    np.testing.assert_array_equal(pull_back(rows * jnp.arange(6.0)[:, None])[0][:, 0], [3, 0, 20, 35, 9])
    back, pull_back = jax.vjp(partition.to_node_order, rows.at[2].set(jnp.nan))
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(pull_back(x)[0], rows)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(partition.to_mesh_order(x) ** 2)))
    assert "scatter" not in gradient.lower(x).as_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("collective", ["ring", "exchange"])
@pytest.mark.parametrize(("num_nodes", "num_shards"), [(19, 1), (19, 4), (24, 8)])
def test_entries_make_up_the_matrix_and_its_transpose(kind, collective, num_nodes, num_shards):
    matrix = awkward_matrix(kind, num_nodes)
    adjacency = Adjacency.from_graph(graph_of(matrix))
    partition = balanced_partition(adjacency, num_shards)
    sharded = ShardedAdjacency.from_adjacency(adjacency, partition, collective=collective)
    assert (sharded.collective, sharded.num_shards) == (collective, num_shards)
    assert (sharded.transposed is None) == (kind == "symmetric")
    assert all(leaf.shape[0] == num_shards for leaf in jax.tree.leaves(sharded))
    expected = in_mesh_order(matrix, partition)
    np.testing.assert_array_equal(dense(sharded), expected)
    np.testing.assert_array_equal(dense(sharded, transposed=True), expected.T)
    assert not expected[partition.place[ISOLATED]].any()
    assert np.count_nonzero(expected[partition.place[HUB]]) == num_nodes - 1


def test_rows_moved_by_hand():
    # Shards {0, 1}, {2, 3}, {4, 5}; the first needs row 2 twice and row 3, which is one list of two rows.
    matrix = np.zeros((6, 6), np.float32)
    for receiver, sender in ((0, 2), (1, 2), (1, 3), (4, 5), (2, 0)):
        matrix[receiver, sender] = 1.0
    adjacency = Adjacency.from_graph(graph_of(matrix))
    partition = NodePartition.from_shards(np.repeat(np.arange(3), 2), 3)
    assert rows_moved(adjacency, partition) == RowsMoved(ring=4, exchange=4)
    assert ShardedAdjacency.from_adjacency(adjacency, partition).collective == "ring"
    one_list = Adjacency.from_graph(graph_of(np.where(np.arange(6) == 3, 0, matrix)))
    assert rows_moved(one_list, partition) == RowsMoved(ring=4, exchange=4), "the transpose needs both 0 and 1"
    matrix[1] = 0
    fewer = Adjacency.from_graph(graph_of(matrix))
    assert rows_moved(fewer, partition) == RowsMoved(ring=4, exchange=2)
    assert ShardedAdjacency.from_adjacency(fewer, partition).collective == "exchange"


def test_a_graph_without_edges():
    adjacency = Adjacency.from_graph(graph_of(np.zeros((5, 5), np.float32)))
    partition = balanced_partition(adjacency, 2)
    assert rows_moved(adjacency, partition) == RowsMoved(ring=3, exchange=0)
    for collective in ("ring", "exchange"):
        assert not dense(ShardedAdjacency.from_adjacency(adjacency, partition, collective=collective)).any()


def test_a_partition_of_another_graph():
    adjacency = Adjacency.from_graph(graph_of(awkward_matrix("symmetric", 10)))
    other = Adjacency.from_graph(graph_of(awkward_matrix("symmetric", 11)))
    with pytest.raises(ValueError, match="the partition deals 11 nodes, the matrix has 10"):
        ShardedAdjacency.from_adjacency(adjacency, balanced_partition(other, 2))


def test_joined_partitions_keep_each_shard_together() -> None:
    users = NodePartition.from_shards(np.array([1, 0, 1]), 2)
    items = NodePartition.from_shards(np.array([0, 0, 0, 1]), 2)
    nodes = NodePartition.joined(users, items)
    # Shard 0: user 1, a padding row, items 0 to 2; shard 1: users 0 and 2, item 3, two padding rows.
    np.testing.assert_array_equal(nodes.order, [1, -1, 3, 4, 5, 0, 2, 6, -1, -1])
    np.testing.assert_array_equal(nodes.order[nodes.place], np.arange(7))
    with pytest.raises(ValueError, match="2 and 3 shards cannot be joined"):
        NodePartition.joined(users, NodePartition.from_shards(np.array([0]), 3))
