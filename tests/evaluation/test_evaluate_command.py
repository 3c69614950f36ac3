import json
from pathlib import Path

import pytest

from recgoat_jax.cli import evaluate as command
from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import EvalResult, evaluate
from tests.runs import random_dataset, random_vectors, write_run


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def directory(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", dataset, random_vectors(dataset))


def test_json_equals_the_function(dataset: Dataset, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(directory), "--split", "valid", "--cutoffs", "3", "7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = evaluate(random_vectors(dataset), dataset, "valid", cutoffs=(3, 7))
    assert found["metrics"] == pytest.approx(expected.means)
    assert (found["split"], found["dataset"], found["slices"]) == ("valid", dataset.manifest.hash, [])


def test_test_split_equals_the_stored_result(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(directory), "--cutoffs", "5", "10", "20", "--json"]) == 0
    stored = json.loads((directory / "result.json").read_text())["test"]
    assert json.loads(capsys.readouterr().out)["metrics"] == pytest.approx(stored)


def test_tables_slices_and_file(
    dataset: Dataset, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "per_user.parquet"
    arguments = [
        str(directory),
        "--slices",
        "--beyond-accuracy",
        "--exclude",
        "train",
        "valid",
        "--per-user",
        str(path),
    ]
    assert command.main(arguments) == 0
    text = capsys.readouterr().out
    for word in ("ndcg", "novelty", "users by activity", "cold items", "modality 'image'", "train, valid"):
        assert word in text
    assert EvalResult.read_parquet(path).excluded == ("train", "valid")
    with pytest.raises(UsageError, match="its directory does not exist"):
        command.main([str(directory), "--per-user", str(tmp_path / "absent" / "file")])
