import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.graphs import Adjacency, neighbor_graph
from recgoat_jax.nn import GraphAttention, graph_attention
from recgoat_jax.nn.dropout import keep_mask

NODES, HEADS, HEAD_DIM = 9, 2, 3
DIM = HEADS * HEAD_DIM


def neighbor_list() -> NeighborList:
    """Node 8 has no edge at all."""
    rng = np.random.default_rng(0)
    receivers = np.repeat(np.arange(8, dtype=np.int32), 3)
    return NeighborList(receivers, rng.integers(0, 8, 24).astype(np.int32), np.ones(24, np.float32), NODES, "test")


def graph_of(kind: str):
    symmetrize = "none" if kind == "directed" else "union"
    return neighbor_graph(neighbor_list(), symmetrize=symmetrize, normalization="none", self_loops=kind != "directed")


def plain_attention(graph, features, source_vector, target_vector, factors=None):
    """The equations on dense arrays, [receiver, sender]. ``factors``: dropout factor of each (edge, head)."""
    ends = (graph.receivers, graph.senders)
    edge = jnp.zeros((NODES, NODES), bool).at[ends].set(True)
    heads = []
    for head in range(HEADS):
        own = features[:, head * HEAD_DIM : (head + 1) * HEAD_DIM]
        logits = (own @ target_vector[head])[:, None] + (own @ source_vector[head])[None, :]
        exponentials = jnp.where(edge, jnp.exp(jnp.where(logits > 0, logits, 0.2 * logits)), 0)
        weights = exponentials / jnp.maximum(exponentials.sum(1, keepdims=True), 1e-30)
        if factors is not None:
            weights = weights * jnp.zeros((NODES, NODES)).at[ends].set(factors[:, head])
        heads.append(weights @ own)
    return jnp.concatenate(heads, axis=1)


@pytest.fixture(scope="module")
def inputs():
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = [(NODES, DIM), (HEADS, HEAD_DIM), (HEADS, HEAD_DIM), (NODES, DIM)]
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


