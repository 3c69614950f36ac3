import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.nn.pooling import pool_tokens, unit_length
from recgoat_jax.nn.transformer import TransformerConfig, TransformerEncoder

CONFIG = TransformerConfig(vocabulary=11, width=6, layers=2, heads=2, ffn_width=10, positions=8, eps=1e-6)
IDS = np.array([[3, 7, 1, 9, 0], [4, 4, 2, 0, 0]], np.int32)
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], bool)
TYPES = np.array([[0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], np.int32)


def drawn(config: TransformerConfig) -> TransformerEncoder:
    """Weights far from those that a model starts with, so that no term is lost in another."""
    definition, params = nnx.split(nnx.eval_shape(lambda: TransformerEncoder(config, rngs=nnx.Rngs(0))))
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng(1)
    weights = [jnp.asarray(rng.normal(size=leaf.shape), jnp.float32) for leaf in leaves]
    return nnx.merge(definition, jax.tree.unflatten(structure, weights))


@pytest.fixture(scope="module")
def model() -> TransformerEncoder:
    return drawn(CONFIG)


@pytest.fixture(scope="module")
def hidden(model):
    """The jitted forward pass, compiled once for all tests of this shape."""
    definition, params = nnx.split(model)
    forward = jax.jit(lambda params, *inputs: nnx.merge(definition, params)(*inputs[:2], types=inputs[2]).all)
    return lambda ids, mask, types=TYPES: [np.asarray(state) for state in forward(params, ids, mask, types)]


def normalized(x: np.ndarray, norm) -> np.ndarray:
    deviation = np.sqrt(x.var() + CONFIG.eps)
    return (x - x.mean()) / deviation * np.asarray(norm.scale[...]) + np.asarray(norm.bias[...])


def mapped(x: np.ndarray, linear) -> np.ndarray:
    return x @ np.asarray(linear.kernel[...], np.float64) + np.asarray(linear.bias[...])


def plain_states(model: TransformerEncoder, ids, mask, types) -> list[list[np.ndarray]]:
    """One text, token by token and head by head, padding left out instead of masked."""
    count = int(mask.sum())
    tables = [
        np.asarray(table[...], np.float64) for table in (model.token_table, model.position_table, model.type_table)
    ]
    x = [normalized(tables[0][ids[t]] + tables[1][t] + tables[2][types[t]], model.norm) for t in range(count)]
    states = [x]
    head_dim = CONFIG.width // CONFIG.heads
    for block in model.blocks:
        projected = [mapped(row, block.projections) for row in x]
        attended = []
        for t in range(count):
            heads = []
            for head in range(CONFIG.heads):
                query, key, value = (
                    [row[part * CONFIG.width + head * head_dim :][:head_dim] for row in projected] for part in range(3)
                )
                scores = np.array([math.exp(query[t] @ key[s] / math.sqrt(head_dim)) for s in range(count)])
                heads.append(sum(weight * row for weight, row in zip(scores / scores.sum(), value, strict=True)))
            attended.append(mapped(np.concatenate(heads), block.attention_output))
        a = [normalized(x[t] + attended[t], block.attention_norm) for t in range(count)]
        inner = [mapped(row, block.ffn_input) for row in a]
        inner = [np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in row]) for row in inner]
        x = [normalized(a[t] + mapped(inner[t], block.ffn_output), block.ffn_norm) for t in range(count)]
        states.append(x)
    return states


def test_every_hidden_state_is_that_of_the_equations(model, hidden):
    found = hidden(IDS, MASK)
    assert len(found) == CONFIG.layers + 1
    for text in range(2):
        expected = plain_states(model, IDS[text], MASK[text], TYPES[text])
        for state, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(state[text, : len(wanted)], wanted, rtol=0, atol=2e-5)


def test_padding_is_not_read(hidden):
    other = np.where(MASK, IDS, 10)
    for state, same in zip(hidden(IDS, MASK), hidden(other, MASK), strict=True):
        np.testing.assert_array_equal(state[MASK], same[MASK])


