"""Dropout from few random bits: on CPU, drawing one 32-bit number an element costs more than the layer around it."""

import jax
import jax.numpy as jnp
from jax.extend import random as extended_random
from jaxtyping import Array, Bool, Float, Int, Key, UInt

from recgoat_jax.graphs.shard import LocalRows

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


def keep_mask_of_rows(
    key: Key[Array, ""],
    numbers: Int[Array, " slots"],
    total: int | UInt[Array, ""],
    *,
    width: int,
    rate: float,
) -> Bool[Array, "slots width"]:
    """Some rows of ``keep_mask(key, (total, width), rate=rate)``, without drawing the others.

    A device that holds some rows of a table thus drops what one device drops that holds all of them. It costs twice
    as much a row as the whole mask: of a pair of words that the generator makes together, one is used.

    Args:
        key: random key.
        numbers: ``slots``, row numbers; a negative one gives a row that means nothing.
        total: rows of the whole mask. From 2^33 elements on, rows share draws.
        width: columns of the mask.
        rate: as in `keep_mask`.

    Returns:
        ``slots x width``.
    """
    threshold = _threshold(rate)
    elements = numbers.astype(jnp.uint32)[:, None] * jnp.uint32(width) + jnp.arange(width, dtype=jnp.uint32)
    if width % 2 == 0:
        # Neighbouring elements share a word; so computed, it stays in range for twice as many elements.
        halves = jnp.arange(width // 2, dtype=jnp.uint32)
        words = numbers.astype(jnp.uint32)[:, None] * jnp.uint32(width // 2) + halves
    else:
        words = elements // 2
    # `keep_mask` makes word w together with word w + pairs.
    pairs = (jnp.asarray(total, jnp.uint32) * jnp.uint32(width) + 3) // 4
    first = words < pairs
    low = jnp.where(first, words, words - pairs).reshape(-1)
    made = extended_random.threefry_2x32(jax.random.bits(key, (2,), jnp.uint32), jnp.concatenate([low, low + pairs]))
    bits = jnp.where(first, *(half.reshape(words.shape) for half in jnp.split(made, 2)))
    draws = jax.lax.bitcast_convert_type(bits, jnp.uint16)
    if width % 2 == 0:
        return draws.reshape(-1, width) >= threshold
    return jnp.take_along_axis(draws, (elements % 2)[..., None].astype(jnp.int32), axis=-1)[..., 0] >= threshold


def dropout(
    x: Float[Array, "..."], key: Key[Array, ""] | None, *, rate: float, rows: LocalRows | None = None
) -> Float[Array, "..."]:
    """Zeroes elements with probability ``rate`` and divides the rest by the probability that they are kept.

    Args:
        x: any array.
        key: random key, or None for evaluation: x is returned as it is.
        rate: probability of a zero, in [0, 1), rounded to a multiple of 2^-16; 0 returns x.
        rows: which rows of a larger array the rows of x, a matrix, are; None: all of it.

    Returns:
        An array like x, with the same expectation.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    if key is None or _threshold(rate) == 0:
        return x
    if rows is None:
        kept = keep_mask(key, x.shape, rate=rate)
    else:
        kept = keep_mask_of_rows(key, rows.numbers, rows.total, width=x.shape[1], rate=rate)
    return jnp.where(kept, x / keep_probability(rate), 0.0).astype(x.dtype)


def keep_probability(rate: float) -> float:
    """The exact probability of True in `keep_mask`: ``1 - rate`` after rounding."""
    return 1.0 - _threshold(rate) / _RESOLUTION


def _threshold(rate: float) -> int:
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout rate is {rate}; expected a probability in [0, 1).")
    return min(round(rate * _RESOLUTION), _RESOLUTION - 1)


__all__ = ["dropout", "keep_mask", "keep_mask_of_rows", "keep_probability"]
