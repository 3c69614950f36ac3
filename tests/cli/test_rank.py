"""``recgoat rank``: a ranker chosen on validation, a run that recommends, wrong options refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset, write_dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import Ease
from recgoat_jax.serving import load_run
from tests.runs import random_dataset


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def prepared(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rank") / "data"
    write_dataset(dataset, directory)
    return directory


def test_ease_of_ones_own_data_recommends(
    prepared: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "ease"
    options = ["--data", str(prepared), "--workdir", str(run), "--quiet", "--l2", "1", "30", "--content-weights", "0"]
    assert main(["rank", "ease", *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    valid = Evaluator(dataset, "valid")
    means = {l2: valid.from_scores(Ease(dataset, l2=l2)).means["recall@20"] for l2 in (1.0, 30.0)}
    best = max(means, key=means.__getitem__)
    assert found["chosen"] == {"l2": best, "content_weight": 0.0}
    assert found["valid"]["recall@20"] == means[best]
    # Called again it reads, as text.
    assert main(["rank", "ease", *options]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "ease (Ease) on random, given"
    assert shown[1].startswith(f"l2 = {best}, content_weight = 0.0, ")
    assert shown[3].startswith(f"test   recall@5 {found['test']['recall@5']:.4f}  ")

    row = int(np.bincount(dataset.train.users).argmax())
    assert main(["recommend", str(run), "--users", dataset.users.ids[row], "--k", "3", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    scores = Ease(dataset, l2=best)(np.array([row]))[0]
    for pairs in (dataset.train, dataset.valid, dataset.test):
        scores[pairs.items[pairs.users == row]] = -np.inf
    expected = np.argsort(-scores, kind="stable")[:3]
    assert [one["item"] for one in listed["items"]] == [dataset.items.ids[item] for item in expected]

    # Somebody new with the same training items gets the same scores.
    history = [dataset.items.ids[item] for item in dataset.train.items[dataset.train.users == row]]
    assert main(["recommend", str(run), "--history", *history, history[0], "--k", "31", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["user"] == "new user 1"
    scores = dict(zip(dataset.items.ids, Ease(dataset, l2=best)(np.array([row]))[0].tolist(), strict=True))
    assert {one["item"] for one in listed["items"]} == set(dataset.items.ids) - set(history)
    for one in listed["items"]:
        assert one["score"] == pytest.approx(scores[one["item"]], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ["item-knn", "content-knn"])
def test_neighbours(name: str, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(prepared), "--workdir", str(tmp_path / name), "--quiet", "--neighbors", "2"]
    assert main(["rank", name, *options]) == 0
    assert "\nk = 2" in capsys.readouterr().out


def test_histories_that_item_knn_scores(prepared: Path, dataset: Dataset, tmp_path: Path) -> None:
    options = ["--data", str(prepared), "--workdir", str(tmp_path / "run"), "--quiet", "--neighbors", "5"]
    assert main(["rank", "item-knn", *options, "--similarities", "count"]) == 0
    run = load_run(tmp_path / "run")
    have = np.zeros((dataset.num_users, dataset.num_items), int)
    have[dataset.train.users, dataset.train.items] = 1
    shared = have.T @ have
    np.fill_diagonal(shared, 0)
    # The five nearest of an item, ties by the lower row.
    nearest = [sorted(range(dataset.num_items), key=lambda j, i=i: (-shared[i, j], j))[:5] for i in range(31)]
    first, second = [3, 7], [5]
    ids = dataset.items.ids
    found = run.recommend_histories([[ids[i] for i in items] for items in (first, second)], k=31, exclude=[ids[0]])
    for listed, items in zip(found, (first, second), strict=True):
        expected = {ids[i]: sum(shared[i, j] for j in items if j in nearest[i]) for i in range(31)}
        assert {one.item: one.score for one in listed.items} == {
            item: score for item, score in expected.items() if item not in {ids[0], *(ids[i] for i in items)}
        }
    assert len(run.recommend_histories([[ids[3]]], k=31, exclude_seen=False)[0].items) == 31

    with pytest.raises(UsageError, match=r"user 2 of 2: found no item that ItemKnn knows others to"):
        run.recommend_histories([[ids[3]], [ids[30]]])
    with pytest.raises(UsageError, match=r"unknown item id 'x'"):
        run.recommend_histories([["x"]])
    with pytest.raises(UsageError, match=r"the scoring 'cosine'; expected 'dot'"):
        run.recommend_histories([[ids[3]]], scoring="cosine")
    with pytest.raises(UsageError, match=r"k = 32; expected 1 to 31"):
        run.recommend_histories([[ids[3]]], k=32)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "found nothing; expected one of ease, item-knn, content-knn"),
        (["lightgcn"], "found 'lightgcn'; expected one of ease"),
        (["ease"], "expected --data DIR"),
        (["ease", "--data", "x", "--l2", "0"], "l2 is 0.0"),
        (["item-knn", "--data", "x", "--neighbors"], "neighbors is empty"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", *arguments]) == 2
    assert named in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["rank", "--help"])
    assert "recgoat rank ease|item-knn|content-knn --data DIR" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["rank", "ease", "--help"])
    assert "--content-weights" in capsys.readouterr().out