@pytest.mark.parametrize("kind", ["with loops", "directed"])
def test_value_and_gradients_against_the_equations(kind, inputs):
    *arguments, cotangent = inputs
    graph = graph_of(kind)
    adjacency = Adjacency.from_graph(graph)
    value, pull_back = jax.vjp(lambda *a: graph_attention(adjacency, *a), *arguments)
    expected, expected_pull_back = jax.vjp(lambda *a: plain_attention(graph, *a), *arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    for got, wanted in zip(pull_back(cotangent), expected_pull_back(cotangent), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    if kind == "directed":
        assert np.all(value[8] == 0)


def test_dropout_of_attention_and_its_gradients(inputs):
    *arguments, cotangent = inputs
    graph = graph_of("with loops")
    adjacency = Adjacency.from_graph(graph)
    key = jax.random.key(5)
    factors = keep_mask(key, (adjacency.num_edges, HEADS), rate=0.25) / 0.75
    value, pull_back = jax.vjp(lambda *a: graph_attention(adjacency, *a, dropout_rate=0.25, key=key), *arguments)
    expected, expected_pull_back = jax.vjp(lambda *a: plain_attention(graph, *a, factors), *arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    for got, wanted in zip(pull_back(cotangent), expected_pull_back(cotangent), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_large_logits_stay_finite(inputs):
    features, source_vector, target_vector, cotangent = inputs
    adjacency = Adjacency.from_graph(graph_of("directed"))

    def loss(scale):
        return jnp.sum(cotangent * graph_attention(adjacency, scale * features, source_vector, scale * target_vector))

    for scale in (1e-20, 1e3):
        assert np.all(np.isfinite(jax.value_and_grad(loss)(scale)))


def test_low_precision_features_keep_their_type(inputs):
    adjacency = Adjacency.from_graph(graph_of("with loops"))
    low = graph_attention(adjacency, *[x.astype(jnp.bfloat16) for x in inputs[:3]])
    assert low.dtype == jnp.bfloat16
    np.testing.assert_allclose(low.astype(jnp.float32), graph_attention(adjacency, *inputs[:3]), atol=0.05)


@pytest.fixture(scope="module")
def layer():
    return GraphAttention(5, DIM, heads=HEADS, rngs=nnx.Rngs(0))


def test_layer_is_the_composition_of_its_parts(layer):
    graph = graph_of("with loops")
    x = jax.random.normal(jax.random.key(1), (NODES, 5))
    layer.bias[...] = jnp.linspace(-1, 1, DIM)
    attended = plain_attention(graph, x @ layer.kernel[...], layer.source_vector[...], layer.target_vector[...])
    biased = attended + layer.bias[...]
    expected = jnp.where(biased > 0, biased, 0.2 * biased)
    adjacency = Adjacency.from_graph(graph)
    np.testing.assert_allclose(layer(adjacency, x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.update_graph(graph._replace(nodes=x)).nodes, layer(adjacency, x), rtol=1e-6)


def test_dropout_is_off_without_a_key_and_each_rate_is_read(layer):
    adjacency = Adjacency.from_graph(graph_of("with loops"))
    x = jax.random.normal(jax.random.key(1), (NODES, 5))
    key = jax.random.key(2)
    still = layer(adjacency, x)
    np.testing.assert_array_equal(layer(adjacency, x), still)
    np.testing.assert_array_equal(layer(adjacency, x, key=key), layer(adjacency, x, key=key))
    outputs = {"none": still}
    for name in ("feature_dropout", "attention_dropout", "output_dropout"):
        rates = dict.fromkeys(("feature_dropout", "attention_dropout", "output_dropout"), 0.0) | {name: 0.5}
        outputs[name] = GraphAttention(5, DIM, heads=HEADS, rngs=nnx.Rngs(0), **rates)(adjacency, x, key=key)
    distinct = {np.asarray(value).tobytes() for value in outputs.values()}
    assert len(distinct) == 4
    assert np.mean(outputs["output_dropout"] == 0) > 0.2


def test_start_is_xavier_with_gain_root_two():
    wide = GraphAttention(300, 400, heads=2, rngs=nnx.Rngs(0))
    assert np.std(wide.kernel[...]) == pytest.approx(np.sqrt(2) * np.sqrt(2 / 700), rel=0.01)
    for vector in (wide.source_vector[...], wide.target_vector[...]):
        assert np.std(vector) == pytest.approx(np.sqrt(2) * np.sqrt(2 / 201), rel=0.15)
    assert not np.any(wide.bias[...])
    assert not np.array_equal(wide.source_vector[...], wide.target_vector[...])


def test_all_heads_may_start_as_one_tensor():
    """Fan in heads x width of a head, fan out that width: `torch.nn.init.xavier_normal_` on 1 x heads x width."""
    wide = GraphAttention(10, 8 * 400, heads=8, attention_start="heads", rngs=nnx.Rngs(0))
    for vector in (wide.source_vector[...], wide.target_vector[...]):
        assert np.std(vector) == pytest.approx(np.sqrt(2) * np.sqrt(2 / (8 * 400 + 400)), rel=0.05)


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="5 heads do not divide the width 6"):
        GraphAttention(4, 6, heads=5, rngs=nnx.Rngs(0))


def test_training_step_in_jit(layer):
    adjacency = Adjacency.from_graph(graph_of("with loops"))
    x = jax.random.normal(jax.random.key(1), (NODES, 5))
    definition, params = nnx.split(layer)

    @jax.jit
    def gradient(params, key):
        return jax.grad(lambda p: jnp.sum(nnx.merge(definition, p)(adjacency, x, key=key) ** 2))(params)

    for leaf in jax.tree.leaves(gradient(params, jax.random.key(0))):
        assert np.all(np.isfinite(leaf))
        assert np.any(leaf != 0)
