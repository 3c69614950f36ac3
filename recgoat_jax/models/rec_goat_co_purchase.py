"""RecGOAT's graph of items that the same users have, by counts or by EASE's weights. Not in the paper."""

from typing import Literal

import jraph

from recgoat_jax.data import Dataset
from recgoat_jax.graphs import cached_graph, co_occurrence_graph, neighbor_graph
from recgoat_jax.models.ease import Ease

CoPurchase = Literal["count", "ease"]
"""``"count"``: the items that share the most users, all edges alike. ``"ease"``: those that say the most for an item
beside all others, by the weights of EASE, which are those of the edges."""


def co_purchase_graph(dataset: Dataset, *, kind: CoPurchase, neighbors: int, l2: float) -> jraph.GraphsTuple:
    """The items that go together in training, symmetric by union and degree-normalised.

    A count says that two items are bought by the same users, and so does a popular item of every other one. A weight of
    EASE is what an item says beyond all others: for two that are bought together because a third is, nearly nothing.

    Args:
        dataset: prepared data, of which training pairs alone are read.
        kind: what joins two items.
        neighbors: k of the lists that the graph is made of.
        l2: penalty of EASE; not used by counts.

    Returns:
        A graph over the items. It is stored, and found again by its data and settings.

    Raises:
        UsageError: EASE, and more than `recgoat_jax.models.ease.MOST_ITEMS` items.
        ValueError: k below 1, or ``l2`` not above 0.
    """
    pairs = (neighbors, dataset.train.users, dataset.train.items, dataset.num_items)
    if kind == "count":
        return neighbor_graph(
            cached_graph(
                ("co-occurrence", *pairs), lambda: co_occurrence_graph(dataset.train, dataset.num_items, k=neighbors)
            )
        )
    found = cached_graph(("EASE", l2, *pairs), lambda: Ease(dataset, l2=l2).nearest(neighbors))
    return neighbor_graph(found, weighting="similarity")


__all__ = ["CoPurchase", "co_purchase_graph"]
