import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance as exact_on_a_line

from recgoat_jax.losses import sliced_wasserstein_distance, wasserstein_distance

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 5)).astype(np.float32)
Y = (RANDOM.normal(size=(48, 5)) * 0.5 + 1.0).astype(np.float32)
distance = jax.jit(wasserstein_distance, static_argnames=("cost", "num_iterations"))


def ground_cost(cost: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    difference = np.abs(x[:, None].astype(np.float64) - y)
    match cost:
        case "l1":
            return difference.sum(-1)
        case "squared":
            return (difference**2).sum(-1)
        case _:
            return np.sqrt((difference**2).sum(-1))


@pytest.mark.parametrize("cost", ["l2", "l1", "squared"])
def test_close_to_the_exact_assignment(cost: str) -> None:
    costs = ground_cost(cost, X, Y)
    exact = costs[linear_sum_assignment(costs)].mean()
    assert float(distance(X, Y, cost=cost)) == pytest.approx(exact, rel=0.02)
    # A large epsilon couples everything with everything.
    assert float(distance(X, Y, cost=cost, epsilon=1e4)) == pytest.approx(costs.mean(), rel=1e-3)


def test_masked_points_do_not_count() -> None:
    keep = np.arange(48) % 3 > 0
    dirty = jnp.where(keep[:, None], X, jnp.nan)
    value, gradient = jax.value_and_grad(distance)(dirty, Y, x_where=jnp.asarray(keep))
    assert float(value) == pytest.approx(float(distance(X[keep], Y)), rel=1e-4)
    assert np.isfinite(gradient).all()
    assert not np.any(np.asarray(gradient)[~keep])


def test_gradient_moves_one_set_to_the_other() -> None:
    # Sets far apart: every unit step towards the other lowers the distance by one, whatever the plan is.
    gradient = jax.jit(jax.grad(wasserstein_distance))(jnp.asarray(X), jnp.asarray(Y) + jnp.array([1e4, 0, 0, 0, 0]))
    np.testing.assert_allclose(gradient[:, 0], -1 / 48, rtol=1e-3)
    np.testing.assert_allclose(gradient[:, 1:], 0.0, atol=1e-4)


@pytest.mark.parametrize("rows", [48, 31])
def test_sliced_is_the_mean_of_exact_distances_on_lines(rows: int) -> None:
    key = jax.random.key(3)
    directions = np.asarray(jax.random.normal(key, (9, 5)))
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    exact = np.mean([exact_on_a_line(X @ line, Y[:rows] @ line) for line in directions])
    value = sliced_wasserstein_distance(jnp.asarray(X), jnp.asarray(Y[:rows]), key=key, num_projections=9)
    assert float(value) == pytest.approx(exact, rel=1e-4)


def test_sliced_distance_of_a_set_to_itself_is_zero_in_any_order() -> None:
    value = sliced_wasserstein_distance(jnp.asarray(X), jnp.asarray(X[::-1]), key=jax.random.key(0), num_projections=9)
    assert float(value) == pytest.approx(0.0, abs=1e-5)


def test_gradient_of_the_sliced_distance_moves_one_set_to_the_other() -> None:
    key = jax.random.key(3)
    apart = jnp.asarray(Y[:31]) + jnp.array([1e4, 0, 0, 0, 0])
    gradient = jax.grad(sliced_wasserstein_distance)(jnp.asarray(X), apart, key=key, num_projections=9)
    directions = np.asarray(jax.random.normal(key, (9, 5)))
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    towards = np.sign(directions[:, :1])  # along each direction the other set lies on one side
    np.testing.assert_allclose(gradient, np.tile(-(towards * directions).mean(0) / 48, (48, 1)), atol=1e-5)


def test_a_set_without_rows_costs_nothing() -> None:
    for rows in ((0, 2), (2, 0), (0, 0)):
        x, y = (jnp.ones((count, 3)) for count in rows)
        value, gradient = jax.value_and_grad(wasserstein_distance)(x, y)
        assert float(value) == 0.0
        assert gradient.shape == x.shape
