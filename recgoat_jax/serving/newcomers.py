"""Data sets with users and items that came after training, behind those that training knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from recgoat_jax.data.dataset import Dataset, Interactions, NeighborList
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.graphs import knn_graph
from recgoat_jax.models.protocols import Untrained


def history_pairs(dataset: Dataset, histories: Sequence[Sequence[str]]) -> Interactions:
    """Histories as pairs of a place among them and an item row; an item that comes twice counts once.

    Raises:
        UsageError: an item that the data does not have.
    """
    rows = [np.unique(dataset.items.rows(history)) for history in histories]
    places = np.repeat(np.arange(len(rows)), [len(items) for items in rows])
    return Interactions(places.astype(np.int32), np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32))


def newcomer_names(count: int) -> list[str]:
    """What newcomers without ids are called: ``"new user 1"`` and so on."""
    return [f"new user {number}" for number in range(1, count + 1)]


class Newcomers(NamedTuple):
    """A data set with rows behind those of training, and which rows training does not know."""

    dataset: Dataset
    untrained: Untrained


def with_items(
    dataset: Dataset, features: Mapping[str, FeatureTable], count: int, cold: Bool[np.ndarray, " items"]
) -> Newcomers:
    """The data set with new items behind the others."""
    tables = {name: _appended(table, features.get(name), count) for name, table in dataset.item_features.items()}
    untrained = np.concatenate([cold, np.ones(count, bool)])
    grown = replace(
        dataset,
        items=_longer(dataset.items, count, "item"),
        item_features=tables,
        item_neighbors={
            name: _longer_list(listed, tables.get(name), untrained) for name, listed in dataset.item_neighbors.items()
        },
    )
    return Newcomers(grown, Untrained(np.zeros(dataset.num_users, bool), untrained))


def with_users(
    dataset: Dataset,
    histories: Interactions,
    count: int,
    profiles: Mapping[str, FeatureTable],
    cold: Bool[np.ndarray, " items"],
) -> Newcomers:
    """The data set with new users, and their histories as training pairs, behind the others."""
    rows = dataset.num_users + histories.users
    train, ratings = dataset.train, dataset.train.ratings
    if ratings is not None:
        levels, counts = np.unique(ratings, return_counts=True)
        ratings = np.concatenate([ratings, np.full(len(rows), levels[np.argmax(counts)], ratings.dtype)])
    grown = replace(
        dataset,
        users=_longer(dataset.users, count, "user"),
        train=Interactions(
            np.concatenate([train.users, rows]).astype(np.int32),
            np.concatenate([train.items, histories.items]).astype(np.int32),
            ratings,
        ),
        user_features={
            name: _appended(table, profiles.get(name), count) for name, table in dataset.user_features.items()
        },
    )
    return Newcomers(grown, Untrained(np.arange(grown.num_users) >= dataset.num_users, cold))


def _longer(vocabulary: Vocabulary, count: int, kind: str) -> Vocabulary:
    """The vocabulary and ids that it does not have."""
    return Vocabulary([*vocabulary.ids, *(f"\0new {number}" for number in range(count))], kind=kind)


def _longer_list(
    listed: NeighborList, table: FeatureTable | None, untrained: Bool[np.ndarray, " rows"]
) -> NeighborList:
    """A ready-made list, and the nearest trained neighbours of the new rows, as many as others have."""
    if table is None:
        return replace(listed, num_nodes=len(untrained))
    k = max(1, round(len(listed.receivers) / listed.num_nodes))
    found = knn_graph(table, k=k, eligible=~untrained)
    new = found.receivers >= listed.num_nodes
    return replace(
        listed,
        receivers=np.concatenate([listed.receivers, found.receivers[new]]),
        senders=np.concatenate([listed.senders, found.senders[new]]),
        weights=np.concatenate([listed.weights, found.weights[new]]),
        num_nodes=len(untrained),
    )


def _appended(table: FeatureTable, new: FeatureTable | None, count: int) -> FeatureTable:
    """The table and its new rows, missing where there are none."""
    values = np.zeros((count, table.dim), np.float32) if new is None else new.values
    present = np.zeros(count, bool) if new is None else new.present
    return replace(
        table, values=np.concatenate([table.values, values]), present=np.concatenate([table.present, present])
    )


__all__ = ["Newcomers", "history_pairs", "newcomer_names", "with_items", "with_users"]
