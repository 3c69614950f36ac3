"""The prepared data set: what every later stage reads, in vocabulary rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Int

from recgoat_jax.arrays import RowIds
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

ProtocolName = Literal["given", "per_user_811", "leave_last_out", "global_time", "cold_items"]
"""Named, frozen rules that turn interactions into train, validation and test (see `data.splits`)."""

SplitName = Literal["train", "valid", "test"]
"""Parts of a prepared data set."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """(user, item) pairs in vocabulary rows, sorted by user, then item; no pair twice.

    Attributes:
        users: ``pairs``, int32.
        items: ``pairs``, int32.
        ratings: ``pairs``, float32, or None where the data has none.
        timestamps: ``pairs``, int64 seconds, or None where the data has none.
    """

    users: RowIds
    items: RowIds
    ratings: Float[np.ndarray, " pairs"] | None = None
    timestamps: Int[np.ndarray, " pairs"] | None = None

    def __len__(self) -> int:
        return len(self.users)

    def offsets(self, num_users: int) -> Int[np.ndarray, " offsets"]:
        """CSR row pointers: the items of user ``u`` are ``items[offsets[u]:offsets[u + 1]]``."""
        return np.searchsorted(self.users, np.arange(num_users + 1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class NeighborList:
    """A ready-made directed neighbour graph over a vocabulary.

    Attributes:
        receivers: ``edges``, int32: the node whose neighbour list the edge belongs to.
        senders: ``edges``, int32: the neighbour.
        weights: ``edges``, float32: the similarity that the list came with.
        num_nodes: rows of the vocabulary.
        origin: where it came from.
    """

    receivers: RowIds
    senders: RowIds
    weights: Float[np.ndarray, " edges"]
    num_nodes: int
    origin: str


@dataclass(frozen=True)
class Manifest:
    """What a prepared data set is, in full: enough to refuse a comparison that is not like for like.

    Attributes:
        name: short name of the data set.
        source: the source and what it read.
        protocol: name of the split rule.
        seed: seed of the split.
        options: further settings of preparation (k-core, minimum rating, ...), as text.
        counts: users, items, pairs of each split, and whatever was dropped or merged, by reason.
        hash: SHA-256 over the contents (vocabularies, splits, features), hexadecimal.
        licence: terms of use.
    """

    name: str
    source: str
    protocol: ProtocolName
    seed: int
    options: Mapping[str, str]
    counts: Mapping[str, int]
    hash: str
    licence: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared data set.

    Attributes:
        users: user vocabulary.
        items: item vocabulary.
        train: training pairs: the only ones that graphs, negatives and profiles may see.
        valid: validation pairs.
        test: test pairs.
        manifest: protocol, counts and hash.
        item_table: None, or an arrow table aligned with ``items`` (text columns such as ``title``).
        user_table: None, or an arrow table aligned with ``users``.
        item_features: modality name to features aligned with ``items``.
        user_features: name to features aligned with ``users``.
        item_neighbors: modality name to a ready-made neighbour list over ``items``.
    """

    users: Vocabulary
    items: Vocabulary
    train: Interactions
    valid: Interactions
    test: Interactions
    manifest: Manifest
    item_table: "pa.Table | None" = None
    user_table: "pa.Table | None" = None
    item_features: Mapping[str, FeatureTable] = field(default_factory=dict)
    user_features: Mapping[str, FeatureTable] = field(default_factory=dict)
    item_neighbors: Mapping[str, NeighborList] = field(default_factory=dict)

    @property
    def num_users(self) -> int:
        """Rows of the user vocabulary."""
        return len(self.users)

    @property
    def num_items(self) -> int:
        """Rows of the item vocabulary."""
        return len(self.items)

    def split(self, name: SplitName) -> Interactions:
        """The pairs of one split."""
        match name:
            case "train":
                return self.train
            case "valid":
                return self.valid
            case "test":
                return self.test

    @cached_property
    def item_counts(self) -> Int[np.ndarray, " items"]:
        """Training interactions of each item."""
        return np.bincount(self.train.items, minlength=self.num_items)

    @cached_property
    def user_counts(self) -> Int[np.ndarray, " users"]:
        """Training interactions of each user."""
        return np.bincount(self.train.users, minlength=self.num_users)


__all__ = ["Dataset", "Interactions", "Manifest", "NeighborList", "ProtocolName", "SplitName"]
