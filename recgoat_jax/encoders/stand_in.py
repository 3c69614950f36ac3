"""Small random data of the structure of other data: what a model is built from where the data itself is elsewhere."""

import numpy as np

from recgoat_jax.data import Dataset, FeatureTable, Interactions, Manifest, NeighborList, Vocabulary
from recgoat_jax.encoders.facts import Facts


def small_data(facts: Facts, *, users: int = 48, items: int = 64, pairs_of_user: int = 6) -> Dataset:
    """Random data with the modalities of a recipe: the model that it makes has the arrays of the real one, but small.

    Args:
        facts: names and widths of the modalities.
        users: users.
        items: items; more than the neighbours of an item.
        pairs_of_user: training pairs of each user.

    Returns:
        The data set.
    """
    rng = np.random.default_rng(0)

    def pairs(first: int, count: int) -> Interactions:
        # Each user has the items from a place of its own on, in three parts that do not meet.
        found = (np.arange(users)[:, None] * 7 + first + np.arange(count)) % items
        rows = np.repeat(np.arange(users), count)
        order = np.lexsort((found.ravel(), rows))
        if facts.untrained_items:
            order = order[found.ravel()[order] != items - 1]
        ratings = np.full(len(order), 3.0, np.float32) if facts.ratings else None
        return Interactions(rows[order].astype(np.int32), found.ravel()[order].astype(np.int32), ratings)

    def table(rows: int, width: int) -> FeatureTable:
        return FeatureTable(rng.normal(size=(rows, width)).astype(np.float32), np.ones(rows, bool), "random")

    def neighbors(k: int) -> NeighborList:
        receivers = np.repeat(np.arange(items), k)
        senders = (receivers + np.tile(1 + 5 * np.arange(k), items)) % items
        return NeighborList(
            receivers.astype(np.int32), senders.astype(np.int32), np.ones(len(receivers), np.float32), items, "random"
        )

    return Dataset(
        users=Vocabulary(map(str, range(users)), kind="user"),
        items=Vocabulary(map(str, range(items)), kind="item"),
        train=pairs(0, pairs_of_user),
        valid=pairs(pairs_of_user, 1),
        test=pairs(pairs_of_user + 1, 1),
        manifest=Manifest("small", "random", "given", 0, {}, {}, hash="small"),
        item_features={name: table(items, width) for name, width in facts.item_features},
        user_features={name: table(users, width) for name, width in facts.user_features},
        item_neighbors={name: neighbors(k) for name, k in facts.item_neighbors},
    )


__all__ = ["small_data"]
