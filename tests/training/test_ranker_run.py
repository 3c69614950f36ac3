"""Rankers as runs: their setting by validation, files of a run, other settings refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data import Dataset, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import Blend, BprMfConfig, ContentKnn, ItemKnn
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, LoopConfig, train
from recgoat_jax.training.ranker_run import BlendExperiment, ContentKnnExperiment, ItemKnnExperiment, run_ranker
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
    result = run_ranker(experiment, workdir=tmp_path / "run")
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
    assert run.config["chosen"] == {"k": best}
    assert run.hardware is not None
    with pytest.raises(UsageError, match="ContentKnn, which scores by other"):
        _ = run.vectors
    assert f"(k = {best})" in capsys.readouterr().err
    written = (tmp_path / "run" / "result.json").stat().st_mtime_ns
    assert run_ranker(experiment, workdir=tmp_path / "run", quiet=True) == result
    assert (tmp_path / "run" / "result.json").stat().st_mtime_ns == written


def test_other_settings_and_unknown_metrics_are_refused(experiment: ContentKnnExperiment, tmp_path: Path) -> None:
    run_ranker(experiment, workdir=tmp_path, quiet=True)
    # A run that was stopped before its result has its settings already.
    for unfinished in (False, True):
        if unfinished:
            (tmp_path / "result.json").unlink()
        with pytest.raises(UsageError, match="neighbors"):
            run_ranker(replace(experiment, neighbors=(1, 3)), workdir=tmp_path, quiet=True)
    assert json.loads((tmp_path / "config.json").read_text())["neighbors"] == [1, 2, 5]
    with pytest.raises(UsageError, match=r"selection_metric is 'recall@7'; expected one of .*ndcg@10"):
        run_ranker(replace(experiment, selection_metric="recall@7"), workdir=tmp_path / "other", quiet=True)
    with pytest.raises(ValueError, match="neighbors is empty"):
        replace(experiment, neighbors=())


def test_item_knn_alone_and_beside_a_model_that_is_trained_for_it(
    experiment: ContentKnnExperiment, dataset: Dataset, tmp_path: Path
) -> None:
    items = ItemKnn(dataset.train, num_users=dataset.num_users, num_items=dataset.num_items, k=4)
    alone = ItemKnnExperiment("items", experiment.data, neighbors=(2, 4), selection_metric="ndcg@10")
    result = run_ranker(alone, workdir=tmp_path / "items", quiet=True)
    valid, test = (Evaluator(dataset, split, cutoffs=(5, 10)) for split in ("valid", "test"))
    means = {k: valid.from_scores(items.with_k(k)).means["ndcg@10"] for k in (2, 4)}
    best = max((2, 4), key=means.__getitem__)
    assert load_run(tmp_path / "items").config["chosen"] == {"k": best}
    assert result.test["ndcg@10"] == test.from_scores(items.with_k(best)).means["ndcg@10"]

    loop = LoopConfig(batch_size=32, max_epochs=1, selection_metric="ndcg@10", cutoffs=(5, 10), tensorboard=False)
    trained = Experiment("bpr", experiment.data, BprMfConfig(dim=4), loop=loop, seed=3)
    blend = replace(BlendExperiment.of(trained, "both"), item_neighbors=4, weights=(0.0, 3.0))
    assert blend.trained == trained
    result = run_ranker(blend, workdir=tmp_path / "both", quiet=True)
    assert (result.seed, result.model, result.name) == (3, "Blend", "both")
    # The model's run lies beside it.
    written = (tmp_path / "bpr" / "result.json").stat().st_mtime_ns
    assert train(trained, workdir=tmp_path / "bpr", quiet=True).epochs == 1
    assert (tmp_path / "bpr" / "result.json").stat().st_mtime_ns == written
    vectors = load_run(tmp_path / "bpr").vectors
    means = {w: valid.from_scores(Blend(vectors, items, weight=w)).means["ndcg@10"] for w in (0.0, 3.0)}
    best = max((0.0, 3.0), key=means.__getitem__)
    assert means[0.0] != means[3.0]
    assert result.valid["ndcg@10"] == means[best]
    assert result.test == test.from_scores(Blend(vectors, items, weight=best)).means
    assert load_run(tmp_path / "both").config["chosen"] == {"weight": best}
    with pytest.raises(UsageError, match="found a run of Blend, which scores by other or more than vectors"):
        _ = load_run(tmp_path / "both").vectors
    with pytest.raises(UsageError, match="weights"):
        run_ranker(replace(blend, weights=(1.0,)), workdir=tmp_path / "both", quiet=True)
    # A model trained by other settings is none of the blend's, and a blend is nothing to train.
    wider = BlendExperiment.of(replace(trained, model=BprMfConfig(dim=8)), "wider")
    with pytest.raises(UsageError, match=r"another model than that of the blend \(model.dim: stored 4, given 8\)"):
        run_ranker(wider, workdir=tmp_path / "wider", quiet=True)
    with pytest.raises(UsageError, match="found a BlendExperiment; expected an Experiment"):
        train(blend, workdir=tmp_path / "blend", quiet=True)
    with pytest.raises(ValueError, match="model_name is 'both'"):
        replace(blend, model_name="both")
    with pytest.raises(ValueError, match="weights is empty"):
        replace(blend, weights=())
