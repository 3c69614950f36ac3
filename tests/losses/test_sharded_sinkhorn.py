"""Plans on one device against float64; over devices they are compared in tests/multidevice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.losses.sharded_sinkhorn import spread_plan

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(40, 3)), 0.5 * RANDOM.normal(size=(24, 3)) + 1.0
COST = np.linalg.norm(X[:, None] - Y, axis=-1).astype(np.float32)
X_WEIGHTS, Y_WEIGHTS = (np.where(RANDOM.random(n) < 0.8, RANDOM.random(n), 0.0) for n in COST.shape)
X_WEIGHTS, Y_WEIGHTS = (w.astype(np.float32) / w.sum() for w in (X_WEIGHTS, Y_WEIGHTS))


@jax.jit
def plan_of(cost, epsilon, x_weights, y_weights):
    return spread_plan(
        cost, epsilon=epsilon, num_iterations=100, x_weights=x_weights, y_weights=y_weights, axis_name=None
    )


def in_double(cost: np.ndarray, epsilon: float, x_weights: np.ndarray, y_weights: np.ndarray) -> np.ndarray:
    """A hundred iterations of plain Sinkhorn, columns last, without the points of weight 0."""
    cost, a, b = cost[np.ix_(x_weights > 0, y_weights > 0)], x_weights[x_weights > 0], y_weights[y_weights > 0]
    kernel, v = np.exp(-cost.astype(np.float64) / epsilon), np.ones(len(b))
    for _ in range(100):
        u = a / (kernel @ v)
        v = b / (kernel.T @ u)
    plan = np.zeros((len(x_weights), len(y_weights)))
    plan[np.ix_(x_weights > 0, y_weights > 0)] = u[:, None] * kernel * v
    return plan


@pytest.mark.parametrize("epsilon", [0.01, 1.0])
def test_a_plan_of_small_epsilon_has_the_digits_of_float32(epsilon: float) -> None:
    plan = plan_of(COST, jnp.float32(epsilon), X_WEIGHTS, Y_WEIGHTS)
    expected = in_double(COST, epsilon, X_WEIGHTS, Y_WEIGHTS)
    # Potentials of one float32 each are off by more than 5e-6.
    np.testing.assert_allclose(plan, expected, rtol=0, atol=1e-6 * expected.max())
    np.testing.assert_allclose(np.sum(plan, axis=0), Y_WEIGHTS, rtol=2e-6)


def test_nothing_goes_to_or_from_an_empty_set() -> None:
    for weights in ((0 * X_WEIGHTS, Y_WEIGHTS), (X_WEIGHTS, 0 * Y_WEIGHTS)):
        assert not np.any(plan_of(COST, jnp.float32(0.01), *weights))


def test_no_iterations_are_refused() -> None:
    weights = {"x_weights": jnp.asarray(X_WEIGHTS), "y_weights": jnp.asarray(Y_WEIGHTS)}
    with pytest.raises(ValueError, match="num_iterations must be at least 1, got 0"):
        spread_plan(jnp.asarray(COST), epsilon=1.0, num_iterations=0, **weights, axis_name=None)
