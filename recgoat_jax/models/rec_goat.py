"""RecGOAT: graph optimal adaptive transport for multimodal recommendation (arXiv 2602.00682).

One pass, in the paper's order:

1. user-item graph: LightGCN on ID vectors, edges optionally scaled by ratings (rating attention);
2. item graphs: a graph attention branch for each modality over its nearest neighbours, and, as an option, one hop of
   the mixed item graph on the ID vectors themselves;
3. user graph: attention over users with similar profiles, mixed into the user vectors;
4. instance alignment: cross-modal contrastive learning (CMCL) over all pairs of views of an item;
5. distribution alignment: optimal adaptive transport (OAT) of each modality onto the ID axes, and the explicit
   1-Wasserstein term <T, C>;
6. fusion into one item vector; the score is its dot product with the user vector.

Modalities are a mapping from name to features: text and image in the paper, any number here. Ablations and honesty
runs are settings (`recgoat_jax.models.rec_goat_variants`).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs.products import graph_product
from recgoat_jax.graphs.shard import LocalRows, Shard, counted_rows, example_axes, rows_axis
from recgoat_jax.models.objective import popularity_of, ranking_terms
from recgoat_jax.models.protocols import Batch, LossOutput, Untrained, Vectors
from recgoat_jax.models.rec_goat_co_purchase import co_purchase_graph
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.models.rec_goat_contrasts import Encoded, Representation, contrast_terms
from recgoat_jax.models.rec_goat_inputs import (
    InteractionGraph,
    ModalityBranch,
    modality_inputs,
    untrained_items,
)
from recgoat_jax.models.rec_goat_item_graphs import cold_item_graph, mean_of_neighbors, mixed_item_graph
from recgoat_jax.models.rec_goat_users import UserSide
from recgoat_jax.nn.alignment import AdaptiveTransport, match_scale
from recgoat_jax.nn.dropout import dropout
from recgoat_jax.nn.fusion import DenseFusion, WeightedFusion, weighted_sum
from recgoat_jax.nn.variables import Constant, initial_table


class RecGoat(nnx.Module):
    """RecGOAT over a prepared data set.

    Args:
        config: settings.
        dataset: prepared data: training pairs, item features or neighbour lists, user features.
        rngs: the ``params`` stream starts the parameters.
        untrained: users and items that came after training; None: the items without training pairs, as
            ``config.cold_items`` says.
    """

    def __init__(
        self, config: RecGoatConfig, dataset: Dataset, *, rngs: nnx.Rngs, untrained: Untrained | None = None
    ) -> None:
        untrained = untrained_items(dataset, config.cold_items) if untrained is None else untrained
        self.config = config
        dim = config.dim
        self.user_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_users, dim, initialization=config.initialization)
        )
        self.item_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_items, dim, initialization=config.initialization)
        )
        self.trained_items = (
            None if untrained is None or not untrained.items.any() else Constant(jnp.asarray(~untrained.items))
        )
        self.log_popularity = popularity_of(dataset, config.ranking)
        self.interactions = InteractionGraph(dataset, rating=config.rating, untrained=untrained)
        inputs = modality_inputs(
            dataset,
            modalities=config.modalities,
            features=config.features,
            scale=config.feature_scale,
            neighbors=config.neighbors,
            source=config.item_graphs,
            untrained=untrained,
            rngs=rngs,
        )
        co_purchase = (
            co_purchase_graph(
                dataset, kind=config.co_purchase, neighbors=config.neighbors, l2=config.co_purchase_penalty
            )
            if config.co_purchase_share > 0
            else None
        )
        graph = mixed_item_graph(
            inputs,
            shares=dict(config.modality_shares),
            co_purchase=co_purchase,
            co_purchase_share=config.co_purchase_share,
        )
        use_id_graph = config.id_graph_weight > 0 and graph is not None
        self.item_graph = Constant(graph) if use_id_graph else None
        use_neighbors = self.trained_items is not None and config.cold_items != "zero" and bool(inputs)
        self.cold_graph = (
            Constant(
                cold_item_graph(
                    inputs,
                    shares=dict(config.modality_shares),
                    temperature=config.cold_temperature,
                    num_items=dataset.num_items,
                )
            )
            if use_neighbors
            else None
        )
        with_branch = {} if config.fusion == "id" else {name: m for name, m in inputs.items() if m.table is not None}
        self.branches = nnx.Dict(
            {
                name: ModalityBranch(
                    modality,
                    dim,
                    layers=config.branch_layers,
                    heads=config.heads,
                    feature_dropout=config.feature_dropout,
                    attention_dropout=config.attention_dropout,
                    output_dropout=config.output_dropout,
                    attention_start=config.attention_start,
                    rngs=rngs,
                )
                for name, modality in with_branch.items()
            }
        )
        with_users = config.user_branch != "none" and bool(dataset.user_features)
        self.profiles = UserSide(config, dataset, rngs=rngs, untrained=untrained) if with_users else None
        names = tuple(with_branch)
        self.transports = nnx.Dict(
            {
                name: AdaptiveTransport(
                    dim,
                    transport=config.transport,
                    residual=config.residual,
                    epsilon=config.epsilon,
                    num_iterations=config.sinkhorn_iterations,
                    rngs=rngs,
                )
                for name in (names if config.fusion == "weighted" else ())
            }
        )
        self.weighting = (
            WeightedFusion(self._start_shares(names), weights=config.fusion_weights)
            if config.fusion == "weighted"
            else None
        )
        self.dense = (
            DenseFusion(("id", *names), dim, kind=config.fusion, rngs=rngs)
            if config.fusion in ("concat", "sum")
            else None
        )
        self.norm = nnx.LayerNorm(dim, epsilon=1e-5, rngs=rngs) if config.output == "normalized" else None

    def _start_shares(self, names: tuple[str, ...]) -> dict[str, float]:
        """Fusion weights at the start: the ID view's share, the rest by the modalities' relative weights."""
        relative = {name: dict(self.config.modality_shares).get(name, 1.0) for name in names}
        total = sum(relative.values()) or 1.0
        others = {name: (1 - self.config.id_share) * share / total for name, share in relative.items()}
        return {"id": 1.0 - sum(others.values()), **others}

    def encode(self, *, key: Key[Array, ""] | None = None, shard: Shard | None = None) -> Encoded:
        """Runs the model over all users and items.

        Args:
            key: drives dropout; None: dropout is off.
            shard: what this device holds; None on one device.

        Returns:
            Vectors and views.
        """
        config = self.config

        def subkey(position: int) -> Key[Array, ""] | None:
            return None if key is None else jax.random.fold_in(key, position)

        users, items = self.user_table[...], self.item_table[...]
        trained = None if self.trained_items is None else self.trained_items[...]
        if trained is not None:
            items = jnp.where(trained[:, None], items, 0.0)
        user_rows, item_rows = (None, None) if shard is None else (shard.users, shard.items)
        with jax.named_scope("user-item graph"):
            nodes = self.interactions(jnp.concatenate([users, items]), num_layers=config.num_layers)
        user_vectors, collaborative = nodes[: len(users)], nodes[len(users) :]
        id_view, hop = collaborative, None
        if self.item_graph is not None:
            with jax.named_scope("item graph"):
                hop = graph_product(self.item_graph.get_value(), items)
            id_view = collaborative + config.id_graph_weight * hop
        if self.cold_graph is not None and trained is not None:
            with jax.named_scope("cold items"):
                id_view = jnp.where(trained[:, None], id_view, mean_of_neighbors(self.cold_graph.get_value(), id_view))
        if self.profiles is not None:
            with jax.named_scope("user graph"):
                user_vectors = self.profiles(
                    user_vectors, users, key=subkey(0), rows=user_rows, axis_name=rows_axis(shard)
                )
        views = {"id": id_view}
        for position, (name, branch) in enumerate(self.branches.items()):
            with jax.named_scope(f"branch {name}"):
                views[name] = branch(key=subkey(position + 1), rows=item_rows)
        present = {name: branch.present[...] for name, branch in self.branches.items()}
        aligned = {
            name: transport(
                views[name],
                id_view,
                present=present[name],
                fitted=trained,
                counted=counted_rows(item_rows),
                axis_name=rows_axis(shard),
                sum_axes=example_axes(shard),
            )
            for name, transport in self.transports.items()
        }
        if self.dense is not None:
            fused = self.dense(views, present)
        elif self.weighting is not None:
            others = {name: one.values for name, one in aligned.items()}
            fused = self.weighting(self._scaled(views["id"], others, axis_name=rows_axis(shard)), present)
        else:
            fused = views["id"]
        fused = self._finished(fused, key=subkey(len(views)), rows=item_rows)
        return Encoded(user_vectors, fused, views, collaborative, hop, aligned)

    def mixed(
        self,
        encoded: Encoded,
        weights: Float[Array, " views"],
        *,
        representation: Representation = "aligned",
    ) -> Float[Array, "items dim"]:
        """Item vectors of a pass under other fusion weights; dropout off, nothing is trained.

        Args:
            encoded: from `encode`, of a model with weighted fusion.
            weights: of ``"id"`` and every modality, in the order of ``encoded.views``; not negative.
            representation: the modalities after transport, as they are fused, or before it.

        Returns:
            ``items x dim``, scaled and finished as the model's own. An item that has none of the views with a weight
            is fused to zero.
        """
        id_view = encoded.views["id"]
        others = encoded.modalities(representation)
        present = {name: branch.present[...] for name, branch in self.branches.items()}
        return self._finished(weighted_sum(weights, self._scaled(id_view, others), present))

    def _scaled(
        self,
        id_view: Float[Array, "items dim"],
        others: Mapping[str, Float[Array, "items dim"]],
        *,
        axis_name: str | None = None,
    ) -> dict[str, Float[Array, "items dim"]]:
        """The views that are summed, the ID view first."""
        if self.config.scale == "none":
            return {"id": id_view, **others}
        trained = None if self.trained_items is None else self.trained_items[...]
        scaled = {"id": id_view}
        for name, view in others.items():
            present = self.branches[name].present[...]
            fitted = present if trained is None else present & trained
            scaled[name] = match_scale(view, id_view, fitted, axis_name=axis_name)
        return scaled

    def _finished(
        self, fused: Float[Array, "items dim"], *, key: Key[Array, ""] | None = None, rows: LocalRows | None = None
    ) -> Float[Array, "items dim"]:
        """What follows the fusion."""
        if self.norm is None:
            return fused
        fused = dropout(self.norm(fused), key, rate=self.config.output_dropout, rows=rows)
        return fused * jax.lax.rsqrt(jnp.sum(jnp.square(fused), axis=-1, keepdims=True) + 1e-12)

    def loss(self, batch: Batch, *, key: Key[Array, ""], shard: Shard | None = None) -> LossOutput:
        """The ranking loss, L2, CMCL, the transport cost and the optional contrasts, each weighted."""
        config = self.config
        encoded = self.encode(key=key, shard=shard)
        terms = ranking_terms(
            batch,
            user_vectors=encoded.users,
            item_vectors=encoded.items,
            user_table=self.user_table[...],
            item_table=self.item_table[...],
            regularization=config.regularization,
            weight=config.regularization_weight,
            shard=shard,
            log_popularity=None if self.log_popularity is None else self.log_popularity[...],
        )
        present = {name: branch.present[...] for name, branch in self.branches.items()}
        terms |= contrast_terms(config, encoded, present, batch, shard=shard)
        if config.wasserstein_weight > 0 and config.transport == "plan" and encoded.aligned:
            cost = sum((one.cost for one in encoded.aligned.values()), start=jnp.zeros(()))
            terms["wasserstein"] = config.wasserstein_weight * cost
        return LossOutput(sum(terms.values(), start=jnp.zeros(())), terms)

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        """User vectors and fused item vectors, dropout off."""
        encoded = self.encode(shard=shard)
        return Vectors(encoded.users, encoded.items)

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, Float[Array, ""]]:
        """Fusion weights; cost and marginal error of each plan."""
        scalars: dict[str, Float[Array, ""]] = {}
        if self.weighting is not None:
            shares = self.weighting.shares()
            scalars |= {f"fusion/{name}": shares[position] for position, name in enumerate(self.weighting.names)}
        if self.config.transport == "plan" and self.transports:
            for name, one in self.encode(shard=shard).aligned.items():
                scalars |= {f"transport/{name}/cost": one.cost, f"transport/{name}/error": one.marginal_error}
        return scalars


__all__ = ["Encoded", "RecGoat"]
