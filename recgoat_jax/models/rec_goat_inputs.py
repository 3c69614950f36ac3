"""What RecGOAT reads: its graphs and features, prepared once, and the branches that encode them."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Key

from recgoat_jax.data import Dataset, FeatureTable, NeighborList
from recgoat_jax.errors import UsageError
from recgoat_jax.graphs import (
    Adjacency,
    bipartite_graph,
    cached_graph,
    edge_ratings,
    knn_graph,
    lightgcn,
    neighbor_graph,
)
from recgoat_jax.graphs.products import normalized_weights
from recgoat_jax.graphs.shard import LocalRows
from recgoat_jax.models.protocols import Untrained
from recgoat_jax.nn.gat import AttentionStart, GraphAttention
from recgoat_jax.nn.variables import Constant

RatingMode = Literal["none", "fifth", "centred", "learned"]
"""``"none"``: every edge weighs 1. ``"fifth"``: r / 5. ``"centred"``: r over the user's mean. ``"learned"``: one
positive weight a rating level, trained."""

ItemGraphSource = Literal["given", "features"]
"""Neighbour lists that come with the data, or nearest neighbours of the features."""

ColdItems = Literal["table", "zero", "neighbors"]
"""``"table"``: the values that its row started with, and it takes part in all graphs. ``"zero"``: nothing, and it only
receives over graphs. ``"neighbors"``: the same, and a mean of its nearest trained neighbours' ID views stands in the
place of its own, as long as theirs are on average."""

UserBranch = Literal["none", "features", "graph", "neighbors"]
"""What profiles do: nothing, join as projected features, be refined over the user graph, or make that graph alone."""

UserJoin = Literal["mix", "gate"]
"""``"mix"``: the same share of the profile's vector for every user. ``"gate"``: a share that is learned, of both
vectors of a user, and starts at the fixed one."""


@dataclass(frozen=True, eq=False)
class ModalityInput:
    """One modality of a vocabulary: its features, its neighbours, or both; and which rows only receive over graphs."""

    table: FeatureTable | None
    neighbors: NeighborList
    receiving_only: Bool[np.ndarray, " rows"] | None = None


class InteractionGraph(nnx.Module):
    """The user-item graph, its edges optionally scaled by ratings (rating attention).

    Args:
        dataset: prepared data.
        rating: how ratings scale edges.
        untrained: users and items that training does not know; None: there are none.

    Raises:
        UsageError: ratings are asked for and the data set has none, or their weights are learned and there are users
            whom training does not know.
    """

    def __init__(self, dataset: Dataset, *, rating: RatingMode, untrained: Untrained | None = None) -> None:
        if rating != "none" and dataset.train.ratings is None:
            raise UsageError(
                f"rating is '{rating}', but the data set '{dataset.manifest.name}' has no ratings; "
                "expected a rating column. Use rating 'none', or prepare the data with ratings."
            )
        if rating == "learned" and untrained is not None and untrained.users.any():
            raise UsageError(
                "rating is 'learned', for which vectors of new users cannot be made; expected another rating setting."
            )
        fixed = "none" if rating == "learned" else rating
        graph = bipartite_graph(
            dataset.train,
            dataset.num_users,
            dataset.num_items,
            rating_weight=fixed,
            receiving_only=None if untrained is None else np.concatenate(untrained),
        )
        # Two names: over devices a graph whose weights are learned takes another form than one with constant weights.
        adjacency = Constant(Adjacency.from_graph(graph))
        self.adjacency, self.rated_adjacency = (None, adjacency) if rating == "learned" else (adjacency, None)
        if rating != "learned":
            self.level_logits, self.edge_levels = None, None
            return
        levels, edge_levels = np.unique(edge_ratings(dataset.train, dataset.num_users), return_inverse=True)
        relative = np.maximum(levels / levels.max(), 0.05)
        # softplus^-1, so that the weights start at r / max r.
        self.level_logits = nnx.Param(jnp.asarray(np.log(np.expm1(relative)), jnp.float32))
        self.edge_levels = Constant(jnp.asarray(edge_levels, jnp.int32))

    def __call__(self, nodes: Float[Array, "nodes dim"], *, num_layers: int) -> Float[Array, "nodes dim"]:
        """LightGCN over the graph, users before items; over devices this device's nodes."""
        if self.rated_adjacency is None or self.level_logits is None or self.edge_levels is None:
            assert self.adjacency is not None
            return lightgcn(self.adjacency.get_value(), nodes, num_layers=num_layers)
        graph = self.rated_adjacency.get_value()
        # Over devices a leading axis of one shard remains, as in the graph.
        levels = self.edge_levels[...].reshape(-1)
        weights = normalized_weights(graph, jax.nn.softplus(self.level_logits[...])[levels])
        return lightgcn(graph, nodes, num_layers=num_layers, weights=weights)


