"""Rankers as runs: their setting by validation, files of a run, other settings refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data import Dataset, content_hash, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import Blend, BprMfConfig, ContentKnn, Ease, ItemKnn
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, LoopConfig, train
from recgoat_jax.training.ranker_run import (
    BlendExperiment,
    ContentKnnExperiment,
    EaseExperiment,
    ItemKnnExperiment,
    run_ranker,
)
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


def test_item_knn_chooses_its_likeness_as_well(
    experiment: ContentKnnExperiment, dataset: Dataset, tmp_path: Path
) -> None:
    sizes = {"num_users": dataset.num_users, "num_items": dataset.num_items}
    alone = ItemKnnExperiment("items", experiment.data, neighbors=(2, 4), selection_metric="ndcg@10")
    result = run_ranker(alone, workdir=tmp_path / "items", quiet=True)
    valid, test = (Evaluator(dataset, split) for split in ("valid", "test"))
    rankers = {
        (kind, k): ItemKnn(dataset.train, **sizes, k=k, similarity=kind) for kind in ("cosine", "count") for k in (2, 4)
    }
    means = {settings: valid.from_scores(ranker).means["ndcg@10"] for settings, ranker in rankers.items()}
    assert len(set(means.values())) > 2
    best = max(means, key=means.__getitem__)
    assert load_run(tmp_path / "items").config["chosen"] == {"k": best[1], "similarity": best[0]}
    assert result.test["ndcg@10"] == test.from_scores(rankers[best]).means["ndcg@10"]
    for wrong in ({"neighbors": (0,)}, {"similarities": ()}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(alone, **wrong)


def test_ease_alone_and_beside_a_model_that_is_trained_for_it(
    experiment: ContentKnnExperiment, dataset: Dataset, tmp_path: Path
) -> None:
    settings = {"data": experiment.data, "selection_metric": "ndcg@10", "cutoffs": (5, 10)}
    beside = EaseExperiment("ease", **settings, l2=(1.0, 30.0), content_weights=(0.0, 2.0), neighbors=3)
    result = run_ranker(beside, workdir=tmp_path / "ease", quiet=True)
    valid, test = (Evaluator(dataset, split, cutoffs=(5, 10)) for split in ("valid", "test"))
    rankers = {
        (l2, weight): Ease(dataset, l2=l2, content_weight=weight, neighbors=3)
        for weight in (0.0, 2.0)
        for l2 in (1.0, 30.0)
    }
    means = {one: valid.from_scores(ranker).means["ndcg@10"] for one, ranker in rankers.items()}
    assert len(set(means.values())) > 2
    best = max(means, key=means.__getitem__)
    chosen = {"l2": best[0], "content_weight": best[1]}
    assert load_run(tmp_path / "ease").config["chosen"] == chosen
    assert result.test == test.from_scores(rankers[best]).means

    loop = LoopConfig(batch_size=32, max_epochs=1, selection_metric="ndcg@10", cutoffs=(5, 10), tensorboard=False)
    trained = Experiment("bpr", experiment.data, BprMfConfig(dim=4), loop=loop, seed=3)
    blend = BlendExperiment("both", trained, beside, weights=(0.0, 3.0))
    result = run_ranker(blend, workdir=tmp_path / "both", quiet=True)
    assert (result.seed, result.model, result.name) == (3, "Blend", "both")
    # The model's run and that of the other ranker lie beside it.
    written = (tmp_path / "bpr" / "result.json").stat().st_mtime_ns
    assert train(trained, workdir=tmp_path / "bpr", quiet=True).epochs == 1
    assert (tmp_path / "bpr" / "result.json").stat().st_mtime_ns == written
    vectors = load_run(tmp_path / "bpr").vectors
    means = {w: valid.from_scores(Blend(vectors, rankers[best], weight=w)).means["ndcg@10"] for w in (0.0, 3.0)}
    weight = max((0.0, 3.0), key=means.__getitem__)
    assert means[0.0] != means[3.0]
    assert result.valid["ndcg@10"] == means[weight]
    assert result.test == test.from_scores(Blend(vectors, rankers[best], weight=weight)).means
    config = load_run(tmp_path / "both").config
    assert (config["chosen"], config["chosen_beside"]) == ({"weight": weight}, chosen)
    with pytest.raises(UsageError, match="found a run of Blend, which scores by other or more than vectors"):
        _ = load_run(tmp_path / "both").vectors
    with pytest.raises(UsageError, match="weights"):
        run_ranker(replace(blend, weights=(1.0,)), workdir=tmp_path / "both", quiet=True)
    # A model trained by other settings is none of the blend's.
    wider = BlendExperiment("wider", replace(trained, model=BprMfConfig(dim=8)), beside)
    with pytest.raises(UsageError, match=r"another model than that of the blend \(model.dim: stored 4, given 8\)"):
        run_ranker(wider, workdir=tmp_path / "wider", quiet=True)


def test_data_without_content_tries_no_content(
    experiment: ContentKnnExperiment, dataset: Dataset, tmp_path: Path
) -> None:
    bare = replace(dataset, item_features={}, item_table=None)
    write_dataset(replace(bare, manifest=replace(bare.manifest, hash=content_hash(bare))), tmp_path / "bare")
    run_ranker(EaseExperiment("ease", PreparedData(tmp_path / "bare"), l2=(3.0,)), workdir=tmp_path / "run", quiet=True)
    assert load_run(tmp_path / "run").config["chosen"] == {"l2": 3.0, "content_weight": 0.0}


def test_blends_that_contradict_themselves_are_refused(experiment: ContentKnnExperiment) -> None:
    trained, beside = Experiment("bpr", experiment.data), EaseExperiment("ease", experiment.data)
    with pytest.raises(ValueError, match=r"'bpr', 'bpr' and 'ease'; expected three different"):
        BlendExperiment("bpr", trained, beside)
    with pytest.raises(ValueError, match="expected the same"):
        BlendExperiment("both", trained, EaseExperiment("ease", PreparedData(Path("elsewhere"))))
    with pytest.raises(ValueError, match="weights is empty"):
        BlendExperiment("both", trained, beside, weights=())
    with pytest.raises(ValueError, match="l2 is empty"):
        replace(beside, l2=())
