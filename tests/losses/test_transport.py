from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.losses import feature_transport, released_transport
from recgoat_jax.losses.axis_costs import absolute_cost, axis_moments, correlation_cost, squared_cost
from recgoat_jax.losses.sinkhorn import entropic_plan

ROWS, DIM = 1100, 6  # more rows than two blocks of the summation, not a multiple of them


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


SOURCE = normal(0, ROWS, DIM).astype(np.float32)
TARGET = (normal(1, ROWS, DIM) + SOURCE[:, [3, 1, 4, 0, 5, 2]] * 0.3).astype(np.float32)
WHERE = np.random.default_rng(2).random(ROWS) < 0.7
transported = jax.jit(feature_transport, static_argnames=("num_iterations", "cost"))
plan_of = jax.jit(entropic_plan, static_argnames="num_iterations")


def sinkhorn(cost: np.ndarray, epsilon: float, iterations: int, *, last: str = "columns") -> np.ndarray:
    """Plain float64 Sinkhorn with uniform marginals."""
    kernel = np.exp(-(cost - cost.min()) / epsilon)
    rows, columns = kernel.shape
    u, v = np.full(rows, 1 / rows), np.full(columns, 1 / columns)
    for _ in range(iterations):
        if last == "columns":
            u = 1 / rows / (kernel @ v)
            v = 1 / columns / (kernel.T @ u)
        else:
            v = 1 / columns / (kernel.T @ u)
            u = 1 / rows / (kernel @ v)
    return u[:, None] * kernel * v


def broadcast_cost(kind: str, source, target, where, xp=np):
    """The definition of each cost, with the array of rows x source x target; numpy in float64, or traced by JAX."""
    rows = np.flatnonzero(where)
    source, target = source[rows], target[rows]
    if kind != "squared":
        source, target = ((x - x.mean(0)) / xp.sqrt(((x - x.mean(0)) ** 2).mean(0)) for x in (source, target))
    pairs = source[:, :, None], target[:, None, :]
    match kind:
        case "correlation":
            return 1 - (pairs[0] * pairs[1]).mean(0)
        case "squared":
            return 100 * ((pairs[0] - pairs[1]) ** 2).mean(0)
        case _:
            return xp.abs(pairs[0] - pairs[1]).mean(0)


def blocked_cost(kind: str, source, target, where):
    moments = axis_moments(source, target, where=where, axis_name=None)
    if kind == "l1":
        return absolute_cost(source, target, moments, where=where, axis_name=None)
    return correlation_cost(moments) if kind == "correlation" else squared_cost(moments)


@pytest.mark.parametrize("kind", ["correlation", "squared", "l1"])
def test_blocked_costs_and_their_gradients_equal_the_definition(kind: str) -> None:
    # Means far from zero, where products of columns that are not centred would cancel.
    source, target = SOURCE + 30.0, 2.0 * TARGET[:, :5] - 10.0
    weights = jnp.asarray(normal(5, DIM, 5), jnp.float32)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def blocked(source, target):
        cost = blocked_cost(kind, source, target, jnp.asarray(WHERE))
        return jnp.sum(cost * weights), cost

    (_, cost), gradients = blocked(jnp.asarray(source), jnp.asarray(target))
    expected = broadcast_cost(kind, source.astype(np.float64), target.astype(np.float64), WHERE)
    np.testing.assert_allclose(cost, expected, rtol=1e-5, atol=1e-5)

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def defined(source, target):
        return jnp.sum(broadcast_cost(kind, source, target, WHERE, jnp) * weights)

    # Costs do not see the means (or see their difference), so the reference may drop them.
    shift = 40.0 if kind == "squared" else 0.0
    for gradient, reference in zip(
        gradients, defined(jnp.asarray(SOURCE + shift), jnp.asarray(target + 10.0)), strict=True
    ):
        np.testing.assert_allclose(gradient, reference, rtol=1e-3, atol=2e-5 * float(jnp.max(jnp.abs(reference))))
        assert not np.any(np.asarray(gradient)[~WHERE])


