"""Metrics of full ranking, each user by itself: pure numpy functions of ranks and of top-k lists.

Notation: R_u the held-out items of user u, r(i) the 1-based place of item i among all candidates, k the cut-off,
and hits_u = {i in R_u : r(i) <= k}. Functions take 0-based ranks, r(i) - 1, as `ranking.ranks` gives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from recgoat_jax.errors import UsageError

MetricName = Literal["recall", "ndcg", "precision", "hit_rate", "mrr", "map"]
"""Metrics that ranks alone determine."""

METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
"""All of them, in the order of tables."""

Values = Float[np.ndarray, " users"]


@dataclass(frozen=True, eq=False)
class RankedTargets:
    """Ranks grouped by user, best rank first within a user.

    Attributes:
        users: ``users``, the distinct user rows, ascending.
        group: ``pairs``, index into `users` of each rank.
        ranks: ``pairs``, 0-based.
        places: ``pairs``, 1-based place of the rank among the user's own: p-th hit at best.
        relevant: ``users``, ``|R_u|``.
    """

    users: Int[np.ndarray, " users"]
    group: Int[np.ndarray, " pairs"]
    ranks: Int[np.ndarray, " pairs"]
    places: Int[np.ndarray, " pairs"]
    relevant: Int[np.ndarray, " users"]

    @classmethod
    def of(cls, users: Int[np.ndarray, " pairs"], ranks: Int[np.ndarray, " pairs"]) -> "RankedTargets":
        """Groups ranks by user.

        Args:
            users: ``pairs``, user row of each held-out item.
            ranks: ``pairs``, its 0-based rank.
        """
        order = np.lexsort((ranks, users))
        distinct, group, relevant = np.unique(users[order], return_inverse=True, return_counts=True)
        starts = np.cumsum(relevant) - relevant
        return cls(distinct, group, ranks[order].astype(np.int64), np.arange(len(order)) - starts[group] + 1, relevant)

    def total(self, values: np.ndarray) -> Values:
        """Sums values of pairs over each user."""
        return np.bincount(self.group, weights=values, minlength=len(self.users))


def recall(targets: RankedTargets, k: int) -> Values:
    """Recall@k = ``|hits_u| / |R_u|``.

    Example:
        >>> targets = RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 5]))  # user 7: 1st and 4th; user 9: 6th
        >>> print(recall(targets, 3), recall(targets, 5))
        [0.5 0. ] [1. 0.]
    """
    return targets.total(targets.ranks < k) / targets.relevant


def precision(targets: RankedTargets, k: int) -> Values:
    """Precision@k = ``|hits_u| / k``.

    Example:
        >>> print(precision(RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 5])), 5))
        [0.4 0. ]
    """
    return targets.total(targets.ranks < k) / k


def hit_rate(targets: RankedTargets, k: int) -> Values:
    """HitRate@k = 1 if there is a hit, else 0.

    Example:
        >>> print(hit_rate(RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 5])), 5))
        [1. 0.]
    """
    return (targets.total(targets.ranks < k) > 0).astype(np.float64)


def ndcg(targets: RankedTargets, k: int) -> Values:
    """NDCG@k = sum over hits of 1 / log2(r(i) + 1), over the same sum of an ideal list with ``min(|R_u|, k)`` hits.

    Binary gains, logarithmic discount (Järvelin and Kekäläinen, TOIS 2002), the ideal list cut at k.

    Example:
        Hits in places 1 and 4, (1 + 1 / log2(5)) / (1 + 1 / log2(3)), and none:

        >>> print(ndcg(RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 5])), 5).round(4))
        [0.8772 0.    ]
    """
    gains = np.where(targets.ranks < k, 1.0 / np.log2(targets.ranks + 2.0), 0.0)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    return targets.total(gains) / ideal[np.minimum(targets.relevant, k) - 1]


def mrr(targets: RankedTargets, k: int) -> Values:
    """MRR@k = 1 / (place of the first hit), 0 without a hit.

    Example:
        >>> print(mrr(RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 4])), 5))
        [1.  0.2]
    """
    first = (targets.places == 1) & (targets.ranks < k)
    return targets.total(np.where(first, 1.0 / (targets.ranks + 1.0), 0.0))


def average_precision(targets: RankedTargets, k: int) -> Values:
    """MAP@k: AP_u = sum over hits of (hits at or above r(i)) / r(i), divided by ``min(|R_u|, k)``.

    The divisor makes 1 the value of the best possible list; trec_eval divides by ``|R_u|`` instead.

    Example:
        >>> print(average_precision(RankedTargets.of(np.array([7, 7, 9]), np.array([0, 3, 5])), 5))  # (1/1 + 2/4) / 2
        [0.75 0.  ]
    """
    gains = np.where(targets.ranks < k, targets.places / (targets.ranks + 1.0), 0.0)
    return targets.total(gains) / np.minimum(targets.relevant, k)


def per_user_metric(name: MetricName, targets: RankedTargets, k: int) -> Values:
    """One metric at one cut-off, for every user."""
    match name:
        case "recall":
            return recall(targets, k)
        case "ndcg":
            return ndcg(targets, k)
        case "precision":
            return precision(targets, k)
        case "hit_rate":
            return hit_rate(targets, k)
        case "mrr":
            return mrr(targets, k)
        case "map":
            return average_precision(targets, k)


def per_user_metrics(
    targets: RankedTargets, *, cutoffs: Sequence[int], metrics: Sequence[MetricName] = METRIC_NAMES
) -> dict[str, Values]:
    """Metrics at all cut-offs, for every user.

    Args:
        targets: grouped ranks.
        cutoffs: cut-offs k, each at least 1.
        metrics: which metrics.

    Returns:
        ``{"recall@10": values, ...}``, values in the order of ``targets.users``.

    Raises:
        UsageError: no cut-off, or one below 1.
    """
    check_cutoffs(cutoffs)
    return {f"{name}@{k}": per_user_metric(name, targets, k) for name in metrics for k in cutoffs}


def check_cutoffs(cutoffs: Sequence[int]) -> None:
    """Raises UsageError unless there are cut-offs and all are at least 1."""
    if not cutoffs or min(cutoffs) < 1:
        raise UsageError(f"cut-offs {list(cutoffs)}; expected one or more whole numbers of at least 1.")


def beyond_accuracy(
    lists: Int[np.ndarray, "users k"], item_counts: Int[np.ndarray, " items"], *, num_users: int
) -> dict[str, float]:
    """Coverage, Gini and novelty of recommended lists.

    Args:
        lists: item rows, -1 where a list is shorter.
        item_counts: training interactions of each item.
        num_users: users of the data, for popularity.

    Returns:
        ``coverage``: share of the catalogue in at least one list. ``gini``: Gini coefficient of the number of lists
        that each item of the catalogue is in, 0 when all items are listed equally often, near 1 when a few fill all
        lists. ``novelty``: mean over all entries of -log2(popularity), popularity being the share of users with the
        item in training; an item without training interactions counts as if it had one (Zhou et al., PNAS 2010).
    """
    entries = lists[lists >= 0]
    exposure = np.bincount(entries, minlength=len(item_counts))
    popularity = np.maximum(item_counts[entries], 1) / num_users
    return {
        "coverage": float(np.mean(exposure > 0)),
        "gini": gini(exposure),
        "novelty": float(np.mean(-np.log2(popularity))) if entries.size else 0.0,
    }


def gini(counts: Int[np.ndarray, " items"]) -> float:
    """Gini coefficient: G = sum_j (2 j - n - 1) x_(j) / (n sum_j x_j), x_(1) <= ... <= x_(n); 0 if all are zero.

    Example:
        >>> print(gini(np.array([5, 5, 5, 5])), gini(np.array([0, 0, 0, 20])))
        0.0 0.75
    """
    total, size = float(counts.sum()), len(counts)
    if total == 0:
        return 0.0
    places = np.arange(1, size + 1)
    return float(np.sum((2 * places - size - 1) * np.sort(counts)) / (size * total))


__all__ = [
    "METRIC_NAMES",
    "MetricName",
    "RankedTargets",
    "average_precision",
    "beyond_accuracy",
    "check_cutoffs",
    "gini",
    "hit_rate",
    "mrr",
    "ndcg",
    "per_user_metric",
    "per_user_metrics",
    "precision",
    "recall",
]
