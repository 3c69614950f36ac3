"""A trained model and a ranker that remembers pairs of items, their scores added up."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from recgoat_jax.evaluation.ranking import ScoreBlock, VectorPair
from recgoat_jax.evaluation.scores import in_tiles, scores_in_tiles, tile_size

_SAMPLED_USERS = 256


class Blend:
    r"""Dot products of vectors, and the scores of another ranker on their scale: ``u . v + weight * scale * s``.

    The scale is that of standard deviations, of the products over that of the other scores, over all items and up to
    256 users, evenly spread over the rows: with the weight 1 both count the same, whatever ranker and data.

    An instance is a `recgoat_jax.evaluation.ranking.ScoreBlock`. The products are those by which vectors alone are
    ranked, so that the weight 0 ranks as they do, ties included.

    Args:
        vectors: user vectors ``users x dim`` and item vectors ``items x dim``.
        ranker: the other one.
        weight: what its scores count.
    """

    def __init__(self, vectors: VectorPair, ranker: ScoreBlock, *, weight: float) -> None:
        self._users, self._items = (jnp.asarray(side) for side in vectors)
        self._ranker, self._weight = ranker, weight
        last = len(self._users) - 1
        sample = np.unique(np.linspace(0, last, min(last + 1, _SAMPLED_USERS)).round().astype(np.int64))
        spread = float(np.std(self._ranked(sample), dtype=np.float64))
        self.scale = float(np.std(self._dot(sample), dtype=np.float64)) / spread if spread > 0 else 1.0

    def with_weight(self, weight: float) -> "Blend":
        """The same with another weight."""
        other = copy.copy(self)
        other._weight = weight
        return other

    def of_others(self, users: Float[np.ndarray, "others dim"], ranker: ScoreBlock) -> "Blend":
        """The same for other users, on the scale of those that it was made with.

        Args:
            users: vectors of the others.
            ranker: their scores by the other ranker, by row of ``users``.
        """
        other = copy.copy(self)
        other._users, other._ranker = jnp.asarray(users), ranker
        return other

    def __call__(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        """Scores of all items for some users."""
        return self._dot(users) + np.float32(self._weight * self.scale) * self._ranked(users)

    def _dot(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        return np.asarray(_products(self._users, self._items, jnp.asarray(users)))

    def _ranked(self, users: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
        return np.asarray(self._ranker(users))


@jax.jit
def _products(
    users: Float[Array, "users dim"], items: Float[Array, "items dim"], rows: Int[Array, " batch"]
) -> Float[Array, "batch items"]:
    tiles = scores_in_tiles(users[rows], in_tiles(items, tile_size(len(items))))
    return tiles.swapaxes(0, 1).reshape(len(rows), -1)[:, : len(items)]


__all__ = ["Blend"]
