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


class WeightedFusion(nnx.Module):
    """Weighted sum of views, one weight a view; a missing view's weight goes to the views that an item has.

    Args:
        shares: start weights by view, ``"id"`` first, summing to 1.
        weights: how they go on.
    """

    def __init__(self, shares: Mapping[str, float], *, weights: FusionWeights) -> None:
        self.names = tuple(shares)
        self.weights: FusionWeights = weights
        start = jnp.asarray(list(shares.values()), jnp.float32)
        match weights:
            case "learned":
                self.logits = nnx.Param(jnp.log(start))
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
        weights = self.shares()
        complete = jnp.ones(views[self.names[0]].shape[0], bool)
        masks = jnp.stack([present.get(name, complete) for name in self.names], axis=1)
        if self.weights == "unconstrained":
            rows = jnp.broadcast_to(weights, masks.shape)
        else:
            kept = jnp.where(masks, weights, 0.0)
            rows = kept / jnp.sum(kept, axis=1, keepdims=True)
        return sum(
            (rows[:, position, None] * views[name] for position, name in enumerate(self.names)),
            start=jnp.zeros_like(views[self.names[0]]),
        )


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


__all__ = ["DenseFusion", "FusionWeights", "WeightedFusion"]
