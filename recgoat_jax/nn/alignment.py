"""Optimal adaptive transport (OAT): maps the axes of one representation onto the axes of another.

A Sinkhorn plan P between the feature axes of a modality and those of the ID vectors (each axis is a point with one
coordinate an item) plus a learnable residual D: ``Z_aligned = Z (P + D)`` (RecGOAT, arXiv 2602.00682, section on
optimal adaptive transport).
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from recgoat_jax.losses import feature_transport, released_transport
from recgoat_jax.losses.reduction import AxisName, both, masked_mean, summed_over_devices, valid_count
from recgoat_jax.nn.variables import Constant

Transport = Literal["plan", "none", "permutation", "linear", "released"]
"""``"plan"``: the doubly stochastic Sinkhorn plan. ``"none"``: zero, so that the residual alone maps.
``"permutation"``: a fixed random permutation. ``"linear"``: one free linear layer on the values as they are, no plan,
no residual.
``"released"``: the published program's unstabilised plan, whose rows sum to 1/d."""

Residual = Literal["zero", "xavier", "none"]
"""Start of the learnable residual D, or none at all."""


class Aligned(NamedTuple):
    """A modality on the axes of the ID vectors.

    Attributes:
        values: ``items x dim``.
        cost: transport cost <P/d, C>, with a gradient towards both sides (zero where no plan is solved).
        marginal_error: largest deviation of a row sum of the plan from 1.
        plan: P, ``dim x dim``, the base map from the modality's axes to the ID axes; None where there is none.
    """

    values: Float[Array, "items dim"]
    cost: Float[Array, ""]
    marginal_error: Float[Array, ""]
    plan: Float[Array, "dim dim"] | None = None


def root_mean_square(
    x: Float[Array, "rows dim"], present: Bool[Array, " rows"] | None = None, *, axis_name: AxisName | None = None
) -> Float[Array, ""]:
    """Root mean square of the entries of the present rows, of all devices along ``axis_name``."""
    return jnp.sqrt(masked_mean(jnp.mean(jnp.square(x), axis=-1), where=present, axis_name=axis_name) + 1e-12)


def match_scale(
    x: Float[Array, "rows dim"],
    target: Float[Array, "rows dim"],
    present: Bool[Array, " rows"] | None = None,
    *,
    axis_name: AxisName | None = None,
) -> Float[Array, "rows dim"]:
    """Rescales ``x`` to the root mean square of ``target``; the factor is a constant to the gradient."""
    sizes = [root_mean_square(side, present, axis_name=axis_name) for side in (target, x)]
    return x * jax.lax.stop_gradient(sizes[0] / sizes[1])


def standardize(
    x: Float[Array, "rows dim"],
    present: Bool[Array, " rows"],
    *,
    fitted: Bool[Array, " rows"] | None = None,
    axis_name: AxisName | None = None,
) -> Float[Array, "rows dim"]:
    """Columns to mean 0 and variance 1 over the present rows of all devices; other rows become zero.

    With ``fitted`` mean and variance are those of the rows that it names, which are among the present ones.
    """
    fitted = present if fitted is None else fitted
    count = jnp.maximum(valid_count(len(fitted), fitted, axis_name), 1.0)
    mean = summed_over_devices(jnp.sum(jnp.where(fitted[:, None], x, 0.0), axis=0), axis_name) / count
    centred = jnp.where(present[:, None], x - mean, 0.0)
    squares = jnp.sum(jnp.where(fitted[:, None], jnp.square(centred), 0.0), axis=0)
    return centred * jax.lax.rsqrt(summed_over_devices(squares, axis_name) / count + 1e-12)


