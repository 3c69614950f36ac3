"""Wasserstein-1 distances between two sets of vectors, entropic and sliced.

>>> import jax, jax.numpy as jnp
>>> from recgoat_jax.losses import sliced_wasserstein_distance, wasserstein_distance
>>> text = jax.random.normal(jax.random.key(0), (64, 3))
>>> image = text[::-1] + jnp.array([2.0, 0.0, 0.0])  # the same set of points, moved by 2
>>> print(f"{wasserstein_distance(text, image):.1f}")
2.0
>>> print(f"{sliced_wasserstein_distance(text, image, key=jax.random.key(1), num_projections=2000):.1f}")
1.0
"""

from functools import partial
from typing import Literal, assert_never

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from recgoat_jax.losses.axis_costs import sum_over_rows
from recgoat_jax.losses.in_batch import unit_rows
from recgoat_jax.losses.reduction import (
    AxisName,
    Scalar,
    check_axis,
    gathered,
    summed_over_devices,
    valid_count,
    valid_rows,
)
from recgoat_jax.losses.sharded_sinkhorn import spread_plan

PointCost = Literal["l2", "l1", "squared"]
"""``"l2"``: Euclidean distance (the W1 of RecGOAT's theorems). ``"l1"``: sum of absolute differences.
``"squared"``: squared Euclidean distance, whose optimum is the square of W2."""

_RELATIVE_EPSILON = 0.01


