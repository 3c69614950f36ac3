"""A softmax over keys of which a part is there at a time."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Below every score that float32 products of real vectors give; unlike -inf it may be subtracted from itself.
_FLOOR = -1e30

SCORES_AT_ONCE = 2**23
"""Scores of one product, where the keys can be cut so: 32 MiB."""


class Running(NamedTuple):
    """A log-sum that grows: log(total) + top."""

    top: Float[Array, " rows"]
    total: Float[Array, " rows"]

    def update(self, scores: Float[Array, "..."], axis: int) -> "Running":
        """The log-sum with more scores, added up along an axis."""
        top = jnp.maximum(self.top, jnp.max(scores, axis=axis))
        exponentials = jnp.exp(scores - jnp.expand_dims(top, axis))
        return Running(top, self.total * jnp.exp(self.top - top) + jnp.sum(exponentials, axis=axis))

    @classmethod
    def empty(cls, like: Float[Array, "rows dim"]) -> "Running":
        """A log-sum of nothing for each row of an array."""
        # Made from the data, so that it varies over the devices that the data varies over.
        zero = 0.0 * jnp.sum(like, axis=-1)
        return cls(zero + _FLOOR, zero)

    def value(self) -> Float[Array, " rows"]:
        """The log-sum; minus infinity of nothing."""
        return self.top + jnp.log(self.total)


def over_parts(step: Any, carry: Any, blocks: Any, *, num_queries: int) -> tuple[Any, Any]:
    """Scans over parts of a block of keys.

    Args:
        step: ``step(carry, (*part of each of the blocks, place of its first key))`` gives the carry and what it made.
        carry: at the start.
        blocks: arrays with a leading axis of keys.
        num_queries: queries that each part is scored with.

    Returns:
        The carry and what was made, its leading axis that of the keys again.
    """
    num_keys = jax.tree.leaves(blocks)[0].shape[0]
    parts = number_of_parts(num_queries, num_keys)
    if parts == 1:
        return step(carry, (*blocks, jnp.int32(0)))
    in_parts = jax.tree.map(lambda x: x.reshape(parts, -1, *x.shape[1:]), blocks)
    carry, made = jax.lax.scan(step, carry, (*in_parts, jnp.arange(parts) * (num_keys // parts)))
    return carry, jax.tree.map(lambda x: x.reshape(num_keys, *x.shape[2:]), made)


def number_of_parts(num_queries: int, num_keys: int) -> int:
    """Parts of equal size, so many that the scores of one are not large; one where no such number divides the keys."""
    wanted = -(-num_queries * num_keys // SCORES_AT_ONCE)
    return next((parts for parts in range(wanted, min(4 * wanted, num_keys) + 1) if num_keys % parts == 0), 1)


__all__ = ["SCORES_AT_ONCE", "Running", "number_of_parts", "over_parts"]
