"""Fusion of the views of an item into one vector."""

from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from recgoat_jax.nn.variables import Constant

FusionWeights = Literal["learned", "fixed", "unconstrained"]
"""``"learned"``: softmax over trained logits. ``"fixed"``: the start values throughout. ``"unconstrained"``: the
published program's free scalars, the ID weight being 1 minus the others."""


SMALLEST_LEARNED_SHARE = 1e-6
"""Where a learned weight starts whose start is given as 0."""


def weighted_sum(
    weights: Float[Array, " views"],
    views: Mapping[str, Float[Array, "items dim"]],
    present: Mapping[str, Bool[Array, " items"]],
) -> Float[Array, "items dim"]:
    """Weighted sum of views; an item's weights are rescaled to sum to 1 over the views that it has.

    Args:
        weights: one a view, not negative.
        views: name to vectors, in the order of the weights.
        present: name to mask; a name that is absent is complete.

    Returns:
        ``items x dim``; zero for an item that has none of the views with a weight.
    """
    first = next(iter(views.values()))
    complete = jnp.ones(len(first), bool)
    masks = jnp.stack([present.get(name, complete) for name in views], axis=1)
    kept = jnp.where(masks, weights, 0.0)
    total = jnp.sum(kept, axis=1, keepdims=True)
    rows = kept / jnp.where(total > 0, total, 1.0)
    return _summed(rows, views)


def _summed(
    rows: Float[Array, "items views"], views: Mapping[str, Float[Array, "items dim"]]
) -> Float[Array, "items dim"]:
    """The sum of views, each item's by its own weights."""
    products = [rows[:, position, None] * view for position, view in enumerate(views.values())]
    return sum(products, start=jnp.zeros_like(products[0]))


class WeightedFusion(nnx.Module):
    """Weighted sum of views, one weight a view; a missing view's weight goes to the views that an item has.

    Args:
        shares: start weights by view, ``"id"`` first, summing to 1; learned ones of 0 start at
            `SMALLEST_LEARNED_SHARE`.
        weights: how they go on.

    Example:
        The second item has no text, so its weight goes to the ID view:

        >>> fusion = WeightedFusion({"id": 0.75, "text": 0.25}, weights="learned")
        >>> views = {"id": jnp.array([[4.0], [4.0]]), "text": jnp.array([[8.0], [8.0]])}
        >>> print(fusion(views, {"text": jnp.array([True, False])}).T)
        [[5. 4.]]
    """

    def __init__(self, shares: Mapping[str, float], *, weights: FusionWeights) -> None:
        self.names = tuple(shares)
        self.weights: FusionWeights = weights
        start = jnp.asarray(list(shares.values()), jnp.float32)
        match weights:
            case "learned":
                # From the logarithm of 0 no step leads away, and decay makes it no number.
                self.logits = nnx.Param(jnp.log(jnp.maximum(start, SMALLEST_LEARNED_SHARE)))
            case "fixed":
                self.logits = Constant(jnp.log(start))
            case "unconstrained":
                self.logits = nnx.Param(start[1:])

    def shares(self) -> Float[Array, " views"]:
        """The weights of an item that has every view."""
        if self.weights == "unconstrained":
            others = self.logits[...]
            return jnp.concatenate([1.0 - jnp.sum(others, keepdims=True), others])
        return jax.nn.softmax(self.logits[...])

    def __call__(
        self, views: Mapping[str, Float[Array, "items dim"]], present: Mapping[str, Bool[Array, " items"]]
    ) -> Float[Array, "items dim"]:
        """Fuses.

        Args:
            views: name to vectors; every name of the start weights.
            present: name to mask; a name that is absent is complete.

        Returns:
            ``items x dim``.
        """
        ordered = {name: views[name] for name in self.names}
        weights = self.shares()
        if self.weights == "unconstrained":
            return _summed(jnp.broadcast_to(weights, (len(ordered["id"]), len(weights))), ordered)
        return weighted_sum(weights, ordered, present)


class DenseFusion(nnx.Module):
    """The naive fusions: a linear map of the concatenation, or of the sum, of the views.

    Args:
        names: views, in order.
        dim: width of each view and of the result.
        kind: ``"concat"`` or ``"sum"``.
        rngs: the ``params`` stream starts the map.
    """

    def __init__(self, names: tuple[str, ...], dim: int, *, kind: Literal["concat", "sum"], rngs: nnx.Rngs) -> None:
        self.names = names
        self.kind: Literal["concat", "sum"] = kind
        width = dim * len(names) if kind == "concat" else dim
        self.map = nnx.Linear(width, dim, rngs=rngs)

    def __call__(
        self, views: Mapping[str, Float[Array, "items dim"]], present: Mapping[str, Bool[Array, " items"]]
    ) -> Float[Array, "items dim"]:
        """Fuses; a missing view counts as zero."""
        ordered = [
            jnp.where(present[name][:, None], views[name], 0.0) if name in present else views[name]
            for name in self.names
        ]
        match self.kind:
            case "concat":
                return self.map(jnp.concatenate(ordered, axis=-1))
            case "sum":
                return self.map(sum(ordered[1:], start=ordered[0]))


__all__ = ["SMALLEST_LEARNED_SHARE", "DenseFusion", "FusionWeights", "WeightedFusion", "weighted_sum"]
