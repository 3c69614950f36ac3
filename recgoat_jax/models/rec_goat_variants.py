"""RecGOAT's ablations, honesty runs and the released program's behaviour, as settings of one model."""

from dataclasses import replace
from typing import Literal

from recgoat_jax.models.rec_goat_config import RecGoatConfig

Ablation = Literal["id_only", "concat", "sum", "cmcl_only", "oat_only", "full"]
"""The rows of the paper's ablation."""

NaiveFusion = Literal["concat", "sum"]
"""Fusions without alignment."""

UserAblation = Literal["no_profile", "features_only", "graph_only", "both"]
"""What the user side is made of."""

Control = Literal["no_plan", "no_residual", "permuted_plan", "linear", "random_features", "id_graph", "plain_graph"]
"""Runs that tell whether transport, and content, do what they are said to do."""


def ablation(config: RecGoatConfig, name: Ablation) -> RecGoatConfig:
    """A row of the ablation, everything else equal.

    The paper names the rows and not their settings; these are the choices made here: the naive fusions have no
    alignment loss, ``cmcl_only`` fuses by sum with the contrastive term, ``oat_only`` transports without it.

    Args:
        config: the full model.
        name: the row.

    Returns:
        Its settings.
    """
    unaligned = {"contrast_weight": 0.0, "wasserstein_weight": 0.0}
    match name:
        case "id_only":
            alone = replace(config, fusion="id", modalities=(), id_graph_weight=0.0, user_branch="none")
            return replace(alone, **unaligned, cold_items="table")
        case "concat" | "sum":
            return replace(config, **unaligned, fusion=name)
        case "cmcl_only":
            return replace(config, wasserstein_weight=0.0, fusion="sum")
        case "oat_only":
            return replace(config, contrast_weight=0.0)
        case "full":
            return config


def naive(config: RecGoatConfig, fusion: NaiveFusion) -> RecGoatConfig:
    """Features fused into the ID vectors with nothing else: what ``id_only`` is to be compared with.

    The rows of `ablation` keep what this model has beside the paper's, the item graph on the ID vectors and the user
    branch; ``id_only`` has neither, so that a difference to it would be of several causes.

    Args:
        config: the full model.
        fusion: how features and ID vectors are fused.

    Returns:
        Its settings: no item graph on the ID vectors, no user branch, no alignment.
    """
    return replace(ablation(config, fusion), id_graph_weight=0.0, user_branch="none")


def user_ablation(config: RecGoatConfig, name: UserAblation) -> RecGoatConfig:
    """A row of the ablation of the user side, everything else equal.

    Args:
        config: the full model.
        name: ``"no_profile"``: collaborative vectors alone. ``"features_only"``: projected profiles, no user graph.
            ``"graph_only"``: ID rows of the users with the nearest profiles. ``"both"``: projected profiles, refined
            over the user graph.

    Returns:
        Its settings.
    """
    match name:
        case "no_profile":
            return replace(config, user_branch="none")
        case "features_only":
            return replace(config, user_branch="features")
        case "graph_only":
            return replace(config, user_branch="neighbors")
        case "both":
            return replace(config, user_branch="graph")


def control(config: RecGoatConfig, name: Control) -> RecGoatConfig:
    """An honesty run, everything else equal.

    Args:
        config: the full model.
        name: ``"no_plan"``: T = 0, the residual alone. ``"no_residual"``: D = 0, the plan alone.
            ``"permuted_plan"``: a random permutation in the plan's place. ``"linear"``: a free linear map.
            ``"random_features"``: noise of equal width in the features' place. ``"id_graph"``: the item graph on the
            ID vectors, with its contrast and the users' side, and nothing else of the modalities, neither branch nor
            transport. ``"plain_graph"``: that graph alone, LightGCN with one hop more: no contrast, no users' side.

    Returns:
        Its settings.
    """
    match name:
        case "no_plan":
            # A residual that starts at zero beside a zero plan would start from a dead branch.
            return replace(config, transport="none", residual="xavier", wasserstein_weight=0.0)
        case "no_residual":
            return replace(config, residual="none")
        case "permuted_plan":
            return replace(config, transport="permutation", wasserstein_weight=0.0)
        case "linear":
            return replace(config, transport="linear", wasserstein_weight=0.0)
        case "random_features":
            return replace(config, features="random")
        case "id_graph":
            return replace(config, fusion="id", contrast_weight=0.0, wasserstein_weight=0.0)
        case "plain_graph":
            return replace(control(config, "id_graph"), id_graph_contrast_weight=0.0, user_branch="none")


def released(*, dim: int = 800, neighbors: int = 20, contrast_weight: float = 0.032) -> RecGoatConfig:
    """The published program's behaviour, for comparison: what it computes, not what the paper describes.

    Exponential-domain Sinkhorn without stabilisation, a Xavier residual beside a plan whose rows sum to 1/d,
    unconstrained fusion weights (.15 ID, .05 image, .80 text), layer norm and unit item vectors, 1 - InfoNCE as the
    cross-modal term, a user-item InfoNCE beside it, no user branch, no ratings, no item graph on the IDs, nothing
    special about items without training pairs.

    Args:
        dim: width; 800, 600 and 200 on Baby, Sports and Electronics.
        neighbors: k; 20, 30 and 20.
        contrast_weight: lambda; .032, .005 and .05.

    Returns:
        The settings. The loss has half of lambda on either contrastive term.
    """
    return RecGoatConfig(
        dim=dim,
        num_layers=3,
        initialization="normal",
        regularization="l2",
        regularization_weight=1e-4,
        rating="none",
        feature_scale="none",
        neighbors=neighbors,
        item_graphs="features",
        id_graph_weight=0.0,
        co_purchase_share=0.0,
        modality_shares=(("image", 0.05), ("text", 0.80)),
        cold_items="table",
        heads=8,
        feature_dropout=0.1,
        attention_dropout=0.1,
        output_dropout=0.1,
        attention_start="heads",
        user_branch="none",
        transport="released",
        residual="xavier",
        epsilon=0.01,
        fusion="weighted",
        fusion_weights="unconstrained",
        id_share=0.15,
        scale="none",
        output="normalized",
        contrast="released",
        contrast_weight=contrast_weight / 2,
        id_graph_contrast_weight=0.0,
        user_item_contrast_weight=contrast_weight / 2,
        temperature=0.2,
        contrast_examples=None,
        wasserstein_weight=0.0,
    )


__all__ = [
    "Ablation",
    "Control",
    "NaiveFusion",
    "UserAblation",
    "ablation",
    "control",
    "naive",
    "released",
    "user_ablation",
]
