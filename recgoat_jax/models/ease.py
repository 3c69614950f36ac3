"""EASE: weights between items in closed form, of interactions and of what items are like.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019; with side information: Jeunen, Van Balen and
Goethals, "Closed-form models for collaborative filtering with side-information", RecSys 2020 (there CEASE).
"""

import copy
from collections.abc import Mapping
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from flax import nnx
from jaxtyping import Array, Float, Int

from recgoat_jax.data import Dataset, NeighborList
from recgoat_jax.errors import UsageError
from recgoat_jax.graphs.knn import check_positive, neighbor_list
from recgoat_jax.models.histories import history_matrix
from recgoat_jax.models.rec_goat_inputs import modality_inputs
from recgoat_jax.models.rec_goat_item_graphs import mixed_item_graph

MOST_ITEMS = 2**15
"""Items whose weights are solved for: a dense matrix of them has 4 GiB, and about eight are held at once."""


class Ease:
    r"""The sum of learned weights from a user's training items to an item.

    .. math::

        \min_B \lVert X - X B \rVert^2 + \lambda \left( \lVert B \rVert^2 + \alpha \lVert A - A B \rVert^2 \right),
        \qquad \mathrm{diag}(B) = 0

    has the solution :math:`B_{ij} = -P_{ij} / P_{jj}` with
    :math:`P = (X^\top X + \lambda I + \lambda \alpha A^\top A)^{-1}`. X has a row for every user, 1 at the training
    items; A is a graph of items of like content: neighbour lists that come with the data, or nearest neighbours of its
    features, symmetric by union, degree-normalised and mixed over modalities. An instance is a
    `recgoat_jax.evaluation.ranking.ScoreBlock`, for `Evaluator.from_scores`.

    The matrix of items by items is solved for on the accelerator, in float32; memory grows with the square of the
    catalogue, time with its cube.

    Args:
        dataset: prepared data; with item features or neighbour lists for a content weight above 0.
        l2: penalty :math:`\lambda`.
        content_weight: :math:`\alpha`, of what content says; 0: interactions alone.
        neighbors: k of a content graph that does not come with the data.
        modality_shares: relative weights of the modalities in A; one that is not named counts 1.

    Raises:
        UsageError: more than `MOST_ITEMS` items; a content weight above 0 on data without content, or with shares of
            none of its modalities; or a penalty so small that float32 finds no weights.
        ValueError: ``l2`` not above 0, or a content weight below 0.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        l2: float,
        content_weight: float = 0.0,
        neighbors: int = 10,
        modality_shares: Mapping[str, float] | None = None,
    ) -> None:
        if dataset.num_items > MOST_ITEMS:
            raise UsageError(
                f"EASE on {dataset.num_items:,} items; expected at most {MOST_ITEMS:,}, since it holds dense matrices "
                "of items by items. Item kNN, or RecGOAT with co_purchase 'count', takes any number."
            )
        self._dataset, self._neighbors, self._shares = dataset, neighbors, dict(modality_shares or {})
        self._history = history_matrix(dataset.train, num_users=dataset.num_users, num_items=dataset.num_items)
        self._weights = self._solved(l2, content_weight)

    def with_settings(self, *, l2: float, content_weight: float) -> "Ease":
        """The same with other settings; the products of the data with itself are computed once for all of them.

        Args:
            l2: penalty.
            content_weight: of what content says.

        Raises:
            UsageError: a content weight above 0 on data without content.
            ValueError: ``l2`` not above 0, or a content weight below 0.
        """
        # Computed here, if it was not yet, so that the copies share it.
        _ = self._gram, content_weight > 0 and self._content_gram
        other = copy.copy(self)
        other._weights = self._solved(l2, content_weight)
        return other

    @property
    def weights(self) -> Float[np.ndarray, "items items"]:
        """The weights B, from the item of the row to that of the column."""
        return self._weights

    def nearest(self, k: int) -> NeighborList:
        """The k items that say the most for each item, with their weights: a sparse part of B, as a graph.

        Args:
            k: neighbours of an item; fewer where fewer have a weight above 0.

        Returns:
            Edges to an item from those whose weights to it are largest, sorted by receiver, then by falling weight,
            ties by the lower row.

        Raises:
            ValueError: k below 1.
        """
        check_positive(k=k)
        weights, senders = jax.lax.top_k(jnp.asarray(self._weights.T), min(k, len(self._weights)))
        kept = np.asarray(weights) > 0
        receivers = np.broadcast_to(np.arange(len(kept))[:, None], kept.shape)
        return neighbor_list(
            receivers[kept],
            np.asarray(senders)[kept],
            np.asarray(weights)[kept],
            num_nodes=len(kept),
            origin=f"EASE(k={k})",
        )

    def __call__(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for some users."""
        return self.of_histories(self._history[users])

    def of_histories(self, histories: sp.csr_array) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for anybody.

        Args:
            histories: ``batch x items``, 1 where somebody has the item (`history_matrix`).
        """
        return np.asarray(histories @ self._weights)

    def _solved(self, l2: float, content_weight: float) -> Float[np.ndarray, "items items"]:
        check_ease(l2, content_weight)
        gram = self._gram
        if content_weight > 0:
            gram = gram + np.float32(l2 * content_weight) * self._content_gram
        weights = np.asarray(_item_weights(gram, l2))
        if not np.isfinite(weights).all():
            raise UsageError(f"EASE with l2 = {l2}: found weights that are not finite; expected a larger l2.")
        return weights

    @cached_property
    def _gram(self) -> Float[np.ndarray, "items items"]:
        return (self._history.T @ self._history).toarray()

    @cached_property
    def _content_gram(self) -> Float[np.ndarray, "items items"]:
        dataset = self._dataset
        if not has_content(dataset):
            raise UsageError(
                f"EASE with a content weight above 0 on '{dataset.manifest.name}'; expected data with item features or "
                "neighbour lists. Use the content weight 0."
            )
        inputs = modality_inputs(
            dataset,
            modalities=None,
            features="given",
            scale="none",
            neighbors=self._neighbors,
            source="given",
            untrained=None,
            rngs=nnx.Rngs(0),
        )
        mixed = mixed_item_graph(inputs, shares=self._shares)
        if mixed is None:
            raise UsageError(
                f"EASE with the modality shares {self._shares}; expected one above 0 of {', '.join(inputs)}."
            )
        ends = (np.asarray(mixed.receivers), np.asarray(mixed.senders))
        graph = sp.csr_array((np.asarray(mixed.weights), ends), shape=(dataset.num_items, dataset.num_items))
        return (graph.T @ graph).toarray()


def check_ease(l2: float, content_weight: float) -> None:
    """Raises ValueError unless ``l2`` is a number above 0 and ``content_weight`` one of 0 or more."""
    if not 0 < l2 < np.inf or not 0 <= content_weight < np.inf:
        raise ValueError(f"l2 is {l2} and content_weight {content_weight}; expected a number above 0, and 0 or more.")


def has_content(dataset: Dataset) -> bool:
    """Whether the data says which items are alike."""
    return bool(dataset.item_features or dataset.item_neighbors)


@jax.jit
def _item_weights(gram: Float[Array, "items items"], l2: Float[Array, ""]) -> Float[Array, "items items"]:
    identity = jnp.eye(len(gram), dtype=gram.dtype)
    inverse = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(gram + l2 * identity, lower=True), identity)
    return jnp.where(identity > 0, 0.0, -inverse / jnp.diagonal(inverse))


__all__ = ["MOST_ITEMS", "Ease", "check_ease", "has_content"]