class AdaptiveTransport(nnx.Module):
    """Maps one modality onto the ID axes.

    Args:
        dim: width of both sides.
        transport: which base map.
        residual: which learnable residual.
        epsilon: entropic regularisation; None: 2 / sqrt(rows).
        num_iterations: Sinkhorn iterations.
        rngs: the ``params`` stream starts the residual and the permutation.

    Example:
        The source has the columns of the target in another order. The plan puts them back, up to scale:

        >>> target = jax.random.normal(jax.random.key(0), (500, 4))
        >>> align = AdaptiveTransport(
        ...     4, transport="plan", residual="zero", epsilon=None, num_iterations=100, rngs=nnx.Rngs(0)
        ... )
        >>> aligned = align(target[:, jnp.array([2, 0, 3, 1])], target, present=jnp.ones(500, bool))
        >>> print(jnp.allclose(aligned.values, standardize(target, jnp.ones(500, bool)), atol=1e-3))
        True
    """

    def __init__(
        self,
        dim: int,
        *,
        transport: Transport,
        residual: Residual,
        epsilon: float | None,
        num_iterations: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.transport: Transport = transport
        self.epsilon = epsilon
        self.num_iterations = num_iterations
        xavier = nnx.initializers.xavier_uniform()
        start: Float[Array, "dim dim"] | None = None
        if transport != "linear" and residual != "none":
            start = xavier(rngs.params(), (dim, dim)) if residual == "xavier" else jnp.zeros((dim, dim))
        self.residual = None if start is None else nnx.Param(start)
        self.linear = nnx.Linear(dim, dim, rngs=rngs) if transport == "linear" else None
        self.permutation = (
            Constant(jax.random.permutation(rngs.params(), jnp.eye(dim))) if transport == "permutation" else None
        )

    def __call__(
        self,
        source: Float[Array, "items dim"],
        target: Float[Array, "items dim"],
        *,
        present: Bool[Array, " items"],
        fitted: Bool[Array, " items"] | None = None,
        counted: Bool[Array, " items"] | None = None,
        axis_name: AxisName | None = None,
        sum_axes: AxisName | None = None,
    ) -> Aligned:
        """Aligns ``source`` with ``target``.

        Args:
            source: modality vectors.
            target: ID vectors.
            present: items that have the modality.
            fitted: of them, those over which the plan is solved and the columns are standardised; None: all.
            counted: items that this device adds to sums over ``sum_axes``, each of them on one device alone; None: all.
            axis_name: mapped axis over which the items are spread.
            sum_axes: that axis, and those along which devices hold the same items.

        Returns:
            Aligned vectors. Except for ``"released"`` and ``"linear"``, the columns of ``source`` are standardised
            first, so that the plan and the residual act on one scale.
        """
        if self.linear is not None:
            return Aligned(self.linear(source), jnp.zeros(()), jnp.zeros(()))
        zero = jnp.zeros(())
        # The published program counts items without the modality as well.
        counted_all = both(fitted, counted)
        fitted = present if fitted is None else present & fitted
        base: Float[Array, "dim dim"] | None = None
        cost, error = zero, zero
        match self.transport:
            case "plan":
                solved = feature_transport(
                    source,
                    target,
                    epsilon=self.epsilon,
                    num_iterations=self.num_iterations,
                    where=both(fitted, counted),
                    axis_name=sum_axes,
                )
                base, cost, error = solved.plan, solved.cost, solved.marginal_error
            case "permutation":
                base = self.permutation[...] if self.permutation is not None else None
            case "released":
                base = released_transport(
                    source,
                    target,
                    epsilon=0.01 if self.epsilon is None else self.epsilon,
                    num_iterations=self.num_iterations,
                    where=counted_all,
                    axis_name=sum_axes,
                )
            case "none" | "linear":
                base = None
        values = (
            source if self.transport == "released" else standardize(source, present, fitted=fitted, axis_name=axis_name)
        )
        maps = [part for part in (base, None if self.residual is None else self.residual[...]) if part is not None]
        aligned = values @ sum(maps[1:], start=maps[0]) if maps else jnp.zeros_like(values)
        return Aligned(aligned, cost, error, base)


__all__ = [
    "AdaptiveTransport",
    "Aligned",
    "Residual",
    "Transport",
    "match_scale",
    "root_mean_square",
    "standardize",
]
