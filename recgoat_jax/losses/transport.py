"""Optimal transport between the feature axes of two representations of the same items.

An axis is a point with one coordinate an item. The plan says which axes of a modality go with which axes of the ID
vectors; ``source @ plan`` puts the modality on the ID axes (RecGOAT, arXiv 2602.00682, optimal adaptive transport).

    >>> import jax, jax.numpy as jnp
    >>> from recgoat_jax.losses import feature_transport
    >>> identity = jax.random.normal(jax.random.key(0), (500, 4))
    >>> shuffled = identity[:, jnp.array([2, 0, 3, 1])]
    >>> aligned = feature_transport(shuffled, identity)
    >>> print(jnp.argmax(aligned.plan, axis=1), aligned.converged)
    [2 0 3 1] True
"""

from functools import partial
from typing import Literal, NamedTuple, assert_never

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from recgoat_jax.losses.axis_costs import absolute_cost, axis_moments, correlation_cost, squared_cost
from recgoat_jax.losses.reduction import AxisName, Scalar, check_axis, valid_count
from recgoat_jax.losses.sinkhorn import entropic_plan

AxisCost = Literal["correlation", "squared", "l1"]
"""``"correlation"``: 1 - corr. ``"squared"``: 100 times the mean squared difference of the columns as they are.
``"l1"``: mean absolute difference of z-scored columns."""

_CONVERGED = 1e-3


class FeatureTransport(NamedTuple):
    """A plan between feature axes.

    Attributes:
        plan: P, ``source x target``, a constant to the gradient. Columns sum to 1, so every target axis is a weighted
            mean of source axes; rows sum to target / source (1 for equal widths) up to ``marginal_error``.
        cost_matrix: C, ``source x target``.
        cost: <P / target, C>, the transport cost; its gradient flows through C alone.
        marginal_error: largest deviation of a row sum from what it should be, relative to it.
        converged: whether ``marginal_error`` is below 1e-3.
    """

    plan: Float[Array, "source target"]
    cost_matrix: Float[Array, "source target"]
    cost: Float[Array, ""]
    marginal_error: Float[Array, ""]
    converged: Bool[Array, ""]


def feature_transport(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    *,
    epsilon: Scalar | None = None,
    num_iterations: int = 100,
    cost: AxisCost = "correlation",
    where: Bool[Array, " rows"] | None = None,
    axis_name: AxisName | None = None,
) -> FeatureTransport:
    r"""Entropic transport from the axes of ``source`` to those of ``target``, scaled to be doubly stochastic.

    .. math:: T = \arg\min_{T 1 = 1/d_s,\; T^\top 1 = 1/d_t} \langle T, C \rangle - \varepsilon H(T),
       \qquad P = d_t T, \qquad C_{jk} = 1 - \mathrm{corr}(x_j, y_k)

    solved by Sinkhorn iterations in the log domain (Cuturi 2013; ott-jax), the columns last. Adding a constant to a
    row or a column of C leaves P as it is. Memory beside the input is a few ``source x target`` arrays; the gradient
    of the cost is as large as the input.

    Which objective ``cost`` is: <stop_gradient(T), C>. By the envelope theorem its gradient is that of the
    regularised optimum ``min_T <T, C> - epsilon H(T)``, not the gradient of <T(C), C>, in which T would move too.

    Args:
        source: ``rows x source``, for example the text vectors of the items.
        target: ``rows x target``, for example their ID vectors; row i is the same item.
        epsilon: regularisation, in units of the cost; None: 2 / sqrt(valid rows), twice the noise of a correlation.
            (The costs other than the correlation have other units: for ``"squared"`` give one.)
        num_iterations: Sinkhorn iterations; sharp plans need several hundred for the rows to settle.
        cost: which C. A constant column has correlation 0 with everything.
        where: rows that are real; None: all.
        axis_name: mapped axis over which the rows are spread; every device then returns the plan of all rows.

    Returns:
        See `FeatureTransport`. Without any valid row C is flat, P uniform and the cost 0.

    Raises:
        ValueError: row counts that differ, no row, no iterations, an epsilon that is not positive, or an axis that is
            not mapped.

    Example:
        The plan of a rectangular problem has unit columns, so ``x @ plan`` averages axes of x:

        >>> import jax, jax.numpy as jnp
        >>> x, y = jax.random.normal(jax.random.key(0), (2, 400, 6))
        >>> result = feature_transport(x, y[:, :3])
        >>> print(result.plan.shape, jnp.round(jnp.sum(result.plan, axis=0), 4))
        (6, 3) [1. 1. 1.]
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[0] != target.shape[0] or source.shape[0] == 0:
        raise ValueError(f"source and target must be matrices with the same rows, got {source.shape}, {target.shape}")
    if isinstance(epsilon, int | float) and not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    check_axis(axis_name)
    return _feature_transport(
        source, target, epsilon, where, num_iterations=num_iterations, cost=cost, axis_name=axis_name
    )


def released_transport(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    *,
    epsilon: float = 0.01,
    num_iterations: int = 100,
    where: Bool[Array, " rows"] | None = None,
    axis_name: AxisName | None = None,
) -> Float[Array, "source target"]:
    r"""The transport plan of RecGOAT's published program, flaws included; for reproducing it, not for use.

    .. math:: K = e^{-C/\varepsilon}, \quad u \leftarrow \frac{1/d}{K v + 10^{-8}}, \quad
       v \leftarrow \frac{1/d}{K^\top u + 10^{-8}}, \quad T = \mathrm{diag}(u) K \mathrm{diag}(v),
       \qquad C_{jk} = 100 \, \mathrm{mean}_i (x_{ij} - y_{ik})^2

    It runs outside the log domain. K underflows once C / epsilon passes about 104 in float32, and the constant in the
    denominators takes over above about 37: for vectors drawn from N(0, 0.1^2) the plan is exactly zero.

    Args:
        source: ``rows x source``.
        target: ``rows x target``.
        epsilon: the program's regularisation.
        num_iterations: iterations; rows first, columns last.
        where: valid rows; None: all.
        axis_name: mapped axis over which the rows are spread.

    Returns:
        T, ``source x target``, of total mass 1 where it works (not scaled by d); a constant to the gradient.

    Raises:
        ValueError: row counts that differ, or an axis that is not mapped.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> x, y = 0.1 * jax.random.normal(jax.random.key(0), (2, 500, 8))
        >>> print(jnp.sum(released_transport(x, y)), jnp.round(jnp.sum(released_transport(x / 10, y / 10)), 3))
        0.0 1.0
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[0] != target.shape[0]:
        raise ValueError(f"source and target must be matrices with the same rows, got {source.shape}, {target.shape}")
    check_axis(axis_name)
    return _released_transport(source, target, epsilon, where, num_iterations=num_iterations, axis_name=axis_name)