class ModalityBranch(nnx.Module):
    """Features to vectors: a linear map, then graph attention over the nearest neighbours.

    Args:
        modality: features and neighbours.
        dim: width of the result.
        layers: graph attention layers; 0: the linear map alone.
        heads: attention heads.
        feature_dropout: dropout on what enters a layer.
        attention_dropout: dropout on attention coefficients.
        output_dropout: dropout on what leaves a layer.
        attention_start: how attention vectors start.
        rngs: the ``params`` stream starts the parameters.
    """

    def __init__(
        self,
        modality: ModalityInput,
        dim: int,
        *,
        layers: int,
        heads: int,
        feature_dropout: float,
        attention_dropout: float,
        output_dropout: float,
        attention_start: AttentionStart,
        rngs: nnx.Rngs,
    ) -> None:
        if modality.table is None:
            raise ValueError("a branch needs features; this modality has neighbours only.")
        self.features = Constant(jnp.asarray(modality.table.values, jnp.float32))
        self.present = Constant(jnp.asarray(modality.table.present))
        self.projection = nnx.Linear(modality.table.dim, dim, rngs=rngs)
        self.attention = nnx.List(
            [
                GraphAttention(
                    dim,
                    dim,
                    heads=heads,
                    feature_dropout=feature_dropout,
                    attention_dropout=attention_dropout,
                    output_dropout=output_dropout,
                    attention_start=attention_start,
                    rngs=rngs,
                )
                for _ in range(layers)
            ]
        )
        self.adjacency = Constant(Adjacency.from_graph(_attention_graph(modality))) if layers else None

    def __call__(self, *, key: Key[Array, ""] | None, rows: LocalRows | None = None) -> Float[Array, "rows dim"]:
        """Vectors of all rows, over devices of this device's; rows without the modality hold nothing to be read."""
        x = self.projection(self.features[...])
        if self.adjacency is not None:
            for position, layer in enumerate(self.attention):
                layer_key = None if key is None else jax.random.fold_in(key, position)
                x = layer(self.adjacency.get_value(), x, key=layer_key, rows=rows)
        return x


def _attention_graph(modality: ModalityInput) -> jraph.GraphsTuple:
    return neighbor_graph(
        modality.neighbors, normalization="none", self_loops=True, receiving_only=modality.receiving_only
    )


