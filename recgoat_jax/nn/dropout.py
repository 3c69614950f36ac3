"""Dropout from few random bits: on CPU, drawing one 32-bit number an element costs more than the layer around it."""

import jax
import jax.numpy as jnp
from jax.extend import random as extended_random
from jaxtyping import Array, Bool, Float, Key

_RESOLUTION = 1 << 16


def keep_mask(key: Key[Array, ""], shape: tuple[int, ...], *, rate: float) -> Bool[Array, "..."]:
    """Independent draws, True with probability ``1 - rate``, from 16 random bits each.

    Both halves of every word that the counter-based generator (Threefry 2x32) returns are used, a quarter of the work
    of ``jax.random.bernoulli``. The mask depends on the key and the shape alone, not on the platform.

    Args:
        key: random key.
        shape: shape of the mask.
        rate: probability of False, in [0, 1), rounded to a multiple of 2^-16.

    Returns:
        The mask.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    threshold = _threshold(rate)
    size = 1
    for extent in shape:
        size *= extent
    words = 2 * -(-size // 4)
    pair = jax.random.bits(key, (2,), jnp.uint32)
    bits = extended_random.threefry_2x32(pair, jnp.arange(words, dtype=jnp.uint32))
    draws = jax.lax.bitcast_convert_type(bits, jnp.uint16).reshape(-1)[:size]
    return (draws >= threshold).reshape(shape)


def dropout(x: Float[Array, "..."], key: Key[Array, ""] | None, *, rate: float) -> Float[Array, "..."]:
    """Zeroes elements with probability ``rate`` and divides the rest by the probability that they are kept.

    Args:
        x: any array.
        key: random key, or None for evaluation: x is returned as it is.
        rate: probability of a zero, in [0, 1), rounded to a multiple of 2^-16; 0 returns x.

    Returns:
        An array like x, with the same expectation.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    if key is None or _threshold(rate) == 0:
        return x
    return jnp.where(keep_mask(key, x.shape, rate=rate), x / keep_probability(rate), 0.0).astype(x.dtype)


def keep_probability(rate: float) -> float:
    """The exact probability of True in `keep_mask`: ``1 - rate`` after rounding."""
    return 1.0 - _threshold(rate) / _RESOLUTION


def _threshold(rate: float) -> int:
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate is {rate}; expected a probability in [0, 1).")
    return min(round(rate * _RESOLUTION), _RESOLUTION - 1)


__all__ = ["dropout", "keep_mask", "keep_probability"]
