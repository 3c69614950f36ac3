"""Batches: an epoch's order is drawn on the device; the remainder is padded and masked, never dropped."""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

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
    def steps(self) -> int:
        """Steps of an epoch; the last may be part padding."""
        return -(-len(self.users) // self.batch_size)


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


__all__ = ["TrainingPairs", "epoch_order", "make_batch"]
