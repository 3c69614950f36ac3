import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.graphs import Adjacency, lightgcn, lightgcn_convolution, neighbor_graph


def ring(num_nodes: int):
    """Each node named by its two neighbours on a ring: a 2-regular graph."""
    nodes = np.arange(num_nodes, dtype=np.int32)
    receivers, senders = np.repeat(nodes, 2), np.stack([(nodes - 1) % num_nodes, (nodes + 1) % num_nodes], 1).ravel()
    weights = np.ones(2 * num_nodes, np.float32)
    return neighbor_graph(NeighborList(receivers, senders.astype(np.int32), weights, num_nodes, "ring"))


def dense(graph):
    matrix = np.zeros((int(graph.n_node[0]),) * 2, np.float32)
    matrix[graph.receivers, graph.senders] = graph.edges
    return matrix


def test_spectral_radius_of_a_regular_graph_is_one():
    graph = ring(9)
    assert np.abs(np.linalg.eigvalsh(dense(graph))).max() == pytest.approx(1.0, abs=1e-6)
    constant = jnp.ones((9, 3))
    for combine in ("mean", "last"):
        result = lightgcn(Adjacency.from_graph(graph), constant, num_layers=4, combine=combine)
        np.testing.assert_allclose(result, constant, rtol=1e-6)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_layers_against_matrix_powers(num_layers):
    graph = ring(8)
    matrix, x = dense(graph), np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    powers = [np.linalg.matrix_power(matrix, layer) @ x for layer in range(num_layers + 1)]
    adjacency = Adjacency.from_graph(graph)
    for combine, expected in {"mean": np.mean(powers, 0), "sum": np.sum(powers, 0), "last": powers[-1]}.items():
        got = lightgcn(adjacency, jnp.asarray(x), num_layers=num_layers, combine=combine)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    weighted = lightgcn(adjacency, jnp.asarray(x), num_layers=num_layers, weights=2 * adjacency.weights)
    expected = np.mean([2**layer * power for layer, power in enumerate(powers)], 0)
    np.testing.assert_allclose(weighted, expected, rtol=1e-5, atol=1e-5)


def test_gradient_of_three_layers():
    graph = ring(8)
    matrix = dense(graph)
    cotangent = jax.random.normal(jax.random.key(0), (8, 2))
    adjacency = Adjacency.from_graph(graph)
    got = jax.grad(lambda x: jnp.sum(lightgcn(adjacency, x, num_layers=3) * cotangent))(jnp.zeros((8, 2)))
    expected = sum(np.linalg.matrix_power(matrix.T, layer) for layer in range(4)) / 4 @ np.asarray(cotangent)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_negative_layers():
    with pytest.raises(ValueError, match="num_layers is -1"):
        lightgcn(Adjacency.from_graph(ring(3)), jnp.ones((3, 1)), num_layers=-1)


def test_jraph_layer_equals_the_fast_path_and_keeps_the_graph():
    x = jax.random.normal(jax.random.key(1), (8, 3))
    graph = ring(8)._replace(nodes=x)
    result = jax.jit(lightgcn_convolution)(graph)
    fast = lightgcn(Adjacency.from_graph(graph), x, num_layers=1, combine="last")
    np.testing.assert_allclose(result.nodes, fast, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(result.edges, graph.edges)


def test_jraph_layer_on_padded_batches_and_in_other_layers():
    graph = ring(4)._replace(nodes=jnp.arange(8.0).reshape(4, 2))
    batch = jraph.batch([graph, graph])
    padded = jraph.pad_with_graphs(batch, n_node=10, n_edge=20, n_graph=3)
    result = lightgcn_convolution(lightgcn_convolution(padded))
    expected = dense(ring(4)) @ dense(ring(4)) @ np.arange(8.0).reshape(4, 2)
    np.testing.assert_allclose(result.nodes[:8], np.tile(expected, (2, 1)), rtol=1e-6)
    unweighted = lightgcn_convolution(graph._replace(edges=None))
    np.testing.assert_allclose(unweighted.nodes, (dense(ring(4)) > 0) @ np.arange(8.0).reshape(4, 2))
    update = jraph.GraphNetwork(update_edge_fn=None, update_node_fn=lambda nodes, *_: 2 * nodes)
    np.testing.assert_allclose(update(lightgcn_convolution(graph)).nodes, 2 * lightgcn_convolution(graph).nodes)
