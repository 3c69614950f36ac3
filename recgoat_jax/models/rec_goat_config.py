"""Settings of RecGOAT, the paper's and ours, each a switch."""

import math
from dataclasses import dataclass
from typing import Literal

from recgoat_jax.models.objective import Ranking, Regularization, check_width
from recgoat_jax.models.rec_goat_co_purchase import CoPurchase
from recgoat_jax.models.rec_goat_inputs import ColdItems, ItemGraphSource, RatingMode, UserBranch, UserJoin
from recgoat_jax.nn.alignment import Residual, Transport
from recgoat_jax.nn.fusion import FusionWeights
from recgoat_jax.nn.gat import AttentionStart
from recgoat_jax.nn.variables import Initialization


@dataclass(frozen=True)
class RecGoatConfig:
    """Settings of RecGOAT. Where no source states the paper's choice, the docstring of the field says so."""

    dim: int = 64
    """Width d of every representation."""
    num_layers: int = 3
    """LightGCN layers L on the user-item graph."""
    initialization: Initialization = "normal"
    """How the ID tables start."""
    ranking: Ranking = "bpr"
    """The ranking loss. The paper's is BPR; the softmax over a batch is ours."""
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
    """Share of the co-purchase graph in the mixed item graph, below 1. Not in the paper."""
    co_purchase: CoPurchase = "count"
    """What joins two items in the co-purchase graph: the number of users who have both, or EASE's weight."""
    co_purchase_penalty: float = 1000.0
    """Penalty of EASE where its weights make the co-purchase graph."""
    modality_shares: tuple[tuple[str, float], ...] = ()
    """Relative weight of a modality, by name, in the mixed item graph and at the start of the fusion; others: 1."""
    cold_items: ColdItems = "neighbors"
    """What items without training pairs have in place of a trained ID row."""
    cold_temperature: float = 0.05
    """Temperature of the softmax over likenesses that weighs the neighbours of an item without training pairs."""
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
    attention_start: AttentionStart = "head"
    """How the attention vectors start. The paper does not say."""
    user_branch: UserBranch = "graph"
    """Profile features of users, where the data set has them: unused, projected, refined over a user graph, or read for
    that graph alone, over which the ID rows of the nearest users are added up."""
    user_mix: float = 0.2
    """Share eta of the user branch in the user vector, or the gate's at the start. How the paper joins them is not
    public."""
    user_join: UserJoin = "mix"
    """The same share for every user, or a learned gate."""
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
        if not 0.0 <= self.user_mix <= 1.0 or (self.user_join == "gate" and self.user_mix in (0.0, 1.0)):
            raise ValueError(f"user_mix is {self.user_mix}; expected a share from 0 to 1, between them for a gate.")
        check_width(self.dim)
        if self.heads < 1:
            raise ValueError(f"heads is {self.heads}; expected one or more.")
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}; choose a width that is.")
        if not 0.0 <= self.co_purchase_share < 1.0:
            raise ValueError(f"co_purchase_share is {self.co_purchase_share}; expected a share from 0 to below 1.")
        if not 0.0 < self.co_purchase_penalty < math.inf:
            raise ValueError(f"co_purchase_penalty is {self.co_purchase_penalty}; expected a number above 0.")
        if not self.cold_temperature > 0.0:
            raise ValueError(f"cold_temperature is {self.cold_temperature}; expected a number above 0.")
        if not 0.0 < self.id_share <= 1.0:
            raise ValueError(f"id_share is {self.id_share}; expected a weight above 0 and up to 1.")


__all__ = ["RecGoatConfig"]
