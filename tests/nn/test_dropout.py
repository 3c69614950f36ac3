import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.nn.dropout import dropout, keep_mask, keep_mask_of_rows, keep_probability


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_frequency_and_independence(rate):
    mask = np.asarray(keep_mask(jax.random.key(0), (400, 500), rate=rate))
    deviation = np.sqrt(rate * (1 - rate) / mask.size)
    assert mask.mean() == pytest.approx(1 - rate, abs=4 * deviation)
    # Neighbours share a random word, and distant elements may share a counter: neither shows.
    flat = mask.ravel() - mask.mean()
    for lag in (1, 2, 500, 100_000):
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < 4 * rate * (1 - rate) / np.sqrt(mask.size - lag)


def test_keys_decide():
    masks = [np.asarray(keep_mask(jax.random.key(seed), (2000,), rate=0.5)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert 0.4 < np.mean(masks[0] == masks[2]) < 0.6


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 1), (0, 4)])
def test_any_shape(shape):
    assert keep_mask(jax.random.key(0), shape, rate=0.3).shape == shape


def test_expectation_is_kept():
    x = jnp.full((300, 300), 2.0)
    result = dropout(x, jax.random.key(1), rate=0.1)
    assert np.mean(result) == pytest.approx(2.0, abs=0.02)
    assert np.unique(result).tolist() == pytest.approx([0.0, 2 / keep_probability(0.1)])
    assert keep_probability(0.1) == pytest.approx(0.9, abs=2**-17)
    gradient = jax.grad(lambda x: jnp.sum(dropout(x, jax.random.key(1), rate=0.1)))(x)
    np.testing.assert_allclose(gradient, result / 2, rtol=1e-6)


def test_off():
    x = jnp.arange(4.0)
    assert dropout(x, None, rate=0.5) is x
    assert dropout(x, jax.random.key(0), rate=0.0) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_outside_the_range(rate):
    with pytest.raises(ValueError, match="probability in"):
        dropout(jnp.ones(3), jax.random.key(0), rate=rate)


def test_type_is_kept():
    assert dropout(jnp.ones(8, jnp.bfloat16), jax.random.key(0), rate=0.5).dtype == jnp.bfloat16


@pytest.mark.parametrize(("total", "width"), [(7, 6), (10, 5), (1, 1), (13, 3), (64, 8), (3, 1)])
def test_some_rows_draw_what_they_draw_among_all(total, width):
    key = jax.random.key(3)
    numbers = np.array([total - 1, 0, total // 2], np.int32)
    whole = np.asarray(keep_mask(key, (total, width), rate=0.4))
    for count in (total, jnp.uint32(total)):
        some = keep_mask_of_rows(key, jnp.asarray(np.append(numbers, -1)), count, width=width, rate=0.4)
        np.testing.assert_array_equal(np.asarray(some)[:3], whole[numbers])
