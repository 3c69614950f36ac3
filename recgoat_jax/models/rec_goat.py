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
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs import lightgcn, propagate
from recgoat_jax.losses import cmcl_loss, info_nce
from recgoat_jax.models.objective import Regularization, ranking_terms
from recgoat_jax.models.protocols import Batch, LossOutput, Vectors
from recgoat_jax.models.rec_goat_inputs import (
    InteractionGraph,
    ItemGraphSource,
    ModalityBranch,
    RatingMode,
    UserBranch,
    mixed_item_graph,
    modality_inputs,
    user_inputs,
)
from recgoat_jax.nn.alignment import AdaptiveTransport, Aligned, Residual, Transport, match_scale
from recgoat_jax.nn.fusion import DenseFusion, FusionWeights, WeightedFusion
from recgoat_jax.nn.variables import Constant, Initialization, initial_table


@dataclass(frozen=True)
class RecGoatConfig:
    """Settings of RecGOAT. Where no source states the paper's choice, the docstring of the field says so."""

    dim: int = 64
    """Width d of every representation."""
    num_layers: int = 3
    """LightGCN layers L on the user-item graph."""
    initialization: Initialization = "normal"
    """How the ID tables start."""
    regularization: Regularization = "l2"
    """Penalty on the ego rows of the batch."""
    regularization_weight: float = 1e-3
    """Weight of the penalty."""
    rating: RatingMode = "none"
    """How ratings scale the edges of the user-item graph. The paper's formula is not public."""
    modalities: tuple[str, ...] | None = None
    """Modalities to use, by name; None: all that the data set has."""
    features: Literal["given", "random"] = "given"
    """The features of the data set, or noise of equal width (a control)."""
    feature_scale: Literal["unit", "none"] = "unit"
    """Whether each feature table is rescaled to a root mean square of 1."""
    neighbors: int = 10
    """Neighbours k in the item graphs and the user graph."""
    item_graphs: ItemGraphSource = "given"
    """Ready-made neighbour lists where the data set has them, or always the nearest neighbours of the features."""
    id_graph_weight: float = 0.5
    """Weight of one hop of the mixed item graph on the ID vectors; 0 leaves it out. Not in the paper."""
    co_purchase_share: float = 0.0
    """Share of the training co-occurrence graph in the mixed item graph, below 1. Not in the paper."""
    modality_shares: tuple[tuple[str, float], ...] = ()
    """Relative weight of a modality, by name, in the mixed item graph and at the start of the fusion; others: 1."""
    branch_layers: int = 1
    """Graph attention layers of a modality branch."""
    heads: int = 2
    """Attention heads; they divide the width."""
    feature_dropout: float = 0.1
    """Dropout on what enters a graph attention layer."""
    attention_dropout: float = 0.0
    """Dropout on attention coefficients."""
    output_dropout: float = 0.1
    """Dropout on what leaves a graph attention layer."""
    user_branch: UserBranch = "graph"
    """Profile features of users, where the data set has them: unused, projected, or refined over a user graph."""
    user_mix: float = 0.2
    """Share eta of the user branch in the user vector. How the paper joins them is not public."""
    transport: Transport = "plan"
    """Base map of a modality onto the ID axes."""
    residual: Residual = "zero"
    """Start of the learnable residual D."""
    epsilon: float | None = None
    """Entropic regularisation of the plan; None: 2 / sqrt(items), twice the noise floor of a correlation."""
    sinkhorn_iterations: int = 100
    """Sinkhorn iterations a step."""
    fusion: Literal["weighted", "concat", "sum", "id"] = "weighted"
    """Weighted sum of aligned views; the naive fusions of unaligned views; or the ID view alone."""
    fusion_weights: FusionWeights = "learned"
    """Whether the weights of the weighted fusion are trained."""
    id_share: float = 0.9
    """Weight of the ID view at the start."""
    scale: Literal["match", "none"] = "match"
    """Whether aligned views are rescaled to the root mean square of the ID view."""
    output: Literal["plain", "normalized"] = "plain"
    """The fused vector as it is, or layer norm, dropout and unit length as in the published program."""
    contrast: Literal["cmcl", "released"] = "cmcl"
    """InfoNCE minimised over pairs of views, or the published program's 1 - InfoNCE, which pushes views apart."""
    contrast_weight: float = 0.002
    """Weight of the cross-modal contrastive term; 0 leaves it out."""
    id_graph_contrast_weight: float = 0.01
    """Weight of the contrast between an item's collaborative and item-graph vector. Not in the paper."""
    user_item_contrast_weight: float = 0.0
    """Weight of a user-item InfoNCE, which the published program adds to its contrastive term."""
    temperature: float = 0.2
    """Temperature tau of every contrastive term."""
    contrast_examples: int | None = 512
    """Examples of a batch that enter the item contrasts, whose cost grows with their square; None: all."""
    wasserstein_weight: float = 1e-3
    """Weight of the explicit transport cost, summed over modalities. The paper's weight is not public."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}; choose a width that is.")
        if not 0.0 <= self.co_purchase_share < 1.0:
            raise ValueError(f"co_purchase_share is {self.co_purchase_share}; expected a share from 0 to below 1.")
        if not 0.0 < self.id_share <= 1.0:
            raise ValueError(f"id_share is {self.id_share}; expected a weight above 0 and up to 1.")


class Encoded(NamedTuple):
    """One pass: the vectors that score, and what the losses compare.

    Attributes:
        users: ``users x dim``.
        items: ``items x dim``, fused.
        views: ``"id"`` and every modality before transport, ``items x dim``.
        collaborative: item vectors of the user-item graph alone.
        hop: the mixed item graph's hop on the ID vectors, or None.
        aligned: every modality after transport.
    """

    users: Float[Array, "users dim"]
    items: Float[Array, "items dim"]
    views: Mapping[str, Float[Array, "items dim"]]
    collaborative: Float[Array, "items dim"]
    hop: Float[Array, "items dim"] | None
    aligned: Mapping[str, Aligned]


class RecGoat(nnx.Module):
    """RecGOAT over a prepared data set.

    Args:
        config: settings.
        dataset: prepared data: training pairs, item features or neighbour lists, user features.
        rngs: the ``params`` stream starts the parameters.
    """

    def __init__(self, config: RecGoatConfig, dataset: Dataset, *, rngs: nnx.Rngs) -> None:
        self.config = config
        dim = config.dim
        self.user_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_users, dim, initialization=config.initialization)
        )
        self.item_table = nnx.Param(
            initial_table(rngs.params(), dataset.num_items, dim, initialization=config.initialization)
        )
        self.interactions = InteractionGraph(dataset, rating=config.rating)
        inputs = modality_inputs(
            dataset,
            modalities=config.modalities,
            features=config.features,
            scale=config.feature_scale,
            neighbors=config.neighbors,
            source=config.item_graphs,
            rngs=rngs,
        )
        graph = mixed_item_graph(
            dataset,
            inputs,
            shares=dict(config.modality_shares),
            co_purchase_share=config.co_purchase_share,
            neighbors=config.neighbors,
        )
        use_id_graph = config.id_graph_weight > 0 and graph is not None
        self.item_graph = Constant(graph) if use_id_graph else None
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
                    rngs=rngs,
                )
                for name, modality in with_branch.items()
            }
        )
        profiles = user_inputs(dataset, branch=config.user_branch, neighbors=config.neighbors)
        self.profiles = (
            None
            if profiles is None
            else ModalityBranch(
                profiles,
                dim,
                layers=config.branch_layers if config.user_branch == "graph" else 0,
                heads=config.heads,
                feature_dropout=config.feature_dropout,
                attention_dropout=config.attention_dropout,
                output_dropout=config.output_dropout,
                rngs=rngs,
            )
        )
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

    def encode(self, *, key: Key[Array, ""] | None = None) -> Encoded:
        """Runs the model over all users and items.

        Args:
            key: drives dropout; None: dropout is off.

        Returns:
            Vectors and views.
        """
        config = self.config

        def subkey(position: int) -> Key[Array, ""] | None:
            return None if key is None else jax.random.fold_in(key, position)

        users, items = self.user_table[...], self.item_table[...]
        adjacency, weights = self.interactions()
        nodes = lightgcn(adjacency, jnp.concatenate([users, items]), num_layers=config.num_layers, weights=weights)
        user_vectors, collaborative = nodes[: len(users)], nodes[len(users) :]
        id_view, hop = collaborative, None
        if self.item_graph is not None:
            hop = propagate(self.item_graph.get_value(), items)
            id_view = collaborative + config.id_graph_weight * hop
        if self.profiles is not None:
            profile = self.profiles(key=subkey(0))
            mixed = (1 - config.user_mix) * user_vectors + config.user_mix * match_scale(profile, user_vectors)
            user_vectors = jnp.where(self.profiles.present[...][:, None], mixed, user_vectors)
        views = {"id": id_view}
        for position, (name, branch) in enumerate(self.branches.items()):
            views[name] = branch(key=subkey(position + 1))
        present = {name: branch.present[...] for name, branch in self.branches.items()}
        aligned = {
            name: transport(views[name], id_view, present=present[name]) for name, transport in self.transports.items()
        }
        fused = self._fuse(views, aligned, present)
        if self.norm is not None:
            fused = self.norm(fused)
            if key is not None:
                kept = jax.random.bernoulli(jax.random.fold_in(key, len(views)), 1 - config.output_dropout, fused.shape)
                fused = jnp.where(kept, fused / (1 - config.output_dropout), 0.0)
            fused = fused * jax.lax.rsqrt(jnp.sum(jnp.square(fused), axis=-1, keepdims=True) + 1e-12)
        return Encoded(user_vectors, fused, views, collaborative, hop, aligned)

    def _fuse(
        self,
        views: Mapping[str, Float[Array, "items dim"]],
        aligned: Mapping[str, Aligned],
        present: Mapping[str, Array],
    ) -> Float[Array, "items dim"]:
        if self.dense is not None:
            return self.dense(views, present)
        if self.weighting is None:
            return views["id"]
        fitted = {name: one.values for name, one in aligned.items()}
        if self.config.scale == "match":
            fitted = {name: match_scale(x, views["id"], present[name]) for name, x in fitted.items()}
        return self.weighting({"id": views["id"], **fitted}, present)

    def loss(self, batch: Batch, *, key: Key[Array, ""]) -> LossOutput:
        """BPR, L2, CMCL, the transport cost and the optional contrasts, each weighted."""
        config = self.config
        encoded = self.encode(key=key)
        terms = ranking_terms(
            batch,
            user_vectors=encoded.users,
            item_vectors=encoded.items,
            user_table=self.user_table[...],
            item_table=self.item_table[...],
            regularization=config.regularization,
            weight=config.regularization_weight,
        )
        # The batch is in random order, so its first examples are a random sample of it.
        few = jax.tree.map(lambda values: values[: config.contrast_examples], batch)
        if config.contrast_weight > 0 and len(encoded.views) > 1:
            terms["contrast"] = config.contrast_weight * self._contrast(encoded, few)
        if config.id_graph_contrast_weight > 0 and encoded.hop is not None:
            terms["id_graph_contrast"] = config.id_graph_contrast_weight * info_nce(
                encoded.collaborative[few.positives],
                encoded.hop[few.positives],
                temperature=config.temperature,
                ids=few.positives,
                where=few.mask,
                direction="both",
            )
        if config.user_item_contrast_weight > 0:
            terms["user_item_contrast"] = config.user_item_contrast_weight * info_nce(
                encoded.users[batch.users],
                encoded.items[batch.positives],
                temperature=config.temperature,
                where=batch.mask,
            )
        if config.wasserstein_weight > 0 and config.transport == "plan" and encoded.aligned:
            cost = sum((one.cost for one in encoded.aligned.values()), start=jnp.zeros(()))
            terms["wasserstein"] = config.wasserstein_weight * cost
        return LossOutput(sum(terms.values(), start=jnp.zeros(())), terms)

    def _contrast(self, encoded: Encoded, batch: Batch) -> Float[Array, ""]:
        """The contrastive term over the views of the batch's items."""
        config = self.config
        if config.contrast == "released":
            return released_contrast(encoded.views, batch, temperature=config.temperature)
        masks = {name: branch.present[...][batch.positives] & batch.mask for name, branch in self.branches.items()}
        return cmcl_loss(
            {name: view[batch.positives] for name, view in encoded.views.items()},
            temperature=config.temperature,
            ids=batch.positives,
            where={"id": batch.mask, **masks},
        )

    def vectors(self) -> Vectors:
        """User vectors and fused item vectors, dropout off."""
        encoded = self.encode()
        return Vectors(encoded.users, encoded.items)

    def diagnostics(self) -> Mapping[str, Float[Array, ""]]:
        """Fusion weights; cost and marginal error of each plan."""
        scalars: dict[str, Float[Array, ""]] = {}
        if self.weighting is not None:
            shares = self.weighting.shares()
            scalars |= {f"fusion/{name}": shares[position] for position, name in enumerate(self.weighting.names)}
        if self.config.transport == "plan" and self.transports:
            for name, one in self.encode().aligned.items():
                scalars |= {f"transport/{name}/cost": one.cost, f"transport/{name}/error": one.marginal_error}
        return scalars


def released_contrast(
    views: Mapping[str, Float[Array, "items dim"]], batch: Batch, *, temperature: float
) -> Float[Array, ""]:
    """The published program's cross-modal term: the mean of 1 - InfoNCE over pairs of views.

    Minimising it pushes the views of an item apart; it exists for comparison only. One direction, duplicates kept,
    on the positive items and again on the negative items.

    Args:
        views: name to ``items x dim``.
        batch: triples.
        temperature: tau.

    Returns:
        The mean over pairs and over positive and negative items.
    """
    names = list(views)
    values = [
        1.0 - info_nce(views[a][rows], views[b][rows], temperature=temperature, where=batch.mask)
        for rows in (batch.positives, batch.negatives)
        for position, a in enumerate(names)
        for b in names[position + 1 :]
    ]
    return sum(values[1:], start=values[0]) / len(values)


__all__ = ["Encoded", "RecGoat", "RecGoatConfig", "released_contrast"]
