"""Batches: an epoch's order is drawn on the device; the remainder is padded and masked, never dropped."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, UInt

from recgoat_jax.data import Dataset
from recgoat_jax.models.protocols import Batch
from recgoat_jax.training.negatives import NegativeTable, sample_negatives


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainingPairs:
    """The training pairs on the device.

    Attributes:
        users: ``pairs``, int32.
        items: ``pairs``, int32.
        negatives: the users' items, for drawing others.
        batch_size: examples a step.
    """

    users: Int[Array, " pairs"]
    items: Int[Array, " pairs"]
    negatives: NegativeTable
    batch_size: int = field(metadata={"static": True})

    @classmethod
    def from_dataset(cls, dataset: Dataset, *, batch_size: int) -> "TrainingPairs":
        """Puts the training pairs on the device."""
        return cls(
            users=jnp.asarray(dataset.train.users, jnp.int32),
            items=jnp.asarray(dataset.train.items, jnp.int32),
            negatives=NegativeTable.from_dataset(dataset),
            batch_size=batch_size,
        )

    @property
    def num_pairs(self) -> int:
        """Training pairs."""
        return len(self.users)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last may be part padding."""
        return -(-len(self.users) // self.batch_size)


Shuffle = Literal["permutation", "bijection"]
"""``"permutation"``: a random permutation, made whole on every device at the start of an epoch. ``"bijection"``: a
keyed bijection of pair numbers, computed for the pairs of a step when they are due, for large data."""


@partial(jax.jit, static_argnames=("num_pairs", "batch_size"))
def epoch_order(key: Key[Array, ""], *, num_pairs: int, batch_size: int) -> Int[Array, "steps batch"]:
    """A fresh order of the pairs, cut into batches.

    Args:
        key: key of the epoch's shuffle.
        num_pairs: pairs to order.
        batch_size: pairs a step.

    Returns:
        ``steps x batch`` pair numbers; ``num_pairs`` marks padding.
    """
    order = jax.random.permutation(key, num_pairs)
    padding = -num_pairs % batch_size
    return jnp.pad(order, (0, padding), constant_values=num_pairs).reshape(-1, batch_size)


@partial(jax.jit, static_argnames=("steps", "num_pairs", "batch_size"))
def bijective_order(
    key: Key[Array, ""], first: Int[Array, ""], *, steps: int, num_pairs: int, batch_size: int
) -> Int[Array, "steps batch"]:
    """Some rows of an epoch's order that is never whole anywhere.

    A Feistel network over the smallest even number of bits that holds all pair numbers; what falls outside is sent
    through again until it is inside (cycle walking, Black and Rogaway, CT-RSA 2002), so that each number comes once.

    Args:
        key: key of the epoch's shuffle.
        first: first row.
        steps: rows.
        num_pairs: pairs to order, below 2^31.
        batch_size: pairs a step.

    Returns:
        ``steps x batch`` pair numbers; ``num_pairs`` marks padding.

    Raises:
        ValueError: more pairs.
    """
    if num_pairs >= 2**31:
        raise ValueError(f"found {num_pairs:,} pairs; expected fewer than 2^31, since their numbers are int32.")
    half = max(1, -(-(num_pairs - 1).bit_length() // 2))
    mask = jnp.uint32((1 << half) - 1)
    keys = jax.random.bits(key, (_ROUNDS,), jnp.uint32)

    def shuffled(number: UInt[Array, "..."]) -> UInt[Array, "..."]:
        left, right = number >> half, number & mask
        for position in range(_ROUNDS):
            left, right = right, left ^ (_mixed(right ^ keys[position]) & mask)
        return (left << half) | right

    place = first.astype(jnp.uint32) * batch_size + jnp.arange(steps * batch_size, dtype=jnp.uint32)
    inside = jnp.minimum(place, num_pairs - 1)
    found = jax.lax.while_loop(
        lambda number: jnp.any(number >= num_pairs),
        lambda number: jnp.where(number >= num_pairs, shuffled(number), number),
        shuffled(inside),
    )
    return jnp.where(place < num_pairs, found, num_pairs).astype(jnp.int32).reshape(steps, batch_size)


_ROUNDS = 8


def _mixed(x: UInt[Array, "..."]) -> UInt[Array, "..."]:
    """The finaliser of MurmurHash3 (Appleby): every input bit reaches every output bit."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def make_batch(pairs: TrainingPairs, chosen: Int[Array, " batch"], *, key: Key[Array, ""]) -> Batch:
    """The triples of one step.

    Args:
        pairs: the training pairs.
        chosen: pair numbers; ``len(pairs.users)`` marks padding.
        key: key of the step's negatives.

    Returns:
        A batch; padding, and users without a possible negative, are masked.
    """
    mask = chosen < len(pairs.users)
    index = jnp.minimum(chosen, len(pairs.users) - 1)
    users = pairs.users[index]
    negatives = sample_negatives(key, users, pairs.negatives)
    return Batch(users, pairs.items[index], negatives.items, mask & negatives.valid)


__all__ = ["Shuffle", "TrainingPairs", "bijective_order", "epoch_order", "make_batch"]
