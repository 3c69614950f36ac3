"""Content kNN as a run: k by validation, files of a run, other settings refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data import Dataset, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import ContentKnn
from recgoat_jax.serving import load_run
from recgoat_jax.training.content_run import ContentKnnExperiment, run_content_knn
from tests.runs import random_dataset


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def experiment(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ContentKnnExperiment:
    folder = tmp_path_factory.mktemp("content") / "data"
    write_dataset(dataset, folder)
    return ContentKnnExperiment("knn", PreparedData(folder), neighbors=(1, 2, 5), selection_metric="ndcg@10")


def test_validation_chooses_k_and_the_run_is_read_like_any_other(
    experiment: ContentKnnExperiment, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_content_knn(experiment, workdir=tmp_path / "run")
    means = {
        (split, k): Evaluator(dataset, split, cutoffs=(10,)).from_scores(ContentKnn(dataset, k=k)).means["ndcg@10"]
        for split in ("valid", "test")
        for k in (1, 2, 5)
    }
    best = max((1, 2, 5), key=lambda k: means["valid", k])
    assert result.valid["ndcg@10"] == means["valid", best]
    assert result.test["ndcg@10"] == means["test", best]
    run = load_run(tmp_path / "run")
    assert run.per_user.means == dict(result.test)
    assert run.config["chosen_neighbors"] == best
    assert run.hardware is not None
    with pytest.raises(UsageError, match="content kNN, which has no vectors"):
        _ = run.vectors
    assert f"(k = {best})" in capsys.readouterr().err
    written = (tmp_path / "run" / "result.json").stat().st_mtime_ns
    assert run_content_knn(experiment, workdir=tmp_path / "run", quiet=True) == result
    assert (tmp_path / "run" / "result.json").stat().st_mtime_ns == written


def test_other_settings_and_unknown_metrics_are_refused(experiment: ContentKnnExperiment, tmp_path: Path) -> None:
    run_content_knn(experiment, workdir=tmp_path, quiet=True)
    # A run that was stopped before its result has its settings already.
    for unfinished in (False, True):
        if unfinished:
            (tmp_path / "result.json").unlink()
        with pytest.raises(UsageError, match="neighbors"):
            run_content_knn(replace(experiment, neighbors=(1, 3)), workdir=tmp_path, quiet=True)
    assert json.loads((tmp_path / "config.json").read_text())["neighbors"] == [1, 2, 5]
    with pytest.raises(UsageError, match=r"selection_metric is 'recall@7'; expected one of .*ndcg@10"):
        run_content_knn(replace(experiment, selection_metric="recall@7"), workdir=tmp_path / "other", quiet=True)
    with pytest.raises(ValueError, match="neighbors is empty"):
        replace(experiment, neighbors=())
