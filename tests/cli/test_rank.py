"""``recgoat rank``: a ranker chosen on validation, a run that recommends, wrong options refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset, write_dataset
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import Ease
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


@pytest.mark.parametrize("name", ["item-knn", "content-knn"])
def test_neighbours(name: str, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(prepared), "--workdir", str(tmp_path / name), "--quiet", "--neighbors", "2"]
    assert main(["rank", name, *options]) == 0
    assert "\nk = 2" in capsys.readouterr().out


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