def test_plan_is_doubly_stochastic_at_the_default_epsilon() -> None:
    result = transported(SOURCE, TARGET)
    np.testing.assert_allclose(jnp.sum(result.plan, axis=0), 1.0, atol=1e-5)
    np.testing.assert_allclose(jnp.sum(result.plan, axis=1), 1.0, atol=1e-3)
    assert float(result.marginal_error) == pytest.approx(
        float(np.max(np.abs(np.sum(result.plan, axis=1) - 1))), abs=1e-6
    )
    assert bool(result.converged)
    assert float(result.cost) == pytest.approx(float(np.sum(result.plan / DIM * result.cost_matrix)), rel=1e-5)
    np.testing.assert_allclose(
        result.cost_matrix, broadcast_cost("correlation", SOURCE, TARGET, WHERE | True), atol=1e-5
    )


def test_default_epsilon_is_two_over_the_root_of_the_valid_rows() -> None:
    where = jnp.asarray(WHERE)
    plain = transported(SOURCE, TARGET, where=where)
    given = transported(SOURCE, TARGET, where=where, epsilon=2 / np.sqrt(WHERE.sum()))
    np.testing.assert_allclose(plain.plan, given.plan, atol=1e-5)
    other = transported(SOURCE, TARGET, where=where, epsilon=2 / np.sqrt(ROWS))
    assert float(jnp.max(jnp.abs(plain.plan - other.plan))) > 1e-3


def test_a_plan_that_has_not_settled_says_so() -> None:
    crowded = TARGET[:, :1] + 0.1 * SOURCE  # all source axes want the first target axis
    result = transported(crowded, TARGET, epsilon=0.01, num_iterations=1)
    np.testing.assert_allclose(jnp.sum(result.plan, axis=0), 1.0, atol=1e-4)
    assert float(result.marginal_error) == pytest.approx(
        float(np.max(np.abs(np.sum(result.plan, axis=1) - 1))), rel=1e-4
    )
    assert float(result.marginal_error) > 1e-2
    assert not bool(result.converged)


@pytest.mark.parametrize("iterations", [3, 100])
def test_plan_equals_float64_sinkhorn_that_ends_on_the_columns(iterations: int) -> None:
    cost = np.random.default_rng(3).uniform(size=(5, 7))
    plan = np.asarray(plan_of(jnp.asarray(cost, jnp.float32), epsilon=0.05, num_iterations=iterations))
    np.testing.assert_allclose(plan, sinkhorn(cost, 0.05, iterations), atol=1e-6)
    if iterations == 3:
        assert np.max(np.abs(plan - sinkhorn(cost, 0.05, iterations, last="rows"))) > 1e-4


def test_plan_does_not_see_constants_added_to_rows_and_columns() -> None:
    cost = np.random.default_rng(4).uniform(size=(5, 7))
    shifted = cost + normal(5, 5, 1) + normal(6, 1, 7)
    plans = [plan_of(jnp.asarray(c, jnp.float32), epsilon=0.1, num_iterations=100) for c in (cost, shifted)]
    np.testing.assert_allclose(plans[0], plans[1], atol=1e-6)


def test_a_planted_permutation_of_columns_is_found_under_noise() -> None:
    order = np.random.default_rng(7).permutation(DIM)
    noisy = SOURCE[:, order] + normal(8, ROWS, DIM).astype(np.float32)  # as much noise as signal
    plan = np.asarray(transported(SOURCE, noisy).plan)
    np.testing.assert_array_equal(np.argmax(plan, axis=0), order)
    assert plan[order, np.arange(DIM)].min() > 0.9


def test_rectangular_plans_average_source_axes() -> None:
    plan = np.asarray(transported(SOURCE, TARGET[:, :3]).plan)
    np.testing.assert_allclose(plan.sum(axis=0), 1.0, atol=1e-5)
    np.testing.assert_allclose(plan.sum(axis=1), 0.5, atol=1e-3)


@pytest.mark.parametrize("kind", ["correlation", "l1"])
def test_constant_columns_are_harmless(kind: str) -> None:
    source = jnp.asarray(SOURCE).at[:, 0].set(1000.1).at[:, 1].set(0.0)
    target = jnp.asarray(TARGET).at[:, 2].set(-0.3)

    @jax.jit
    def solved(source, target):
        result = feature_transport(source, target, cost=kind)
        return result.cost, result.cost_matrix

    (_, cost_matrix), gradients = jax.value_and_grad(solved, argnums=(0, 1), has_aux=True)(source, target)
    assert np.isfinite(cost_matrix).all()
    if kind == "correlation":
        np.testing.assert_array_equal(cost_matrix[:2], 1.0)
        np.testing.assert_array_equal(cost_matrix[:, 2], 1.0)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        assert float(jnp.max(jnp.abs(gradient))) < 1.0


