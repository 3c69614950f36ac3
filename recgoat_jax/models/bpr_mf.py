"""BPR-MF: matrix factorisation under the pairwise ranking objective (Rendle et al., UAI 2009).

Defaults are those of the multimodal benchmark's BPR row: Xavier normal tables, un-squared norm penalty.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs.shard import Shard
from recgoat_jax.models.objective import Regularization, check_width, ranking_terms
from recgoat_jax.models.protocols import Batch, LossOutput, Vectors
from recgoat_jax.nn.variables import Initialization, initial_table


@dataclass(frozen=True)
class BprMfConfig:
    """Settings of BPR-MF."""

    dim: int = 64
    """Width of the vectors."""
    initialization: Initialization = "xavier_normal"
    """How the tables start; a larger start finds a different optimum."""
    regularization: Regularization = "norm"
    """Penalty on the rows of the batch."""
    regularization_weight: float = 0.1
    """Weight of the penalty; with "norm", 1 and more collapses the tables."""

    def __post_init__(self) -> None:
        check_width(self.dim)


class BprMf(nnx.Module):
    """s(u, i) = P_u . Q_i, no biases.

    Args:
        config: settings.
        dataset: prepared data; only its sizes are read.
        rngs: the ``params`` stream starts the tables.
    """

    def __init__(self, config: BprMfConfig, dataset: Dataset, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.user_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_users, config.dim, initialization=config.initialization)
        )
        self.item_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_items, config.dim, initialization=config.initialization)
        )

    def loss(self, batch: Batch, *, key: Key[Array, ""], shard: Shard | None = None) -> LossOutput:
        """BPR plus the penalty on the rows of the batch; nothing random."""
        del key
        users, items = self.user_table[...], self.item_table[...]
        terms = ranking_terms(
            batch,
            user_vectors=users,
            item_vectors=items,
            user_table=users,
            item_table=items,
            regularization=self.config.regularization,
            weight=self.config.regularization_weight,
            shard=shard,
        )
        return LossOutput(sum(terms.values(), start=jnp.zeros(())), terms)

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        """The two tables."""
        del shard
        return Vectors(self.user_table[...], self.item_table[...])

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, Float[Array, ""]]:
        """Nothing to report."""
        del shard
        return {}


__all__ = ["BprMf", "BprMfConfig"]
