"""The user-item graph of the training pairs, and the ratings on its edges."""

from typing import Literal

import jraph
import numpy as np
from jaxtyping import Bool, Float, Int

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.errors import DataError
from recgoat_jax.graphs.edges import graph_from_edges

RatingWeight = Literal["none", "fifth", "centred"]
"""How a rating weighs its edge: not at all, r / 5, or r / the mean rating of the user."""


def bipartite_graph(
    train: Interactions,
    num_users: int,
    num_items: int,
    *,
    rating_weight: RatingWeight = "none",
    receiving_only: Bool[np.ndarray, " nodes"] | None = None,
) -> jraph.GraphsTuple:
    """The user-item graph with symmetrically normalised weights, ``w_ui / sqrt(d_u d_i)``.

    ``A = [[0, R], [R^T, 0]]`` and ``D^-1/2 A D^-1/2`` of LightGCN (He et al., SIGIR 2020, equations 6 and 7), with
    weighted degrees ``d_u = sum_i w_ui`` where ratings weigh the edges (rating attention of RecGOAT).

    Args:
        train: training pairs.
        num_users: rows of the user vocabulary; user ``u`` is node ``u``.
        num_items: rows of the item vocabulary; item ``i`` is node ``num_users + i``.
        rating_weight: ``"none"`` weighs every pair 1; ``"fifth"`` weighs it r / 5, for ratings on a scale up to 5;
            ``"centred"`` weighs it r / (mean of the user's training ratings), so that each user's weights average 1.
        receiving_only: nodes that the others do not know of, as in `graph_from_edges`.

    Returns:
        A graph without node features: ``2 x pairs`` edges, both directions, sorted by receiver, then sender; the
        matrix is exactly symmetric. Nodes without pairs have no edge.

    Raises:
        DataError: a rating weight without ratings, or with negative ones.

    Example:
        Two users, two items; user 0 has both. Each weight is 1 / sqrt(2 * 1) or 1 / sqrt(2 * 2):

        >>> train = Interactions(np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32))
        >>> graph = bipartite_graph(train, 2, 2)
        >>> print(graph.senders, graph.receivers, graph.edges.round(3))
        [2 3 3 0 0 1] [0 0 1 2 3 3] [0.707 0.5   0.707 0.707 0.5   0.707]
    """
    senders, receivers, pairs = _edges(train, num_users)
    return graph_from_edges(
        receivers,
        senders,
        _pair_weights(train, num_users, rating_weight)[pairs],
        num_nodes=num_users + num_items,
        normalization="symmetric",
        receiving_only=receiving_only,
    )


def edge_ratings(train: Interactions, num_users: int) -> Float[np.ndarray, " edges"]:
    """The rating of each edge of `bipartite_graph`, in its edge order, for models that learn what a rating weighs.

    A learned weight ``g(r)`` goes on the edges by ``symmetric_normalization(adjacency, g(ratings))`` and
    ``lightgcn(adjacency, x, weights=...)``.

    Args:
        train: training pairs with ratings.
        num_users: rows of the user vocabulary.

    Returns:
        ``edges``, float32, equal on an edge and its reverse.

    Raises:
        DataError: the data has no ratings.
    """
    return _ratings(train)[_edges(train, num_users)[2]].astype(np.float32)


def _edges(
    train: Interactions, num_users: int
) -> tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]:
    """Senders, receivers and pair of each edge, sorted by receiver, then sender."""
    users, items = train.users.astype(np.int64), train.items.astype(np.int64) + num_users
    senders, receivers = np.concatenate([items, users]), np.concatenate([users, items])
    order = np.lexsort((senders, receivers))
    pairs = np.tile(np.arange(len(users)), 2)
    return senders[order], receivers[order], pairs[order]


def _pair_weights(train: Interactions, num_users: int, rating_weight: RatingWeight) -> Float[np.ndarray, " pairs"]:
    """Weight of each pair before normalisation, float64."""
    match rating_weight:
        case "none":
            return np.ones(len(train))
        case "fifth":
            return _ratings(train) / 5.0
        case "centred":
            ratings = _ratings(train)
            counts = np.bincount(train.users, minlength=num_users)
            means = np.bincount(train.users, ratings, minlength=num_users) / np.maximum(counts, 1)
            user_means = means[train.users]
            return np.where(user_means > 0, ratings / np.where(user_means > 0, user_means, 1.0), 1.0)


def _ratings(train: Interactions) -> Float[np.ndarray, " pairs"]:
    """Ratings as float64, after the checks that the public functions promise."""
    if train.ratings is None:
        raise DataError("the training pairs have no ratings, so none can weigh an edge. Choose rating weight 'none'.")
    if np.any(train.ratings < 0):
        raise DataError(
            f"a training pair has the rating {float(train.ratings.min())}; expected no negative rating on a weighted "
            "edge. Shift the ratings or choose rating weight 'none'."
        )
    return train.ratings.astype(np.float64)


__all__ = ["RatingWeight", "bipartite_graph", "edge_ratings"]