def wasserstein_distance(
    x: Float[Array, "x_rows dim"],
    y: Float[Array, "y_rows dim"],
    *,
    epsilon: Scalar | None = None,
    num_iterations: int = 200,
    cost: PointCost = "l2",
    x_where: Bool[Array, " x_rows"] | None = None,
    y_where: Bool[Array, " y_rows"] | None = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Transport cost between two sets of item vectors under an entropic plan.

    .. math:: \langle T, C \rangle, \quad C_{ij} = \lVert x_i - y_j \rVert, \quad
       T = \arg\min_{T 1 = a,\; T^\top 1 = b} \langle T, C \rangle - \varepsilon H(T)

    with uniform weights a and b (Cuturi 2013). With settled marginals it lies above the exact distance by at most
    ``epsilon * log(min(n, m))``, and it is not 0 for equal sets. The plan is held fixed in the gradient, which by the
    envelope theorem is the gradient of the regularised optimum. C and T take memory of ``x_rows x y_rows`` (4 MB each
    for 1000 items a side), so draw a sample of a large catalogue.

    With ``axis_name`` a device holds the rows of C and T that belong to its rows of x, and a copy of y: each iteration
    exchanges two numbers a row of y. One device runs the same iterations (`spread_plan`; not those of ott-jax, which
    solve `feature_transport`: their float32 potentials leave an error of 1e-5 in a plan of small epsilon).

    Args:
        x: ``x_rows x dim``, for example unified vectors.
        y: ``y_rows x dim``, for example vectors of one modality; rows need not correspond.
        epsilon: regularisation in units of the cost; None: 0.01 times the mean cost.
        num_iterations: Sinkhorn iterations; a smaller epsilon needs more.
        cost: ground cost.
        x_where: rows of x that are real; None: all.
        y_where: rows of y that are real; None: all.
        axis_name: mapped axis over which the rows of both are spread.

    Returns:
        Scalar in units of the cost; 0 where either set is empty.

    Raises:
        ValueError: widths that differ, no iterations, an epsilon that is not positive, or an axis that is not mapped.

    Example:
        >>> import jax.numpy as jnp
        >>> print(f"{wasserstein_distance(jnp.zeros((3, 2)), jnp.array([[3.0, 4.0]])):.2f}")
        5.00
    """
    _check(x, y, axis_name)
    if isinstance(epsilon, int | float) and not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    if 0 in (len(x), len(y)):
        return jnp.zeros((), jnp.promote_types(jnp.promote_types(x.dtype, y.dtype), jnp.float32))
    return _wasserstein_distance(
        x, y, epsilon, x_where, y_where, num_iterations=num_iterations, cost=cost, axis_name=axis_name
    )


def sliced_wasserstein_distance(
    x: Float[Array, "x_rows dim"],
    y: Float[Array, "y_rows dim"],
    *,
    key: Key[Array, ""],
    num_projections: int = 128,
    x_where: Bool[Array, " x_rows"] | None = None,
    y_where: Bool[Array, " y_rows"] | None = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Mean over random directions of the exact one-dimensional W1 (Rabin et al. 2011; Bonneel et al. 2015).

    .. math:: \frac{1}{L} \sum_{l=1}^{L} \int \left| F_{\theta_l^\top x}(t) - F_{\theta_l^\top y}(t) \right| \, dt,
       \qquad \theta_l \text{ uniform on the unit sphere}

    It costs a sort a direction, needs no plan, is 0 for equal sets and never above W1. Sets may differ in size.

    With ``axis_name`` every device receives all rows of both and does all of the work: a sort needs all points of its
    line, and memory of ``num_projections x (x_rows + y_rows)`` for all rows is small beside that of a plan.

    Args:
        x: ``x_rows x dim``.
        y: ``y_rows x dim``.
        key: draws the directions; on all devices the same.
        num_projections: L.
        x_where: rows of x that are real; None: all.
        y_where: rows of y that are real; None: all.
        axis_name: mapped axis over which the rows of both are spread.

    Returns:
        Scalar in units of the vectors; 0 where either set is empty.

    Raises:
        ValueError: widths that differ, no projection, or an axis that is not mapped.

    Example:
        In one dimension every direction is the axis itself:

        >>> import jax, jax.numpy as jnp
        >>> x, y = jnp.array([[0.0], [1.0]]), jnp.array([[0.0], [3.0], [0.0], [3.0]])
        >>> print(sliced_wasserstein_distance(x, y, key=jax.random.key(0), num_projections=1))
        1.0
    """
    _check(x, y, axis_name)
    if num_projections < 1:
        raise ValueError(f"num_projections must be at least 1, got {num_projections}")
    return _sliced_distance(x, y, key, x_where, y_where, num_projections=num_projections, axis_name=axis_name)


@partial(jax.jit, static_argnames=("num_iterations", "cost", "axis_name"))
def _wasserstein_distance(
    x: Float[Array, "x_rows dim"],
    y: Float[Array, "y_rows dim"],
    epsilon: Scalar | None,
    x_where: Bool[Array, " x_rows"] | None,
    y_where: Bool[Array, " y_rows"] | None,
    *,
    num_iterations: int,
    cost: PointCost,
    axis_name: AxisName | None,
) -> Float[Array, ""]:
    """`wasserstein_distance` of checked arguments; compiled here, so that calls outside a trace compile once."""
    x, x_weights = _points(x, x_where, axis_name)
    y, y_weights = _points(y, y_where, axis_name)
    y, y_weights = gathered(y, axis_name), gathered(y_weights, axis_name)
    cost_matrix = _pairwise(x, y, cost)
    if epsilon is None:
        paired = x_weights[:, None] * y_weights * jax.lax.stop_gradient(cost_matrix)
        mean_cost = summed_over_devices(jnp.sum(paired), axis_name)
        # Coinciding points have no scale; any positive value does for them.
        epsilon = jnp.where(mean_cost > 0, _RELATIVE_EPSILON * mean_cost, 1.0)
    plan = spread_plan(
        cost_matrix,
        epsilon=epsilon,
        num_iterations=num_iterations,
        x_weights=x_weights,
        y_weights=y_weights,
        axis_name=axis_name,
    )
    return summed_over_devices(jnp.sum(plan * cost_matrix), axis_name)


@partial(jax.jit, static_argnames=("num_projections", "axis_name"))
def _sliced_distance(
    x: Float[Array, "x_rows dim"],
    y: Float[Array, "y_rows dim"],
    key: Key[Array, ""],
    x_where: Bool[Array, " x_rows"] | None,
    y_where: Bool[Array, " y_rows"] | None,
    *,
    num_projections: int,
    axis_name: AxisName | None,
) -> Float[Array, ""]:
    """`sliced_wasserstein_distance` of checked arguments."""
    x, x_weights = _points(x, x_where, axis_name)
    y, y_weights = _points(y, y_where, axis_name)
    x, x_weights, y, y_weights = (_replicated(rows, axis_name) for rows in (x, x_weights, y, y_weights))
    directions = unit_rows(jax.random.normal(key, (num_projections, x.shape[1]), x.dtype))
    points = jnp.concatenate([x, y])
    projected = jnp.matmul(directions, points.T, precision=jax.lax.Precision.HIGHEST)
    order = jnp.argsort(projected, axis=1)
    # The difference of the two distribution functions right of each point; it is constant up to the next one.
    steps = jnp.concatenate([x_weights, -y_weights])
    difference = jnp.abs(jnp.cumsum(steps[order], axis=1)[:, :-1])
    gaps = jnp.diff(jnp.take_along_axis(projected, order, axis=1), axis=1)
    both = (jnp.sum(x_weights) > 0) & (jnp.sum(y_weights) > 0)
    return jnp.where(both, jnp.mean(jnp.sum(difference * gaps, axis=1)), 0.0)


def _points(
    x: Float[Array, "rows dim"], where: Bool[Array, " rows"] | None, axis_name: AxisName | None
) -> tuple[Float[Array, "rows dim"], Float[Array, " rows"]]:
    """Rows of this device and their weights, uniform over the valid rows of all devices (0 where there is none)."""
    weights = jnp.ones(x.shape[0]) if where is None else where.astype(jnp.float32)
    return valid_rows(x, where), weights / jnp.maximum(valid_count(x.shape[0], where, axis_name), 1.0)


def _replicated(x: Float[Array, "rows ..."], axis_name: AxisName | None) -> Float[Array, "all_rows ..."]:
    """The rows of all devices as a sum of blocks, which the type system knows to be equal everywhere.

    What follows is computed alike on every device, so the gradient of the result is not counted once a device.
    """
    if axis_name is None:
        return x
    first = jax.lax.axis_index(axis_name) * x.shape[0]
    empty = jnp.zeros((x.shape[0] * jax.lax.psum(1, axis_name), *x.shape[1:]), x.dtype)
    return jax.lax.psum(jax.lax.dynamic_update_slice_in_dim(empty, x, first, axis=0), axis_name)


def _pairwise(
    x: Float[Array, "x_rows dim"], y: Float[Array, "y_rows dim"], cost: PointCost
) -> Float[Array, "x_rows y_rows"]:
    """Ground cost of every pair, summed over one dimension after the other: exact differences, no cancellation."""
    if cost == "l1":
        return sum_over_rows(lambda a, b: jnp.abs(a[:, None] - b), x.T, y.T, where=None)
    squares = sum_over_rows(lambda a, b: jnp.square(a[:, None] - b), x.T, y.T, where=None)
    match cost:
        case "squared":
            return squares
        case "l2":
            apart = squares > 0
            return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1.0)), 0.0)
        case _:
            assert_never(cost)


def _check(x: Float[Array, "x_rows dim"], y: Float[Array, "y_rows dim"], axis_name: AxisName | None) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must be matrices of one width, got {x.shape} and {y.shape}")
    check_axis(axis_name)


__all__ = ["PointCost", "sliced_wasserstein_distance", "wasserstein_distance"]
