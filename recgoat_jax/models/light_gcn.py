"""LightGCN: linear propagation of ID vectors over the user-item graph (He et al., SIGIR 2020).

E^(l+1) = D^-1/2 A D^-1/2 E^(l) (eq. 7 of the paper), Z = mean of E^(0) .. E^(L) (eq. 4 with equal layer weights),
s(u, i) = Z_u . Z_i (eq. 5). The regulariser acts on E^(0) alone (eq. 15).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs import Adjacency, Shard, bipartite_graph, lightgcn
from recgoat_jax.models.objective import Ranking, Regularization, check_width, popularity_of, ranking_terms
from recgoat_jax.models.protocols import Batch, LossOutput, Untrained, Vectors
from recgoat_jax.nn.variables import Constant, Initialization, initial_table


@dataclass(frozen=True)
class LightGcnConfig:
    """Settings of LightGCN."""

    dim: int = 64
    """Width of the vectors."""
    num_layers: int = 3
    """Propagation layers L; 0 is matrix factorisation."""
    initialization: Initialization = "xavier_uniform"
    """How the tables start."""
    ranking: Ranking = "bpr"
    """The ranking loss."""
    regularization: Regularization = "norm"
    """Penalty on the ego rows of the batch: "norm" as in the multimodal benchmark, "l2" as in the paper."""
    regularization_weight: float = 1e-4
    """Weight of the penalty."""

    def __post_init__(self) -> None:
        check_width(self.dim)


class LightGcn(nnx.Module):
    """LightGCN over the training pairs.

    Args:
        config: settings.
        dataset: prepared data; its training pairs make the graph.
        rngs: the ``params`` stream starts the tables.
        untrained: users and items that came after training; None: there are none.
    """

    def __init__(
        self, config: LightGcnConfig, dataset: Dataset, *, rngs: nnx.Rngs, untrained: Untrained | None = None
    ) -> None:
        self.config = config
        self.user_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_users, config.dim, initialization=config.initialization)
        )
        self.item_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_items, config.dim, initialization=config.initialization)
        )
        self.log_popularity = popularity_of(dataset, config.ranking)
        graph = bipartite_graph(
            dataset.train,
            dataset.num_users,
            dataset.num_items,
            receiving_only=None if untrained is None else np.concatenate(untrained),
        )
        self.adjacency = Constant(Adjacency.from_graph(graph))

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        """Z: the mean of all layers."""
        del shard
        users, items = self.user_table[...], self.item_table[...]
        with jax.named_scope("user-item graph"):
            nodes = lightgcn(
                self.adjacency.get_value(), jnp.concatenate([users, items]), num_layers=self.config.num_layers
            )
        return Vectors(nodes[: len(users)], nodes[len(users) :])

    def loss(self, batch: Batch, *, key: Key[Array, ""], shard: Shard | None = None) -> LossOutput:
        """The ranking loss on propagated vectors plus the penalty on ego rows; nothing random."""
        del key
        users, items = self.vectors(shard=shard)
        terms = ranking_terms(
            batch,
            user_vectors=users,
            item_vectors=items,
            user_table=self.user_table[...],
            item_table=self.item_table[...],
            regularization=self.config.regularization,
            weight=self.config.regularization_weight,
            shard=shard,
            log_popularity=None if self.log_popularity is None else self.log_popularity[...],
        )
        return LossOutput(sum(terms.values(), start=jnp.zeros(())), terms)

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, Float[Array, ""]]:
        """Nothing to report."""
        del shard
        return {}


__all__ = ["LightGcn", "LightGcnConfig"]
