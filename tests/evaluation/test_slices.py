from dataclasses import replace

import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import evaluate
from recgoat_jax.evaluation.slices import ITEM_POPULARITY, USER_ACTIVITY, quantile_groups, slice_names, slice_rows
from tests.runs import random_dataset, random_vectors


def test_slices_are_parts_of_the_whole() -> None:
    dataset = random_dataset()
    result = evaluate(random_vectors(dataset), dataset, "test", cutoffs=(5, 10))
    rows = slice_rows(result, dataset)
    assert slice_names(rows) == [USER_ACTIVITY, ITEM_POPULARITY, "cold items", "modality 'image'"]
    total = float(np.mean(result.ranks < 5))
    for name in slice_names(rows)[2:]:
        members = [row for row in rows if row.slice == name]
        assert sum(row.targets for row in members) == len(result.ranks)
        weighted = sum(row.targets * row.metrics["recall@5"] for row in members) / len(result.ranks)
        assert weighted == pytest.approx(total)
    users = [row for row in rows if row.slice == USER_ACTIVITY]
    assert sum(row.users for row in users) == len(result.users)
    assert sum(row.targets for row in users) == len(result.ranks)
    for metric, mean in result.means.items():
        assert sum(row.users * row.metrics[metric] for row in users) / len(result.users) == pytest.approx(mean)
    popular = [row for row in rows if row.slice == ITEM_POPULARITY]
    warm = next(row for row in rows if row.group == "all others")
    assert sum(row.targets for row in popular) == warm.targets


def test_slices_by_hand() -> None:
    dataset = random_dataset()
    result = evaluate(random_vectors(dataset), dataset, "test", cutoffs=(10,))
    rows = {(row.slice, row.group): row for row in slice_rows(result, dataset)}
    items, ranks = result.targets.items, result.ranks
    cold = rows["cold items", "no training user"]
    chosen = ~np.isin(items, dataset.train.items)
    assert {28, 29, 30} <= set(np.flatnonzero(dataset.item_counts == 0).tolist())
    assert (cold.targets, cold.metrics["recall@10"]) == (chosen.sum(), pytest.approx(np.mean(ranks[chosen] < 10)))
    assert cold.users == len(set(result.targets.users[chosen].tolist()))
    missing = rows["modality 'image'", "missing"]
    chosen = items % 4 == 0
    assert (missing.targets, missing.metrics["recall@10"]) == (chosen.sum(), pytest.approx(np.mean(ranks[chosen] < 10)))


def test_quantiles_keep_equal_counts_together() -> None:
    groups = quantile_groups(np.array([1, 1, 1, 1, 1, 2, 3, 9]), 4)
    assert [(name, int(members.sum())) for name, members in groups] == [
        ("1", 5), ("2", 1), ("3 to 9", 2),
    ]  # fmt: skip
    even = quantile_groups(np.arange(8), 4)
    assert [members.sum() for _, members in even] == [2, 2, 2, 2]
    assert [name for name, _ in quantile_groups(np.full(5, 3), 4)] == ["3"]


def test_other_data_is_refused() -> None:
    dataset = random_dataset()
    result = evaluate(random_vectors(dataset), dataset, "test", cutoffs=(10,))
    with pytest.raises(UsageError, match="expected the same"):
        slice_rows(replace(result, dataset_hash="0" * 64), dataset)
    with pytest.raises(UsageError, match="0 groups"):
        slice_rows(result, dataset, num_groups=0)
