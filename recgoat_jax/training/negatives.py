"""Negative items: uniform over the items of the training data that the user does not have.

The usual way is to draw and reject. A draw from the complement gives the same distribution with no rejection and no
tries that can run out: for a user with sorted items s_0 < ... < s_(n-1), the r-th item that is not among them is
r + #{j : s_j - j <= r}, found by bisection.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from recgoat_jax.data import Dataset


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NegativeTable:
    """Each user's training items, ready for bisection.

    Attributes:
        offsets: ``users + 1``: the items of user u lie at ``offsets[u]:offsets[u + 1]``.
        ranks: ``pairs``: a training item's position among the candidates, ascending within a user.
        candidates: item rows that occur in training, ascending.
        bisections: steps that suffice for the longest list.
    """

    offsets: Int[Array, " offsets"]
    ranks: Int[Array, " pairs"]
    candidates: Int[Array, " candidates"]
    bisections: int = field(metadata={"static": True})

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> "NegativeTable":
        """Builds the table from the training pairs (sorted by user, then item)."""
        candidates, ranks = np.unique(dataset.train.items, return_inverse=True)
        offsets = dataset.train.offsets(dataset.num_users)
        longest = int(np.diff(offsets).max(initial=0))
        return cls(
            offsets=jnp.asarray(offsets, jnp.int32),
            ranks=jnp.asarray(ranks, jnp.int32),
            candidates=jnp.asarray(candidates, jnp.int32),
            bisections=longest.bit_length(),
        )


class Negatives(NamedTuple):
    """Drawn items, and whether the user had any to draw."""

    items: Int[Array, " batch"]
    valid: Bool[Array, " batch"]


def sample_negatives(key: Key[Array, ""], users: Int[Array, " batch"], table: NegativeTable) -> Negatives:
    """Draws one negative an example.

    Args:
        key: random key.
        users: user rows.
        table: the users' training items.

    Returns:
        Item rows, never one of the user's training items, never an item absent from training; ``valid`` is False
        for a user who has every candidate.
    """
    start, stop = table.offsets[users], table.offsets[users + 1]
    owned = stop - start
    free = len(table.candidates) - owned
    rank = jax.random.randint(key, users.shape, 0, jnp.maximum(free, 1), jnp.int32)

    found = bisect_unowned(table.ranks, start, owned, rank, bisections=table.bisections)
    item = table.candidates[jnp.minimum(found, len(table.candidates) - 1)]
    return Negatives(item, free > 0)


def bisect_unowned(
    ranks: Int[Array, " pairs"],
    start: Int[Array, " batch"],
    owned: Int[Array, " batch"],
    wanted: Int[Array, " batch"],
    *,
    bisections: int,
) -> Int[Array, " batch"]:
    """The rank of the r-th candidate that is not in a list.

    Args:
        ranks: ranks of all lists, ascending within a list.
        start: ``batch``, where the list begins.
        owned: ``batch``, its length.
        wanted: ``batch``, r, from 0.
        bisections: steps that suffice for the longest list.

    Returns:
        ``batch``.
    """

    def bisect(_: object, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        position = jnp.minimum(start + middle, len(ranks) - 1)
        passed = (middle < high) & (ranks[position] - middle <= wanted)
        return jnp.where(passed, middle + 1, low), jnp.where(passed, high, middle)

    low, _ = jax.lax.fori_loop(0, bisections, bisect, (jnp.zeros_like(owned), owned))
    return wanted + low


__all__ = ["NegativeTable", "Negatives", "bisect_unowned", "sample_negatives"]
