"""Most-popular: every user gets the items with the most training interactions. The floor of any comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs.shard import Shard
from recgoat_jax.models.protocols import Batch, LossOutput, Vectors
from recgoat_jax.nn.variables import Constant


@dataclass(frozen=True)
class MostPopularConfig:
    """Most-popular has nothing to set."""


class MostPopular(nnx.Module):
    """Scores an item by its training interactions, the same for every user.

    Args:
        config: nothing to set.
        dataset: prepared data.
        rngs: unused; every model is made alike.
    """

    def __init__(self, config: MostPopularConfig, dataset: Dataset, *, rngs: nnx.Rngs) -> None:
        del config, rngs
        self.num_users = dataset.num_users
        self.counts = Constant(jnp.asarray(dataset.item_counts, jnp.float32))

    def loss(self, batch: Batch, *, key: Key[Array, ""], shard: Shard | None = None) -> LossOutput:
        """Zero: there is nothing to train."""
        del batch, key, shard
        return LossOutput(jnp.zeros(()), {})

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        """Users are 1, items their counts: the score is the count."""
        users = self.num_users if shard is None else len(shard.users.numbers)
        return Vectors(jnp.ones((users, 1)), self.counts[...][:, None])

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, Float[Array, ""]]:
        """Nothing to report."""
        del shard
        return {}


__all__ = ["MostPopular", "MostPopularConfig"]
