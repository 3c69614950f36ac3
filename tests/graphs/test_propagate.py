import sys

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from recgoat_jax.graphs import Adjacency, propagate, symmetric_normalization
from recgoat_jax.graphs.propagate import compressed_row_product, segment_sum_product, sparse_product
from tests.graphs.worlds import graph_of

NODES, DIM = 12, 10
KINDS = ["symmetric", "same places", "directed"]


def random_matrix(kind: str) -> np.ndarray:
    """Dense weights; node 5 has no edge at all, node 7 has a self loop."""
    rng = np.random.default_rng(KINDS.index(kind))
    places = rng.uniform(size=(NODES, NODES)) < 0.3
    places[7, 7] = True
    weights = rng.uniform(0.2, 1.5, size=(NODES, NODES))
    if kind != "directed":
        places |= places.T
    if kind == "symmetric":
        weights = weights + weights.T
    places[5] = places[:, 5] = False
    return np.where(places, weights, 0).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    keys = jax.random.split(jax.random.key(0), 2)
    return jax.random.normal(keys[0], (NODES, DIM)), jax.random.normal(keys[1], (NODES, DIM))


@pytest.mark.parametrize("kind", KINDS)
def test_adjacency(kind):
    matrix = random_matrix(kind)
    adjacency = Adjacency.from_graph(graph_of(matrix))
    assert adjacency.is_symmetric == (kind == "symmetric")
    assert (adjacency.transposed is None) == (kind != "directed")
    rows = adjacency.transposed_rows
    transposed = np.zeros_like(matrix)
    transposed[rows.receivers, rows.senders] = np.asarray(adjacency.weights)[adjacency.transposed_order]
    np.testing.assert_array_equal(transposed, matrix.T)
    assert (adjacency.num_edges, adjacency.num_nodes) == (np.count_nonzero(matrix), NODES)
    assert adjacency.rows.offsets[-1] == adjacency.num_edges


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_against_dense(kind, vectors):
    x, cotangent = vectors
    matrix = random_matrix(kind)
    adjacency = Adjacency.from_graph(graph_of(matrix))
    value, pull_back = jax.vjp(lambda x: propagate(adjacency, x), x)
    np.testing.assert_allclose(value, matrix @ np.asarray(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pull_back(cotangent)[0], matrix.T @ np.asarray(cotangent), rtol=1e-5, atol=1e-6)
    assert np.all(value[5] == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_learned_weights_against_dense(kind, vectors):
    x, cotangent = vectors
    matrix = random_matrix(kind)
    adjacency = Adjacency.from_graph(graph_of(matrix))
    weights = jax.random.uniform(jax.random.key(3), (adjacency.num_edges,))
    ends = (adjacency.receivers, adjacency.senders)
    value, pull_back = jax.vjp(lambda x, w: propagate(adjacency, x, w), x, weights)
    dense_value, dense_pull_back = jax.vjp(lambda x, w: jnp.zeros((NODES, NODES)).at[ends].set(w) @ x, x, weights)
    np.testing.assert_allclose(value, dense_value, rtol=1e-5, atol=1e-6)
    for got, wanted in zip(pull_back(cotangent), dense_pull_back(cotangent), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_senders_of_a_node_in_any_order(vectors):
    graph = graph_of(random_matrix("same places"))
    order = np.lexsort((-graph.senders, graph.receivers))
    shuffled = graph._replace(senders=graph.senders[order], edges=graph.edges[order])
    adjacency = Adjacency.from_graph(shuffled)
    assert adjacency.transposed is None
    gradient = jax.grad(lambda x: jnp.sum(propagate(adjacency, x) * vectors[1]))(vectors[0])
    np.testing.assert_allclose(gradient, random_matrix("same places").T @ vectors[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dim", [2, DIM])
@pytest.mark.parametrize("heads", [1, 2])
def test_both_lowerings_agree(dim, heads):
    matrix = random_matrix("directed")
    rows = Adjacency.from_graph(graph_of(matrix)).rows
    x = np.random.default_rng(0).normal(size=(NODES, dim)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(len(rows.senders), heads)).astype(np.float32)
    width = dim // heads
    expected = np.zeros((NODES, dim))
    for edge, (receiver, sender) in enumerate(zip(rows.receivers.tolist(), rows.senders.tolist(), strict=True)):
        for head in range(heads):
            columns = slice(head * width, (head + 1) * width)
            expected[receiver, columns] += weights[edge, head] * x[sender, columns]
    for product in (compressed_row_product, segment_sum_product, sparse_product):
        np.testing.assert_allclose(product(rows, jnp.asarray(weights), jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_messages_in_blocks_add_up_to_all(block, padding, monkeypatch):
    """Padding edges come last, and their receiver is no row."""
    monkeypatch.setattr(sys.modules[segment_sum_product.__module__], "_BLOCK_EDGES", block)
    rows = Adjacency.from_graph(graph_of(random_matrix("directed"))).rows
    padded = rows._replace(
        senders=jnp.pad(rows.senders, (0, padding)),
        receivers=jnp.pad(rows.receivers, (0, padding), constant_values=NODES),
    )
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(NODES, 6)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(len(padded.senders), 2)), jnp.float32)
    expected = compressed_row_product(rows, weights[: len(rows.senders)], x)
    # A function of its own: another one would be compiled already, for other blocks.
    found = jax.jit(lambda *arrays: segment_sum_product(*arrays))(padded, weights, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_only_the_lowering_of_the_platform_is_compiled():
    adjacency = Adjacency.from_graph(graph_of(random_matrix("symmetric")))
    step = jax.jit(jax.grad(lambda x: jnp.sum(propagate(adjacency, x) ** 2)))
    x = jax.ShapeDtypeStruct((NODES, DIM), jnp.float32)
    on_cpu = step.trace(x).lower(lowering_platforms=("cpu",)).as_text()
    elsewhere = step.trace(x).lower(lowering_platforms=("tpu",)).as_text()
    assert "csr" in on_cpu
    assert "stablehlo.scatter" not in on_cpu
    assert "csr" not in elsewhere
    assert elsewhere.count("indices_are_sorted = true") >= 2


def test_under_the_transformations_of_jax(vectors):
    x, _ = vectors
    matrix = random_matrix("directed")
    adjacency = Adjacency.from_graph(graph_of(matrix))
    batched = jax.jit(jax.vmap(propagate, in_axes=(None, 0)))(adjacency, jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(batched[1], 2 * matrix @ x, rtol=1e-5, atol=1e-6)

    def scanned(x):
        return jax.lax.scan(lambda carry, _: (propagate(adjacency, carry), None), x, None, length=2)[0].sum()

    np.testing.assert_allclose(jax.grad(scanned)(x)[:, 0], (matrix.T @ matrix.T).sum(1), rtol=1e-4)
    doubled = jax.tree.map(lambda leaf: leaf * 2 if leaf.dtype == jnp.float32 else leaf, adjacency)
    np.testing.assert_allclose(propagate(doubled, x), 2 * matrix @ x, rtol=1e-5, atol=1e-6)


def test_normalization_against_dense():
    matrix = random_matrix("directed")
    adjacency = Adjacency.from_graph(graph_of(matrix))
    received, sent = matrix.sum(1), matrix.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.nan_to_num(matrix / np.sqrt(np.outer(received, sent)))
    got = symmetric_normalization(adjacency, adjacency.weights)
    np.testing.assert_allclose(got, expected[adjacency.receivers, adjacency.senders], rtol=1e-5)


def test_gradient_through_the_normalization():
    matrix = random_matrix("symmetric")
    adjacency = Adjacency.from_graph(graph_of(matrix))
    x = jax.random.normal(jax.random.key(1), (NODES, 3))
    kept = jnp.asarray(matrix.sum(1) > 0)

    def dense_loss(w):
        a = jnp.zeros((NODES, NODES)).at[adjacency.receivers, adjacency.senders].set(w)
        scale = jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, a.sum(1), 1)), 0)
        return jnp.sum(jnp.tanh((scale[:, None] * a * scale) @ x) ** 2)

    def loss(w):
        return jnp.sum(jnp.tanh(propagate(adjacency, x, symmetric_normalization(adjacency, w))) ** 2)

    # A symmetric change of the weights: row and column sums differ in the graph, but not here.
    change = matrix[adjacency.receivers, adjacency.senders]
    got, wanted = jax.grad(loss)(adjacency.weights), jax.grad(dense_loss)(adjacency.weights)
    np.testing.assert_allclose(got @ change, wanted @ change, atol=1e-5)
    np.testing.assert_allclose(
        got + got[adjacency.transposed_order], wanted + wanted[adjacency.transposed_order], rtol=1e-3, atol=1e-5
    )
    assert np.all(np.isfinite(jax.grad(loss)(jnp.zeros_like(adjacency.weights))))


def test_edges_that_break_the_contract():
    graph = graph_of(random_matrix("directed"))
    with pytest.raises(ValueError, match="not sorted by receiver"):
        Adjacency.from_graph(graph._replace(receivers=graph.receivers[::-1]))
    with pytest.raises(ValueError, match="rows 0 to 8"):
        Adjacency.from_graph(graph._replace(n_node=np.array([9])))
    with pytest.raises(ValueError, match="one scalar weight an edge"):
        Adjacency.from_graph(graph._replace(edges=np.ones((len(graph.senders), 2), np.float32)))


def test_a_graph_without_edges():
    graph = jraph.GraphsTuple(None, None, None, None, None, np.array([3]), np.array([0]))
    adjacency = Adjacency.from_graph(graph)
    assert adjacency.is_symmetric
    np.testing.assert_array_equal(propagate(adjacency, jnp.ones((3, 2))), np.zeros((3, 2)))
