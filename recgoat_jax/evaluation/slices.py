"""Where a system is good and where not: metrics over groups of users and over groups of held-out items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.evaluate import EvalResult

USER_ACTIVITY = "users by activity"
"""Name of the slices of users by their number of training pairs."""
ITEM_POPULARITY = "items by popularity"
"""Name of the slices of items by their number of training pairs."""


@dataclass(frozen=True)
class SliceRow:
    """One group.

    Attributes:
        slice: what the groups are made by, e.g. ``"users by activity"``.
        group: which group, e.g. ``"5 to 8"``: training items of a user, training interactions of an item.
        users: users in it; for a slice by item, users with a held-out item in it.
        targets: held-out items in it.
        metrics: for a slice of users the mean over its users of every metric of the result; for a slice of items
            ``recall@k`` alone, counted over held-out items: the share of them with a rank below k.
    """

    slice: str
    group: str
    users: int
    targets: int
    metrics: Mapping[str, float]


def slice_rows(result: EvalResult, dataset: Dataset, *, num_groups: int = 4) -> list[SliceRow]:
    """All slices of a result.

    Users are grouped by their number of training items, items by their number of training interactions, both into
    groups of about equal size (users, and items of the catalogue); equal numbers stay together, so that there may be
    fewer groups. Further slices of items: with and without each modality of the data, and cold items (no training
    interaction) against all others. Groups without a held-out item are left out.

    Args:
        result: from `evaluate`.
        dataset: the data that it was made on.
        num_groups: number of quantile groups.

    Returns:
        The rows, slice by slice.

    Raises:
        UsageError: another data set, or fewer than one group.
    """
    if dataset.manifest.hash != result.dataset_hash:
        raise UsageError(
            f"the result is of data {result.dataset_hash[:12]} and the data set given is {dataset.manifest.hash[:12]}; "
            "expected the same. Give the data set that was evaluated."
        )
    if num_groups < 1:
        raise UsageError(f"{num_groups} groups; expected at least 1.")
    rows = list(_user_rows(result, dataset, num_groups))
    for name, group, members in _item_groups(dataset, num_groups):
        rows += _item_row(result, name, group, members)
    return rows


def _user_rows(result: EvalResult, dataset: Dataset, num_groups: int) -> Iterator[SliceRow]:
    counts = dataset.user_counts[result.users]
    for group, members in quantile_groups(counts, num_groups):
        targets = np.isin(result.targets.users, result.users[members])
        yield SliceRow(
            USER_ACTIVITY,
            group,
            int(members.sum()),
            int(targets.sum()),
            {name: float(values[members].mean()) for name, values in result.values.items()},
        )


def _item_groups(dataset: Dataset, num_groups: int) -> Iterator[tuple[str, str, Bool[np.ndarray, " items"]]]:
    counts = dataset.item_counts
    known = np.flatnonzero(counts > 0)
    for group, chosen in quantile_groups(counts[known], num_groups):
        members = np.zeros(len(counts), bool)
        members[known[chosen]] = True
        yield ITEM_POPULARITY, group, members
    yield "cold items", "no training user", counts == 0
    yield "cold items", "all others", counts > 0
    for name, table in dataset.item_features.items():
        yield f"modality '{name}'", "missing", ~table.present
        yield f"modality '{name}'", "present", table.present


def _item_row(result: EvalResult, name: str, group: str, members: Bool[np.ndarray, " items"]) -> list[SliceRow]:
    chosen = members[result.targets.items]
    if not chosen.any():
        return []
    ranks = result.ranks[chosen]
    metrics = {f"recall@{k}": float(np.mean(ranks < k)) for k in result.cutoffs}
    users = np.unique(result.targets.users[chosen])
    return [SliceRow(name, group, len(users), len(ranks), metrics)]


def quantile_groups(counts: Int[np.ndarray, " rows"], num_groups: int) -> list[tuple[str, Bool[np.ndarray, " rows"]]]:
    """Groups of about equal size by a count, equal counts in one group.

    Args:
        counts: ``rows``.
        num_groups: at most this many.

    Returns:
        Name, such as ``"5 to 8"``, and members of each group, lowest counts first.
    """
    levels = np.arange(1, num_groups) / num_groups
    bounds: Float[np.ndarray, " bounds"] = np.unique(np.quantile(counts, levels, method="lower"))
    place = np.searchsorted(bounds, counts)  # a count equal to a bound belongs to the group below it
    groups = []
    for group in np.unique(place):
        members = place == group
        low, high = int(counts[members].min()), int(counts[members].max())
        groups.append((str(low) if low == high else f"{low} to {high}", members))
    return groups


def slice_names(rows: Sequence[SliceRow]) -> list[str]:
    """Names of the slices, in order, each once."""
    return list(dict.fromkeys(row.slice for row in rows))


__all__ = ["ITEM_POPULARITY", "USER_ACTIVITY", "SliceRow", "quantile_groups", "slice_names", "slice_rows"]
