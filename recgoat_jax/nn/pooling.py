"""Token vectors of a text to one vector."""

from typing import Literal, assert_never

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Pooling = Literal["mean", "cls", "last_token"]
"""``"mean"`` of the tokens that the mask admits, the first position, or the last that the mask admits."""


def pool_tokens(
    hidden: Float[Array, "texts tokens width"], mask: Bool[Array, "texts tokens"], *, pooling: Pooling
) -> Float[Array, "texts width"]:
    """One float32 vector a text.

    Args:
        hidden: ``texts x tokens x width``.
        mask: ``texts x tokens``, False for padding, on either side.
        pooling: which tokens count. ``"cls"`` expects padding on the right.

    Returns:
        ``texts x width``; a text without any token gives finite numbers that mean nothing.
    """
    hidden = hidden.astype(jnp.float32)
    match pooling:
        case "mean":
            total = jnp.einsum("ntw,nt->nw", hidden, mask.astype(jnp.float32))
            return total / jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
        case "cls":
            return hidden[:, 0]
        case "last_token":
            last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
            return jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]
        case _:
            assert_never(pooling)


def unit_length(vectors: Float[Array, "texts width"]) -> Float[Array, "texts width"]:
    """Rows scaled to length 1; a row of zeros stays."""
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


__all__ = ["Pooling", "pool_tokens", "unit_length"]
