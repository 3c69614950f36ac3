"""Item kNN: an item scores by how often it was bought together with what the user has. Nothing is trained.

Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001; Deshpande and Karypis,
"Item-based top-N recommendation algorithms", 2004.
"""

import copy
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from recgoat_jax.data import Interactions
from recgoat_jax.graphs.knn import check_positive, co_occurrence_graph
from recgoat_jax.models.histories import history_matrix

Likeness = Literal["cosine", "count"]
"""How alike two items are: the cosine of their users, or the number that they share."""

LIKENESSES: tuple[Likeness, ...] = ("cosine", "count")
"""All likenesses, in the order in which they are tried."""


class ItemKnn:
    r"""The sum of the likenesses of an item and those of the user's training items that are among its k nearest.

    .. math:: s(u, i) = \sum_{j \in N_u \cap \mathrm{kNN}(i)} \frac{n_{ij}}{\sqrt{n_i n_j}}

    with :math:`n_{ij}` the training users of both items and :math:`n_i` those of one; with counts for cosines
    :math:`n_{ij}` alone, which favours what is popular. An instance is a
    `recgoat_jax.evaluation.ranking.ScoreBlock`, for `Evaluator.from_scores`.

    Args:
        train: training pairs.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        k: nearest items of an item; fewer where fewer were bought together with it, ties by the lower row.
        similarity: ``"cosine"`` or ``"count"``.

    Raises:
        ValueError: k below 1.

    Example:
        Users 0 and 1 have items 0 and 1, user 2 has item 2 beside item 1. Item 1 is the nearest of both others:

        >>> pairs = Interactions(np.array([0, 0, 1, 1, 2, 2], np.int32), np.array([0, 1, 0, 1, 1, 2], np.int32))
        >>> print(ItemKnn(pairs, num_users=3, num_items=3, k=1)(np.array([2])).round(3))
        [[0.816 0.    0.577]]
    """

    def __init__(
        self,
        train: Interactions,
        *,
        num_users: int,
        num_items: int,
        k: int,
        similarity: Likeness = "cosine",
    ) -> None:
        self._history = history_matrix(train, num_users=num_users, num_items=num_items)
        # Sorted by item, then by falling likeness.
        self._nearest = co_occurrence_graph(train, num_items, k=k, similarity=similarity)
        self._most, self._graph = k, self._graph_of(k)

    def _graph_of(self, k: int) -> Any:
        """Likenesses from an item (row) to those that have it among their k nearest (columns)."""
        nearest = self._nearest
        rank = np.arange(len(nearest.receivers)) - np.searchsorted(nearest.receivers, nearest.receivers)
        kept = rank < k
        ends = (nearest.senders[kept], nearest.receivers[kept])
        return sp.csr_array((nearest.weights[kept], ends), shape=(nearest.num_nodes, nearest.num_nodes))

    def with_k(self, k: int) -> "ItemKnn":
        """The same with fewer neighbours; likenesses are computed once for all of them.

        Args:
            k: at most the k that this one was made with.

        Raises:
            ValueError: k below 1, or above that one.
        """
        check_positive(k=k)
        if k > self._most:
            raise ValueError(f"k is {k}; expected at most {self._most}, with which this one was made.")
        other = copy.copy(self)
        other._graph = self._graph_of(k)
        return other

    def __call__(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for some users."""
        return self.of_histories(self._history[users])

    def of_histories(self, histories: sp.csr_array) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for anybody.

        Args:
            histories: ``batch x items``, 1 where somebody has the item (`history_matrix`).
        """
        return (histories @ self._graph).toarray()


__all__ = ["LIKENESSES", "ItemKnn", "Likeness"]
