"""Content kNN: an item scores by its likeness to what the user has. The baseline of every claim about new items.

Nothing is trained, so items without training pairs are scored like all others.
"""

import copy
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.graphs.knn import check_positive, unit_rows

_MOST_LIKENESSES = 2**28
"""Numbers of a matrix of items by items that is kept, 1 GiB; beyond, cosines are computed user by user."""


class ContentKnn:
    """The sum of the k largest cosines between an item and the user's training items, over all modalities.

    An instance is a `recgoat_jax.evaluation.ranking.ScoreBlock`, for `Evaluator.from_scores`.

    Args:
        dataset: prepared data with item features.
        k: training items of a user that count for an item: those most like it.
        modalities: names; None: all. Their cosines are averaged; a missing one counts as 0.

    Raises:
        UsageError: no item features, or none of a name.
        ValueError: k below 1.
    """

    def __init__(self, dataset: Dataset, *, k: int, modalities: Sequence[str] | None = None) -> None:
        check_positive(k=k)
        names = sorted(dataset.item_features) if modalities is None else list(modalities)
        if not names or set(names) - set(dataset.item_features):
            raise UsageError(
                f"content kNN over {names}; expected modalities of '{dataset.manifest.name}', which has "
                f"{sorted(dataset.item_features)}."
            )
        self._k, self._train = k, dataset.train
        self._starts = dataset.train.offsets(dataset.num_users)
        self._unit = []
        for name in names:
            rows, vectors = unit_rows(dataset.item_features[name])
            whole = np.zeros((dataset.num_items, vectors.shape[1]), np.float32)
            whole[rows] = vectors
            self._unit.append(whole)

    def with_k(self, k: int) -> "ContentKnn":
        """The same with another k; likenesses are computed once for all of them.

        Raises:
            ValueError: k below 1.
        """
        check_positive(k=k)
        other = copy.copy(self)
        if self._keeps_likeness:
            # Computed here, if it was not yet, so that the copies share it.
            other._likeness = self._likeness
        other._k = k
        return other

    def __call__(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for some users."""
        return np.stack([self._of_user(int(user)) for user in users])

    def _of_user(self, user: int) -> Float[np.ndarray, " items"]:
        history = self._train.items[self._starts[user] : self._starts[user + 1]]
        cosines = self._likeness[history] if self._keeps_likeness else self._cosines(history)
        if len(history) > self._k:
            cosines = np.partition(cosines, -self._k, axis=0)[-self._k :]
        return cosines.sum(axis=0, dtype=np.float32)

    @property
    def _keeps_likeness(self) -> bool:
        return len(self._unit[0]) ** 2 <= _MOST_LIKENESSES

    @cached_property
    def _likeness(self) -> Float[np.ndarray, "items items"]:
        return self._cosines(np.arange(len(self._unit[0])))

    def _cosines(self, rows: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows items"]:
        """Between some items and all, the mean over the modalities."""
        found = np.zeros((len(rows), len(self._unit[0])), np.float32)
        for unit in self._unit:
            found += unit[rows] @ unit.T / len(self._unit)
        return found


__all__ = ["ContentKnn"]
