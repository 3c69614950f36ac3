"""A generated data set whose best ranking is known: planted factors, popularity and modalities, of any size.

With user factors ``p_u`` and item factors ``q_i`` from N(0, I) and popularity ``b_i`` from N(0, POPULARITY^2):

* score ``s_ui = SHARPNESS <p_u, q_i> / sqrt(dim) + b_i``;
* user ``u`` takes ``n_u`` items without replacement from softmax(s_u), drawn as the ``n_u`` largest ``s_ui + g_ui``
  with Gumbel noise ``g`` (Yellott 1977; Kool et al. 2019). The chance that an item is taken grows with ``s_ui``, so
  the ranking by ``s_ui`` is the best one;
* a modality is a linear map of the item factors (of the user factors for the user features) plus noise.

Nothing is read, so there is no licence and no checksum; the same arguments give the same tables.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from recgoat_jax.data.schema import RawFeatures, RawTables
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.errors import UsageError

SHARPNESS = 2.5
"""Standard deviation of the personal part of a score; Gumbel noise has about 1.28."""

POPULARITY = 0.8
"""Standard deviation of the part of a score that all users share."""

MAX_CANDIDATES = 1024
"""Items that one user sees. In a larger catalogue each user draws from so many items, a random window of a random
order, which keeps the time proportional to the users; the scores stay the optimal ranking."""

_BLOCK_ENTRIES = 1 << 21
_START = 1_600_000_000
_SPAN = 100_000_000


@dataclass(frozen=True, eq=False)
class SyntheticData:
    """Generated tables with what was planted in them.

    Attributes:
        raw: the tables, as any source gives them.
        users: user ids; row ``r`` of the factors belongs to row ``r``.
        items: item ids, likewise.
        user_factors: ``users x dim``.
        item_factors: ``items x dim``.
        popularity: ``items``, added to every user's score.
    """

    raw: RawTables
    users: Vocabulary
    items: Vocabulary
    user_factors: Float[np.ndarray, "users dim"]
    item_factors: Float[np.ndarray, "items dim"]
    popularity: Float[np.ndarray, " items"]

    def optimal_scores(self, users: Sequence[str], items: Sequence[str]) -> Float[np.ndarray, "users items"]:
        """Planted scores: sorting them in falling order gives the best ranking that is possible.

        Args:
            users: external ids, such as the vocabulary of the prepared data set.
            items: likewise.

        Returns:
            float32 ``len(users) x len(items)``, in the order of the arguments.

        Raises:
            UsageError: an id that was not generated.
        """
        user_rows, item_rows = self.users.rows(users), self.items.rows(items)
        return _scores(self.user_factors[user_rows], self.item_factors[item_rows], self.popularity[item_rows])


def generate(
    num_users: int,
    num_items: int,
    *,
    dim: int = 8,
    modalities: Mapping[str, int] | None = None,
    user_modality: int | None = 12,
    missing_rate: float = 0.1,
    interactions_per_user: int = 20,
    noise: float = 0.5,
    seed: int = 0,
) -> SyntheticData:
    """Generates a data set.

    Args:
        num_users: users, 1 or more.
        num_items: items, 2 or more.
        dim: width of the planted factors.
        modalities: item modality to its width; None: ``{"text": 24, "image": 16}``.
        user_modality: width of the user features ``profile``; None: no user features.
        missing_rate: share of the rows of every modality that are missing, from 0 to below 1.
        interactions_per_user: mean number of items a user takes; single users vary (log-normal), but take 5 or more
            where the mean allows it, and at most half of the items that they see.
        noise: standard deviation of the noise in modalities, whose signal has standard deviation 1.
        seed: of everything, 0 or more. One more modality does not change the interactions.

    Returns:
        The tables (ratings 1 to 5 that rise with the personal part of the score, timestamps, titles) and the planted
        factors.

    Raises:
        UsageError: a size, rate, noise or seed outside its range.
    """
    modalities = {"text": 24, "image": 16} if modalities is None else modalities
    widths = [dim, *modalities.values(), *([] if user_modality is None else [user_modality])]
    if num_users < 1 or num_items < 2 or min(widths) < 1:
        raise UsageError(
            f"synthetic data: found {num_users} users, {num_items} items and widths {widths}; "
            "expected at least 1 user, 2 items and widths of 1."
        )
    if not (0 <= missing_rate < 1 and noise >= 0 and interactions_per_user >= 1):
        raise UsageError(
            f"synthetic data: found missing_rate={missing_rate}, noise={noise}, interactions_per_user="
            f"{interactions_per_user}; expected a rate from 0 to below 1, noise of 0 or more, and a mean of 1 or more."
        )
    if seed < 0:
        raise UsageError(f"synthetic data: found seed={seed} (--data-seed); expected 0 or more.")
    users = Vocabulary((f"u{row:0{len(str(num_users - 1))}d}" for row in range(num_users)), kind="user")
    items = Vocabulary((f"i{row:0{len(str(num_items - 1))}d}" for row in range(num_items)), kind="item")
    user_factors = _rng(seed, "users").standard_normal((num_users, dim), np.float32)
    item_factors = _rng(seed, "items").standard_normal((num_items, dim), np.float32)
    popularity = _rng(seed, "popularity").standard_normal(num_items, np.float32) * np.float32(POPULARITY)
    user_rows, item_rows = _draw(user_factors, item_factors, popularity, interactions_per_user, seed)
    affinity = np.einsum("pd,pd->p", user_factors[user_rows], item_factors[item_rows]) / np.sqrt(dim)
    pairs = _rng(seed, "pairs")
    ratings = np.clip(np.rint(3 + 0.8 * affinity + 0.3 * pairs.standard_normal(len(affinity))), 1, 5)
    timestamps = _START + pairs.integers(0, _SPAN, len(affinity))

    def features(ids: Vocabulary, factors: np.ndarray, name: str, width: int) -> RawFeatures:
        return _features(ids, factors, _rng(seed, f"modality:{name}"), width, missing_rate, noise)

    raw = RawTables(
        source=f"synthetic:{num_users}x{num_items}",
        interactions=pl.DataFrame(
            {
                "user": pl.Series(users.ids).gather(user_rows),
                "item": pl.Series(items.ids).gather(item_rows),
                "rating": ratings.astype(np.float32),
                "timestamp": timestamps,
            }
        ),
        items=pl.DataFrame({"item": items.ids, "title": [f"Item {row}" for row in range(num_items)]}),
        item_features={name: features(items, item_factors, name, width) for name, width in modalities.items()},
        user_features={}
        if user_modality is None
        else {"profile": features(users, user_factors, "user:profile", user_modality)},
        licence="Generated; free to use.",
    )
    return SyntheticData(raw, users, items, user_factors, item_factors, popularity)


def _rng(seed: int, use: str) -> np.random.Generator:
    """One stream a use, so that the uses do not shift each other."""
    return np.random.default_rng([seed, zlib.crc32(use.encode())])


def _scores(user_factors: np.ndarray, item_factors: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    scale = np.float32(SHARPNESS / np.sqrt(user_factors.shape[1]))
    return user_factors @ item_factors.T * scale + popularity


def _draw(
    user_factors: np.ndarray, item_factors: np.ndarray, popularity: np.ndarray, mean: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """User and item row of every pair, sorted by user, then item."""
    num_users, num_items = len(user_factors), len(item_factors)
    seen = min(num_items, MAX_CANDIDATES)
    rng = _rng(seed, "interactions")
    spread = 0.5
    lengths = np.rint(mean * rng.lognormal(-(spread**2) / 2, spread, num_users)).astype(np.int64)
    lengths = np.clip(lengths, min(5, mean), max(1, seen // 2))
    order = rng.permutation(num_items)
    starts = rng.integers(0, num_items, num_users)
    scale = np.float32(SHARPNESS / np.sqrt(user_factors.shape[1]))
    pairs = []
    block = max(1, _BLOCK_ENTRIES // seen)
    for first in range(0, num_users, block):
        rows = np.arange(first, min(first + block, num_users))
        if seen == num_items:
            candidates = None
            scores = _scores(user_factors[rows], item_factors, popularity)
        else:
            candidates = order[(starts[rows, None] + np.arange(seen)) % num_items]
            scores = np.einsum("ud,ucd->uc", user_factors[rows], item_factors[candidates]) * scale
            scores += popularity[candidates]
        # Gumbel noise is -log of an exponential variable, which float32 sometimes rounds to zero.
        exponential = rng.standard_exponential(scores.shape, np.float32)
        scores -= np.log(np.maximum(exponential, np.finfo(np.float32).tiny))
        largest = int(lengths[rows].max())
        top = np.argpartition(-scores, largest - 1, axis=1)[:, :largest]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1), axis=1)
        taken = np.arange(largest) < lengths[rows, None]
        chosen = top if candidates is None else np.take_along_axis(candidates, top, axis=1)
        pairs.append(np.stack([np.repeat(rows, lengths[rows]), chosen[taken]]))
    user_rows, item_rows = np.concatenate(pairs, axis=1)
    by_user = np.lexsort((item_rows, user_rows))
    return user_rows[by_user], item_rows[by_user]


def _features(
    ids: Vocabulary, factors: np.ndarray, rng: np.random.Generator, width: int, missing_rate: float, noise: float
) -> RawFeatures:
    """A linear view of factors with noise; missing rows are NaN."""
    view = rng.standard_normal((factors.shape[1], width), np.float32) / np.float32(np.sqrt(factors.shape[1]))
    values = factors @ view + np.float32(noise) * rng.standard_normal((len(factors), width), np.float32)
    present = np.ones(len(factors), bool)
    present[rng.permutation(len(factors))[: int(missing_rate * len(factors))]] = False
    values[~present] = np.nan
    return RawFeatures(ids.ids, values, encoder="synthetic", revision=f"noise={noise}", present=present)


__all__ = ["MAX_CANDIDATES", "POPULARITY", "SHARPNESS", "SyntheticData", "generate"]