def test_gradient_of_the_cost_is_that_of_the_regularised_optimum() -> None:
    source, target, epsilon = jnp.asarray(SOURCE[:40]), jnp.asarray(TARGET[:40]), 0.3
    direction = jnp.asarray(normal(9, 40, DIM), jnp.float32)

    @jax.jit
    def optimum(step):
        result = feature_transport(source + step * direction, target, epsilon=epsilon)
        mass = result.plan / DIM
        return result.cost + epsilon * jnp.sum(mass * jnp.log(mass)), result.cost

    step = 0.02
    (up, up_cost), (down, down_cost) = optimum(step), optimum(-step)
    gradient = jax.jit(jax.grad(lambda x: feature_transport(x, target, epsilon=epsilon).cost))(source)
    along = float(jnp.sum(gradient * direction))
    assert along == pytest.approx(float(up - down) / (2 * step), rel=1e-2)
    # The transport cost with a plan that moves along is another objective, with another slope.
    assert along != pytest.approx(float(up_cost - down_cost) / (2 * step), rel=0.2)


def test_plan_carries_no_gradient() -> None:
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(feature_transport(x, jnp.asarray(TARGET)).plan ** 2)))(
        jnp.asarray(SOURCE)
    )
    assert not np.any(gradient)


def test_memory_does_not_grow_with_rows_times_axes() -> None:
    rows, dim = 4096, 128
    shape = jax.ShapeDtypeStruct((rows, dim), jnp.float32)
    lowered = jax.jit(lambda x, y, w: feature_transport(x, y, where=w)).lower(
        shape, shape, jax.ShapeDtypeStruct((rows,), jnp.bool_)
    )
    temporaries = lowered.compile().memory_analysis().temp_size_in_bytes
    assert temporaries < 4 * rows * dim, "as large as a copy of one input"


def released_by_loop(source: np.ndarray, target: np.ndarray, iterations: int) -> np.ndarray:
    """The published iteration in float64, cost by broadcasting."""
    cost = broadcast_cost("squared", source.astype(np.float64), target.astype(np.float64), np.ones(len(source), bool))
    kernel = np.exp(-cost / 0.01)
    share = 1 / len(cost)
    u, v = np.full(len(cost), share), np.full(len(cost), share)
    for _ in range(iterations):
        u = share / (kernel @ v + 1e-8)
        v = share / (kernel.T @ u + 1e-8)
    return u[:, None] * kernel * v


def test_released_plan_is_exactly_zero_on_vectors_of_deviation_a_tenth() -> None:
    source, target = (0.1 * normal(seed, 7050, 8).astype(np.float32) for seed in (10, 11))
    plan = released_transport(jnp.asarray(source), jnp.asarray(target))
    assert plan.dtype == jnp.float32
    assert not np.any(plan)


@pytest.mark.parametrize(("deviation", "mass"), [(0.02, 1.0), (0.045, 0.3)])
def test_released_plan_equals_the_published_iteration(deviation: float, mass: float) -> None:
    source, target = (np.float32(deviation) * normal(seed, ROWS, 8).astype(np.float32) for seed in (10, 11))
    plan = np.asarray(released_transport(jnp.asarray(source), jnp.asarray(target)))
    expected = released_by_loop(source, target, 100)
    np.testing.assert_allclose(plan, expected, rtol=2e-3, atol=1e-7)
    assert plan.sum() == pytest.approx(expected.sum(), rel=1e-3)
    if mass == 1.0:
        assert plan.sum() == pytest.approx(1.0, abs=1e-4)  # mass 1, not d
    else:
        assert plan.sum() < 0.9  # partly dead, as published


def test_released_plan_ends_on_the_columns() -> None:
    source, target = (np.float32(0.03) * normal(seed, ROWS, 8).astype(np.float32) for seed in (10, 11))
    plan = np.asarray(released_transport(jnp.asarray(source), jnp.asarray(target), num_iterations=1))
    np.testing.assert_allclose(plan, released_by_loop(source, target, 1), rtol=2e-3, atol=1e-7)
    assert np.abs(plan.sum(axis=0) - 1 / 8).max() < 1e-4
    assert np.abs(plan.sum(axis=1) - 1 / 8).max() > 1e-3


def test_released_plan_carries_no_gradient() -> None:
    small = jnp.asarray(0.02 * SOURCE)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(released_transport(x, small) ** 2)))(0.9 * small)
    assert not np.any(gradient)
