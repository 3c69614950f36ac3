"""What every loss promises: the same under jit and vmap, masks that cut off, finite gradients, float32 arithmetic."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from recgoat_jax.losses import info_nce
from tests.losses.table import example_arrays, named_losses

LOSSES = named_losses()
MASKED = [name for name in LOSSES if name != "info_nce"]
# A plan is held fixed in its gradient, and sorting has kinks; tests of their own say what those gradients are.
SMOOTH = [name for name in LOSSES if "transport" not in name and "wasserstein" not in name]
VECTORS, OTHERS = example_arrays()
STACKED = tuple(VECTORS.values())


@cache
def compiled(name: str):
    """Value and gradients of a stack of batches: one compilation a loss serves all tests."""

    def one(vectors: tuple[Array, Array, Array], others: dict[str, Array]):
        return jax.value_and_grad(lambda v: LOSSES[name](*v, others))(vectors)

    return jax.jit(jax.vmap(one))


def evaluated(name: str, vectors: tuple[Array, ...], others: dict[str, Array]):
    """Value and gradients of one batch: the second of a stack whose first is another batch."""
    batches = jax.tree.map(lambda x, y: jnp.stack([x, y]), (STACKED, OTHERS), (vectors, others))
    value, gradients = compiled(name)(*batches)
    return float(value[1]), [np.asarray(gradient[1]) for gradient in gradients]


@pytest.mark.parametrize("name", LOSSES)
def test_compiled_and_batched_equals_eager(name: str) -> None:
    reordered = tuple(x[::-1] for x in STACKED)
    value, _ = evaluated(name, reordered, OTHERS)
    assert value == pytest.approx(float(LOSSES[name](*reordered, OTHERS)), rel=2e-5)


@pytest.mark.parametrize("name", MASKED)
def test_padding_changes_neither_value_nor_gradient(name: str) -> None:
    value, gradients = evaluated(name, STACKED, OTHERS)
    padding = ~OTHERS["where"]
    assert int(jnp.sum(padding)) > 4
    for garbage in (1e30, jnp.nan):
        dirty = tuple(jnp.where(padding[:, None], garbage, x) for x in STACKED)
        dirty_others = OTHERS | {
            "log_probabilities": jnp.where(padding, garbage, OTHERS["log_probabilities"]),
            "ids": jnp.where(padding, OTHERS["ids"][0], OTHERS["ids"]),
        }
        dirty_value, dirty_gradients = evaluated(name, dirty, dirty_others)
        assert dirty_value == pytest.approx(value, rel=1e-6)
        for gradient, dirty_gradient in zip(gradients, dirty_gradients, strict=True):
            assert not np.any(dirty_gradient[padding])
            np.testing.assert_allclose(dirty_gradient, gradient, atol=1e-7)


@pytest.mark.parametrize("name", MASKED)
def test_a_batch_of_padding_is_zero_and_moves_nothing(name: str) -> None:
    nothing = jnp.zeros_like(OTHERS["where"])
    value, gradients = evaluated(name, STACKED, OTHERS | {"where": nothing, "partly": nothing})
    assert value == 0.0
    assert not any(np.any(gradient) for gradient in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_at_zero_and_far_away(name: str) -> None:
    for vectors in (tuple(jnp.zeros_like(x) for x in STACKED), tuple(1e4 * x for x in STACKED)):
        value, gradients = evaluated(name, vectors, OTHERS)
        assert np.isfinite(value)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    _, gradients = evaluated(name, STACKED, OTHERS)
    direction = tuple(jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype) for x in STACKED)
    step = 1e-2
    ends = [
        evaluated(name, tuple(x + s * d for x, d in zip(STACKED, direction, strict=True)), OTHERS)[0]
        for s in (step, -step)
    ]
    along = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(along, rel=5e-3, abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_is_computed_in_float32(name: str) -> None:
    narrow = tuple(x.astype(jnp.bfloat16) for x in STACKED)
    value = LOSSES[name](*narrow, OTHERS)
    assert value.dtype == jnp.float32
    expected, _ = evaluated(name, tuple(x.astype(jnp.float32) for x in narrow), OTHERS)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_float32_beside_float64_has_a_gradient() -> None:
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(x), jnp.float64) for x in STACKED[:2]]
        expected = jax.grad(lambda x, y: info_nce(x, y, temperature=0.5), argnums=(0, 1))(*wide)
        mixed = (wide[0], wide[1].astype(jnp.float32))
        found = jax.grad(lambda x, y: info_nce(x, y, temperature=0.5), argnums=(0, 1))(*mixed)
    assert [x.dtype for x in found] == [jnp.float64, jnp.float32]
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-6)
