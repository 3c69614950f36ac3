"""What a pass of RecGOAT gives, and the contrasts that align its views item by item."""

from collections.abc import Mapping
from itertools import combinations
from typing import Literal, NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from recgoat_jax.graphs.shard import Shard, take_rows
from recgoat_jax.losses import cmcl_loss, info_nce
from recgoat_jax.models.objective import first_examples, spread_contrast
from recgoat_jax.models.protocols import Batch
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.nn.alignment import Aligned

Representation = Literal["aligned", "unaligned"]
"""Views of a modality after transport, or before."""


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

    def modalities(self, representation: Representation) -> dict[str, Float[Array, "items dim"]]:
        """The views that transport aligns, ``items x dim``, after it or before it."""
        match representation:
            case "aligned":
                return {name: one.values for name, one in self.aligned.items()}
            case "unaligned":
                return {name: self.views[name] for name in self.aligned}


def contrast_terms(
    config: RecGoatConfig,
    encoded: Encoded,
    present: Mapping[str, Bool[Array, " items"]],
    batch: Batch,
    *,
    shard: Shard | None,
) -> dict[str, Float[Array, ""]]:
    """The contrasts whose weight is not zero, weighted.

    Args:
        config: settings.
        encoded: the pass.
        present: which items have each modality.
        batch: triples.
        shard: what this device holds; None on one device.

    Returns:
        Of ``"contrast"`` (CMCL), ``"id_graph_contrast"`` and ``"user_item_contrast"`` those that are
        on.
    """
    terms: dict[str, Float[Array, ""]] = {}
    # The batch is in random order, so its first examples are a random sample of it.
    few = first_examples(batch, config.contrast_examples, shard)
    if config.contrast_weight > 0 and len(encoded.views) > 1:
        with jax.named_scope("contrast"):
            terms["contrast"] = config.contrast_weight * _of_views(config, encoded.views, present, few, shard)
    if config.id_graph_contrast_weight > 0 and encoded.hop is not None:
        terms["id_graph_contrast"] = config.id_graph_contrast_weight * info_nce(
            take_rows(encoded.collaborative, few.positives, shard),
            take_rows(encoded.hop, few.positives, shard),
            temperature=config.temperature,
            ids=few.positives,
            where=few.mask,
            direction="both",
            **spread_contrast(few, shard),
        )
    if config.user_item_contrast_weight > 0:
        terms["user_item_contrast"] = config.user_item_contrast_weight * info_nce(
            take_rows(encoded.users, batch.users, shard),
            take_rows(encoded.items, batch.positives, shard),
            temperature=config.temperature,
            where=batch.mask,
            **spread_contrast(batch, shard),
        )
    return terms


def _of_views(
    config: RecGoatConfig,
    views: Mapping[str, Float[Array, "items dim"]],
    present: Mapping[str, Bool[Array, " items"]],
    batch: Batch,
    shard: Shard | None,
) -> Float[Array, ""]:
    """The contrast over the views of the batch's items."""
    if config.contrast == "released":
        return released_contrast(views, batch, temperature=config.temperature, shard=shard)
    masks = {name: take_rows(mask, batch.positives, shard) & batch.mask for name, mask in present.items()}
    return cmcl_loss(
        {name: take_rows(view, batch.positives, shard) for name, view in views.items()},
        temperature=config.temperature,
        ids=batch.positives,
        where={"id": batch.mask, **masks},
        **spread_contrast(batch, shard),
    )


def released_contrast(
    views: Mapping[str, Float[Array, "items dim"]], batch: Batch, *, temperature: float, shard: Shard | None = None
) -> Float[Array, ""]:
    """The published program's cross-modal term: the mean of 1 - InfoNCE over pairs of views.

    Minimising it pushes the views of an item apart; it exists for comparison only. One direction, duplicates kept,
    on the positive items and again on the negative items.

    Args:
        views: name to ``items x dim``.
        batch: triples.
        temperature: tau.
        shard: what this device holds; None on one device.

    Returns:
        The mean over pairs and over positive and negative items.
    """
    spread = spread_contrast(batch, shard)
    values = [
        1.0
        - info_nce(
            take_rows(views[a], rows, shard),
            take_rows(views[b], rows, shard),
            temperature=temperature,
            where=batch.mask,
            **spread,
        )
        for rows in (batch.positives, batch.negatives)
        for a, b in combinations(views, 2)
    ]
    return sum(values[1:], start=values[0]) / len(values)


__all__ = ["Encoded", "Representation", "contrast_terms", "released_contrast"]