@partial(jax.jit, static_argnames=("num_iterations", "cost", "axis_name"))
def _feature_transport(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    epsilon: Scalar | None,
    where: Bool[Array, " rows"] | None,
    *,
    num_iterations: int,
    cost: AxisCost,
    axis_name: AxisName | None,
) -> FeatureTransport:
    """`feature_transport` of checked arguments; compiled here, so that calls outside a trace compile once a shape."""
    moments = axis_moments(source, target, where=where, axis_name=axis_name)
    match cost:
        case "correlation":
            cost_matrix = correlation_cost(moments)
        case "squared":
            cost_matrix = squared_cost(moments)
        case "l1":
            cost_matrix = absolute_cost(source, target, moments, where=where, axis_name=axis_name)
        case _:
            assert_never(cost)
    count = valid_count(source.shape[0], where, axis_name)
    epsilon = 2.0 * jax.lax.rsqrt(jnp.maximum(count, 1.0)) if epsilon is None else epsilon
    transported = entropic_plan(cost_matrix, epsilon=epsilon, num_iterations=num_iterations)
    num_sources, num_targets = cost_matrix.shape
    row_sums = jnp.sum(transported, axis=1) * num_sources
    marginal_error = jnp.max(jnp.abs(row_sums - 1.0))
    return FeatureTransport(
        plan=num_targets * transported,
        cost_matrix=cost_matrix,
        cost=jnp.where(count > 0, jnp.sum(transported * cost_matrix), 0.0),
        marginal_error=marginal_error,
        converged=marginal_error < _CONVERGED,
    )


@partial(jax.jit, static_argnames=("num_iterations", "axis_name"))
def _released_transport(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    epsilon: Scalar,
    where: Bool[Array, " rows"] | None,
    *,
    num_iterations: int,
    axis_name: AxisName | None,
) -> Float[Array, "source target"]:
    """`released_transport` of checked arguments."""
    cost_matrix = jax.lax.stop_gradient(squared_cost(axis_moments(source, target, where=where, axis_name=axis_name)))
    num_sources, num_targets = cost_matrix.shape
    kernel = jnp.exp(-cost_matrix / epsilon)

    def update(_, scalings):
        column = scalings[1]
        row = (1.0 / num_sources) / (kernel @ column + 1e-8)
        return row, (1.0 / num_targets) / (kernel.T @ row + 1e-8)

    # The starting values come from the kernel, so that they vary over the devices that it varies over.
    start = (0.0 * kernel[:, 0] + 1.0 / num_sources, 0.0 * kernel[0] + 1.0 / num_targets)
    row, column = jax.lax.fori_loop(0, num_iterations, update, start)
    return row[:, None] * kernel * column


__all__ = ["AxisCost", "FeatureTransport", "feature_transport", "released_transport"]
