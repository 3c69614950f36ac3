from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recgoat_jax.data import Dataset, Interactions
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation import EvalResult, Evaluator, evaluate, top_k
from tests.runs import random_dataset, random_vectors
from tests.worlds import interactions


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def vectors(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return random_vectors(dataset)


@pytest.fixture(scope="module")
def result(dataset: Dataset, vectors: tuple[np.ndarray, np.ndarray]) -> EvalResult:
    return evaluate(vectors, dataset, "test", cutoffs=(2, 5), with_beyond_accuracy=True)


def items_of(pairs: Interactions, user: int) -> set[int]:
    return {int(i) for u, i in zip(pairs.users, pairs.items, strict=True) if u == user}


def reference_recall(scores: np.ndarray, dataset: Dataset, excluded: tuple[str, ...], k: int) -> list[float]:
    """Loops over users with held-out and training items, and over the sorted candidates."""
    values = []
    for user in range(dataset.num_users):
        held_out, train = items_of(dataset.test, user), items_of(dataset.train, user)
        if held_out and train:
            banned = set().union(*(items_of(dataset.split(s), user) for s in excluded))
            order = sorted(set(range(dataset.num_items)) - banned, key=lambda i: (-scores[user, i], i))
            values.append(len(held_out & set(order[:k])) / len(held_out))
    return values


@pytest.mark.parametrize("exclude", [("train",), ("train", "valid")])
def test_recall_equals_loops(
    dataset: Dataset, vectors: tuple[np.ndarray, np.ndarray], exclude: tuple[str, ...]
) -> None:
    found = evaluate(vectors, dataset, "test", cutoffs=(5,), exclude=exclude)
    np.testing.assert_allclose(
        found.values["recall@5"], reference_recall(vectors[0] @ vectors[1].T, dataset, exclude, 5)
    )


def test_some_users_alone_have_the_values_that_they_have_among_all(
    dataset: Dataset, vectors: tuple[np.ndarray, np.ndarray], result: EvalResult
) -> None:
    chosen = result.users[[1, 4, 5]]
    found = Evaluator(dataset, "test", cutoffs=(2, 5), users=chosen)(vectors)
    np.testing.assert_array_equal(found.users, chosen)
    for name, values in found.values.items():
        np.testing.assert_array_equal(values, result.values[name][[1, 4, 5]])
    with pytest.raises(DataError, match="none of a user with training items"):
        Evaluator(dataset, "test", users=np.array([0]))  # user 0 has none


def test_validation_items_stay_candidates_at_test(dataset: Dataset) -> None:
    # The score is 2 for a user's validation items, 1 for test items, 0 for others: with the published protocol they
    # stand before the test items, with both splits excluded the test items come first.
    scores = np.zeros((dataset.num_users, dataset.num_items), np.float32)
    scores[dataset.valid.users, dataset.valid.items] = 2
    scores[dataset.test.users, dataset.test.items] = 1
    published = Evaluator(dataset, "test", cutoffs=(4,)).from_scores(lambda rows: scores[rows])
    without = Evaluator(dataset, "test", cutoffs=(4,), exclude=("train", "valid")).from_scores(
        lambda rows: scores[rows]
    )
    assert without.means["recall@4"] == 1
    num_valid = np.bincount(dataset.valid.users, minlength=dataset.num_users)
    np.testing.assert_array_equal(published.ranks, without.ranks + num_valid[published.targets.users])


def test_users_without_training_items_do_not_count(dataset: Dataset, result: EvalResult) -> None:
    assert dataset.user_counts[0] == 0
    assert 0 in dataset.test.users
    expected = sorted(set(dataset.test.users.tolist()) & set(dataset.train.users.tolist()))
    assert result.users.tolist() == expected
    assert result.user_ids == tuple(f"user {u:03d}" for u in expected)
    assert result.means["recall@5"] == pytest.approx(np.mean(result.values["recall@5"]))


def test_the_result_names_its_circumstances(dataset: Dataset, result: EvalResult) -> None:
    assert (result.protocol, result.split, result.excluded) == ("given", "test", ("train",))
    assert (result.dataset_name, result.dataset_hash) == ("random", dataset.manifest.hash)


def test_beyond_accuracy_comes_from_the_lists(
    dataset: Dataset, vectors: tuple[np.ndarray, np.ndarray], result: EvalResult
) -> None:
    lists = top_k(vectors, result.users, k=2, excluded=[dataset.train]).items
    assert result.beyond["coverage@2"] == pytest.approx(len(np.unique(lists)) / dataset.num_items)
    assert set(result.beyond) == {f"{name}@{k}" for name in ("coverage", "gini", "novelty") for k in (2, 5)}
    assert not evaluate(vectors, dataset, "test", cutoffs=(2,)).beyond


def test_parquet_keeps_everything(result: EvalResult, tmp_path: Path) -> None:
    path = tmp_path / "per_user.parquet"
    result.write_parquet(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    again = EvalResult.read_parquet(path)
    for name in ("dataset_name", "dataset_hash", "protocol", "split", "excluded", "cutoffs", "user_ids", "beyond"):
        assert getattr(again, name) == getattr(result, name)
    assert again.means == result.means
    for ours, theirs in (
        (again.users, result.users),
        (again.ranks, result.ranks),
        (again.targets.users, result.targets.users),
        (again.targets.items, result.targets.items),
    ):
        np.testing.assert_array_equal(ours, theirs)
    table = pq.read_table(path)
    assert table.column_names[:3] == ["user", "user_row", "recall@2"]
    assert len(table["ranks"][0]) == len(table["items"][0]) == (result.targets.users == result.users[0]).sum()


def test_unreadable_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        EvalResult.read_parquet(tmp_path / "absent.parquet")
    path = tmp_path / "per_user.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match=r"per_user\.parquet.*unreadable"):
        EvalResult.read_parquet(path)


def test_wrong_arguments_are_refused(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="excludes itself"):
        Evaluator(dataset, "valid", exclude=("train", "valid"))
    with pytest.raises(UsageError, match="cut-offs"):
        Evaluator(dataset, "valid", cutoffs=(0,))
    empty = Dataset(dataset.users, dataset.items, interactions({(0, 0)}), dataset.valid, dataset.test, dataset.manifest)
    with pytest.raises(DataError, match="none of a user with training items"):
        Evaluator(
            Dataset(empty.users, empty.items, empty.train, interactions({(1, 1)}), empty.test, empty.manifest), "valid"
        )