def test_a_text_without_a_token_gives_finite_numbers(hidden):
    assert all(np.isfinite(state).all() for state in hidden(IDS, np.zeros_like(MASK)))


def test_a_triangular_mask_hides_what_comes_later(model):
    definition, params = nnx.split(model.blocks[0])
    apply = jax.jit(lambda x, mask: nnx.merge(definition, params)(x, mask))
    x = np.random.default_rng(0).normal(size=(1, 5, CONFIG.width)).astype(np.float32)
    triangle = np.tril(np.ones((1, 5, 5), bool))
    changed = x.copy()
    changed[0, 3] += [1, -1, 0, 0, 0, 0]
    before, after = apply(x, triangle), apply(changed, triangle)
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert not np.allclose(before[0, 4], after[0, 4])


def test_it_trains_with_dropout():
    config = TransformerConfig(11, 6, 1, 2, 10, 8, dropout_rate=0.2)
    definition, params = nnx.split(drawn(config))
    target = np.random.default_rng(3).normal(size=(2, 6)).astype(np.float32)

    @jax.jit
    def loss_and_gradients(params, key):
        def loss(params):
            last = nnx.merge(definition, params)(jnp.asarray(IDS), jnp.asarray(MASK), key=key).last
            return jnp.mean((pool_tokens(last, jnp.asarray(MASK), pooling="mean") - target) ** 2)

        return jax.value_and_grad(loss)(params)

    first, gradients = loss_and_gradients(params, jax.random.key(0))
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients.blocks[0]) if leaf.shape != (18,))
    assert float(loss_and_gradients(params, jax.random.key(1))[0]) != float(first)
    assert float(loss_and_gradients(params, jax.random.key(0))[0]) == float(first)
    for step in range(20):
        _, gradients = loss_and_gradients(params, jax.random.key(step))
        params = jax.tree.map(lambda p, g: np.asarray(p) - 0.1 * np.asarray(g), params, gradients)
    assert float(loss_and_gradients(params, jax.random.key(0))[0]) < 0.8 * float(first)


def test_bfloat16_is_near_float32(model, hidden):
    config = TransformerConfig(11, 6, 2, 2, 10, 8, eps=1e-6, precision="bfloat16")
    definition, _ = nnx.split(nnx.eval_shape(lambda: TransformerEncoder(config, rngs=nnx.Rngs(0))))
    last = jax.jit(
        lambda params: nnx.merge(definition, params)(jnp.asarray(IDS), jnp.asarray(MASK), types=jnp.asarray(TYPES)).last
    )(nnx.split(model)[1])
    assert last.dtype == jnp.bfloat16
    difference = np.abs(np.asarray(last, np.float32) - hidden(IDS, MASK)[-1])[MASK]
    assert 1e-4 < difference.max() < 0.2


def test_sizes_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match="4 heads do not divide the width 6"):
        TransformerConfig(11, 6, 1, 4, 10, 8)
    with pytest.raises(ValueError, match="9 tokens, but 8 positions"):
        model(jnp.zeros((1, 9), int), jnp.ones((1, 9), bool))


def test_poolings_by_hand():
    states = jnp.asarray([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]], [[5.0, 0.0], [6.0, 2.0], [7.0, 7.0]]])
    right = jnp.asarray([[True, True, False], [True, True, True]])
    left = jnp.asarray([[False, True, True], [False, False, True]])
    np.testing.assert_allclose(pool_tokens(states, right, pooling="mean"), [[2, 3], [6, 3]])
    np.testing.assert_allclose(pool_tokens(states, right, pooling="cls"), [[1, 2], [5, 0]])
    np.testing.assert_allclose(pool_tokens(states, right, pooling="last_token"), [[3, 4], [7, 7]])
    np.testing.assert_allclose(pool_tokens(states, left, pooling="last_token"), [[9, 9], [7, 7]])
    np.testing.assert_allclose(unit_length(jnp.asarray([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