def modality_inputs(
    dataset: Dataset,
    *,
    modalities: tuple[str, ...] | None,
    features: Literal["given", "random"],
    scale: Literal["unit", "none"],
    neighbors: int,
    source: ItemGraphSource,
    untrained: Untrained | None,
    rngs: nnx.Rngs,
) -> dict[str, ModalityInput]:
    """Features and neighbour lists of each modality of the items.

    Args:
        dataset: prepared data.
        modalities: names to use; None: all.
        features: given ones, or noise of equal width (then the neighbours are the noise's, too).
        scale: whether tables are rescaled to a root mean square of 1.
        neighbors: k of a neighbour graph that has to be built.
        source: whether ready-made lists are preferred.
        untrained: items that training does not know; None: there are none.
        rngs: the ``params`` stream draws the noise.

    Returns:
        Name to input, in alphabetical order.

    Raises:
        UsageError: a name that the data set does not have.
    """
    known = sorted({*dataset.item_features, *dataset.item_neighbors})
    names = known if modalities is None else sorted(modalities)
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(f"modality {unknown[0]!r} is not in the data set; expected one of {known}.")
    inputs = {}
    cold = None if untrained is None else untrained.items
    for name in names:
        table = dataset.item_features.get(name)
        if features == "random" and table is not None:
            noise = jax.random.normal(rngs.params(), table.values.shape)
            table = FeatureTable(np.asarray(noise), table.present, encoder="random", revision=name)
        if scale == "unit" and table is not None:
            table = standard_features(table, receiving_only=cold)
        given = dataset.item_neighbors.get(name)
        if given is not None and (source == "given" or table is None) and features == "given":
            inputs[name] = ModalityInput(table, given, cold)
        elif table is not None:
            inputs[name] = ModalityInput(table, nearest_neighbors(table, neighbors, receiving_only=cold), cold)
    return inputs


def nearest_neighbors(
    table: FeatureTable, k: int, *, receiving_only: Bool[np.ndarray, " rows"] | None = None
) -> NeighborList:
    """The kNN graph of a feature table, built on first use and cached by content; some rows are nobody's neighbour."""
    eligible = None if receiving_only is None else ~receiving_only
    parts = () if eligible is None else (eligible,)
    return cached_graph(
        ("knn", k, table.values, table.present, *parts), lambda: knn_graph(table, k=k, eligible=eligible)
    )


def standard_features(table: FeatureTable, *, receiving_only: Bool[np.ndarray, " rows"] | None = None) -> FeatureTable:
    """Features with unit root mean square, over all rows but some, so that one learning rate suits every modality."""
    fitted = table.present if receiving_only is None else table.present & ~receiving_only
    scale = float(np.sqrt(np.mean(np.square(table.values[fitted])))) if fitted.any() else 1.0
    scale = scale or 1.0
    return FeatureTable(
        np.where(table.present[:, None], table.values / scale, 0.0).astype(np.float32),
        table.present,
        table.encoder,
        table.revision,
    )


def untrained_items(dataset: Dataset, cold_items: ColdItems) -> Untrained | None:
    """The items without training pairs, where they are to be told apart and there are any."""
    cold = dataset.item_counts == 0
    if cold_items == "table" or not cold.any():
        return None
    return Untrained(np.zeros(dataset.num_users, bool), cold)


def user_inputs(dataset: Dataset, *, neighbors: int, untrained: Untrained | None) -> ModalityInput:
    """Profile features of the users and their neighbours.

    Several user feature tables are joined side by side; a user without any of them is missing.

    Args:
        dataset: prepared data with user features.
        neighbors: k of the user graph.
        untrained: users that training does not know; None: there are none.

    Returns:
        The joined table and the nearest neighbours in it.
    """
    cold = None if untrained is None else untrained.users
    tables = [standard_features(table, receiving_only=cold) for _, table in sorted(dataset.user_features.items())]
    joined = FeatureTable(
        np.concatenate([table.values for table in tables], axis=1),
        np.any([table.present for table in tables], axis=0),
        encoder="+".join(table.encoder for table in tables),
    )
    return ModalityInput(joined, nearest_neighbors(joined, neighbors, receiving_only=cold), cold)


__all__ = [
    "ColdItems",
    "InteractionGraph",
    "ItemGraphSource",
    "ModalityBranch",
    "ModalityInput",
    "RatingMode",
    "UserBranch",
    "UserJoin",
    "modality_inputs",
    "nearest_neighbors",
    "standard_features",
    "untrained_items",
    "user_inputs",
]
