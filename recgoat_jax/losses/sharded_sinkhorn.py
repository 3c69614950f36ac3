r"""Entropic transport with the rows of the cost spread over devices: the same plan on one device and on many.

With a small epsilon the exponents :math:`(f_i + g_j - C_{ij}) / \varepsilon` are small differences of large numbers.
Potentials of one float32 number each would leave an error of some 1e-5 in every entry of the plan, and another one for
every number of devices. Here a potential is the sum of two float32 numbers: what is left is the error of a sum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from recgoat_jax.losses.reduction import AxisName, Scalar, summed_over_devices


class _Potential(NamedTuple):
    """``high + low``, of about twice the digits of float32."""

    high: Float[Array, " points"]
    low: Float[Array, " points"]

    def plus(self, x: Float[Array, " points"]) -> "_Potential":
        high, rest = _two_sum(self.high, x)
        return _Potential(*_two_sum(high, self.low + rest))


def spread_plan(
    cost: Float[Array, "x_rows y_rows"],
    *,
    epsilon: Scalar,
    num_iterations: int,
    x_weights: Float[Array, " x_rows"],
    y_weights: Float[Array, " y_rows"],
    axis_name: AxisName | None,
) -> Float[Array, "x_rows y_rows"]:
    r"""The rows on this device of the plan T of ``min_T <T, C> - epsilon H(T)``, after some Sinkhorn iterations.

    An iteration updates the potentials of the rows, each on its device, then those of the columns by a log-sum-exp
    over the devices: a maximum and a sum of one number a column (Cuturi 2013, in the log domain). So the columns sum to
    their weights up to rounding, and what the iterations have not settled shows in the rows.

    Args:
        cost: rows of C on this device, all columns; finite.
        epsilon: entropic regularisation, in the units of the cost.
        num_iterations: iterations, at least 1.
        x_weights: of the rows on this device; on all devices they sum to 1. A row of weight 0 sends nothing.
        y_weights: of all columns, of sum 1.
        axis_name: mapped axis over which the rows are spread; None: all rows are here.

    Returns:
        T, a constant to the gradient; 0 where either set has no weight.

    Raises:
        ValueError: no iterations.
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations must be at least 1, got {num_iterations}")
    cost, epsilon = jax.lax.stop_gradient((cost, jnp.asarray(epsilon)))
    kept = (x_weights[:, None] > 0) & (y_weights > 0)

    def updated(
        potential: _Potential, slack: Float[Array, "x_rows y_rows"], weights: Float[Array, " points"], axis: int
    ) -> _Potential:
        """The potential with which the plan has these marginals."""
        over = axis_name if axis == 0 else None
        top = jnp.max(slack, axis=axis)
        top = top if over is None else jax.lax.pmax(top, over)
        top = jnp.where(jnp.isfinite(top), top, 0.0)
        total = jnp.sum(jnp.exp((slack - jnp.expand_dims(top, axis)) / epsilon), axis=axis)
        total = summed_over_devices(total, over)
        counts = (weights > 0) & (total > 0)
        logs = jnp.log(jnp.where(counts, weights, 1.0)) - jnp.log(jnp.where(counts, total, 1.0))
        return potential.plus(-top).plus(epsilon * logs)

    def slack_of(x_potential: _Potential, y_potential: _Potential) -> Float[Array, "x_rows y_rows"]:
        """``f + g - C``, minus infinity where a weight is 0; large potentials cancel before anything is rounded."""
        total, rest = _two_sum(x_potential.high[:, None], y_potential.high)
        slack = (total - cost) + (rest + (x_potential.low[:, None] + y_potential.low))
        return jnp.where(kept, slack, -jnp.inf)

    def iteration(_: int | Array, potentials: tuple[_Potential, _Potential]) -> tuple[_Potential, _Potential]:
        x_potential, y_potential = potentials
        x_potential = updated(x_potential, slack_of(x_potential, y_potential), x_weights, 1)
        y_potential = updated(y_potential, slack_of(x_potential, y_potential), y_weights, 0)
        return x_potential, y_potential

    # Zeros made from the cost vary over the devices that it varies over.
    zeros = jnp.where(False, cost[:, 0], 0.0), jnp.where(False, cost[0], 0.0)
    start = _Potential(zeros[0], zeros[0]), _Potential(zeros[1], zeros[1])
    return jnp.exp(slack_of(*jax.lax.fori_loop(0, num_iterations, iteration, start)) / epsilon)


def _two_sum(a: Float[Array, "*a"], b: Float[Array, "*b"]) -> tuple[Float[Array, "*sum"], Float[Array, "*sum"]]:
    """``a + b`` rounded, and what the rounding left out, exactly (Knuth, The Art of Computer Programming 2, 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


__all__ = ["spread_plan"]
