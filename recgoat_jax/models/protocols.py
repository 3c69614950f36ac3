"""The contracts that models meet. Training and evaluation know these types and no model class."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from recgoat_jax.graphs.shard import Shard


class Batch(NamedTuple):
    """Triples of one training step; a padded example is a mask, never a dropped remainder.

    Attributes:
        users: ``batch``, int32 user rows.
        positives: ``batch``, int32 item rows that the user has.
        negatives: ``batch``, int32 item rows that the user does not have.
        mask: ``batch``, True where the example is real.
    """

    users: Int[Array, " batch"]
    positives: Int[Array, " batch"]
    negatives: Int[Array, " batch"]
    mask: Bool[Array, " batch"]


class LossOutput(NamedTuple):
    """A loss and the terms that it is the sum of (already weighted), for the log."""

    total: Float[Array, ""]
    terms: Mapping[str, Float[Array, ""]]


class Vectors(NamedTuple):
    """What a retriever serves: the score of user u and item i is the dot product of their rows.

    Attributes:
        users: ``users x dim``.
        items: ``items x dim``.
    """

    users: Float[Array, "users dim"]
    items: Float[Array, "items dim"]


class Untrained(NamedTuple):
    """Rows that training does not know, such as items that came later.

    They receive over graphs and give nothing, so that no other row depends on them, and have no ID row of their own.

    Attributes:
        users: ``users``, True for such a user.
        items: ``items``, True for such an item.
    """

    users: Bool[np.ndarray, " users"]
    items: Bool[np.ndarray, " items"]


@runtime_checkable
class Retriever(Protocol):
    """A model that gives every user and every item a vector (an ``nnx.Module``).

    Over devices its methods run within `jax.shard_map`: tables, features and graphs are this device's part, ids are
    places in mesh order, and ``shard`` says what is here. Sums over users, items or examples then go over the devices
    (`recgoat_jax.graphs.shard`). On one device ``shard`` is None.
    """

    def loss(self, batch: Batch, *, key: Key[Array, ""], shard: Shard | None = None) -> LossOutput:
        """The training loss of one batch; ``key`` drives dropout and every other random use."""
        ...

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        """Final vectors, deterministic: dropout is off."""
        ...

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, Float[Array, ""]]:
        """Scalars worth a line in the log at each evaluation (fusion weights, marginal errors); may be empty."""
        ...


__all__ = ["Batch", "LossOutput", "Retriever", "Untrained", "Vectors"]
