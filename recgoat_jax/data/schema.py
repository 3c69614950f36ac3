"""What a source reads: tables with external ids, columns checked, nothing renumbered yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from recgoat_jax.data.feature_card import FeatureCard

if TYPE_CHECKING:
    import polars as pl

SPLIT_NAMES = ("train", "valid", "test")
"""Values of the optional ``split`` column of interactions."""


@dataclass(frozen=True, eq=False)
class RawFeatures:
    """Features made elsewhere, one row an external id.

    Attributes:
        ids: external ids, without repeats, in row order.
        values: ``rows x feature``; any float type. A row of NaN only means "missing".
        encoder: what made them; becomes the ``encoder`` of the feature table.
        revision: version or settings of the encoder.
        present: ``rows``, False where the row is missing; None: every row that is not all NaN.
        card: what made them, where the file says so.
    """

    ids: tuple[str, ...]
    values: Float[np.ndarray, "rows feature"]
    encoder: str
    revision: str = ""
    present: Bool[np.ndarray, " rows"] | None = None
    card: FeatureCard | None = None


@dataclass(frozen=True, eq=False)
class RawNeighbors:
    """A ready-made neighbour list: entry ``e`` says that ``neighbors[e]`` is a neighbour of ``ids[e]``."""

    ids: tuple[str, ...]
    neighbors: tuple[str, ...]
    weights: Float[np.ndarray, " edges"]
    origin: str


@dataclass(frozen=True, eq=False)
class RawTables:
    """Tables as a source read them, with external ids.

    Attributes:
        source: name of the source and its file or directory, e.g. ``"recbole:ml-100k"``.
        interactions: polars frame with columns ``user`` (str), ``item`` (str) and, where the data has them,
            ``rating`` (f32), ``timestamp`` (i64, seconds) and ``split`` (str, one of `SPLIT_NAMES`).
        items: None, or a frame with ``item`` (str, unique) and any text columns (``title``, ``genres``, ...).
        users: None, or a frame with ``user`` (str, unique) and any text columns.
        item_features: name of a modality (``"image"``, ...) to its features.
        user_features: the same for users.
        item_neighbors: name of a modality to a ready-made neighbour list of items.
        item_relations: None, or a frame of a knowledge graph: ``item``, ``relation``, ``value`` (all str).
        licence: terms of use, one sentence; printed when the data is prepared.
        counts: what reading dropped or merged, by reason; each is reported, none is silent.
    """

    source: str
    interactions: "pl.DataFrame"
    items: "pl.DataFrame | None" = None
    users: "pl.DataFrame | None" = None
    item_features: Mapping[str, RawFeatures] = field(default_factory=dict)
    user_features: Mapping[str, RawFeatures] = field(default_factory=dict)
    item_neighbors: Mapping[str, RawNeighbors] = field(default_factory=dict)
    item_relations: "pl.DataFrame | None" = None
    licence: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


__all__ = ["SPLIT_NAMES", "RawFeatures", "RawNeighbors", "RawTables"]
