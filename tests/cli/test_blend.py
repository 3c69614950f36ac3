"""``recgoat blend``: the weight by validation, a run that recommends, wrong runs refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset, content_hash, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.evaluation.ranking import ScoreBlock
from recgoat_jax.models import Blend, BprMfConfig, Ease, ItemKnn
from recgoat_jax.serving import Run, load_run
from recgoat_jax.serving.trained import run_experiment
from recgoat_jax.training import Experiment, LoopConfig, train
from tests.runs import random_dataset


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("blend")
    write_dataset(dataset, folder / "data")
    loop = LoopConfig(batch_size=32, max_epochs=1, tensorboard=False)
    experiment = Experiment("bpr", PreparedData(folder / "data"), BprMfConfig(dim=4), loop=loop)
    train(experiment, workdir=folder / "bpr", quiet=True)
    return load_run(folder / "bpr")


@pytest.mark.parametrize("beside", ["item-knn", "ease"])
def test_the_blend_is_a_run_that_recommends_by_both(
    beside: str, trained: Run, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"item-knn": ["--neighbors", "5"], "ease": ["--l2", "3", "--content-weights", "0.5"]}[beside]
    arguments = ["blend", str(trained.directory), "--beside", beside, *options, "--weights", "0", "2.5", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    directory = trained.directory.with_name(f"bpr-and-{beside}")
    assert found["directory"] == str(directory)
    assert found["valid"]["alone"] == trained.result["valid"]
    if beside == "ease":
        assert found["chosen_beside"] == {"l2": 3.0, "content_weight": 0.5}
        other: ScoreBlock = Ease(dataset, l2=3.0, content_weight=0.5)
    else:
        sizes = {"num_users": dataset.num_users, "num_items": dataset.num_items}
        assert found["chosen_beside"]["k"] == 5
        other = ItemKnn(dataset.train, **sizes, k=5, similarity=found["chosen_beside"]["similarity"])
    scores = {weight: Blend(trained.vectors, other, weight=weight) for weight in (0.0, 2.5)}
    valid = Evaluator(dataset, "valid")
    best = max((0.0, 2.5), key=lambda weight: valid.from_scores(scores[weight]).means["recall@20"])
    assert found["chosen"] == {"weight": best}

    run = load_run(directory)
    chosen = run.config["chosen"]
    row = int(np.bincount(dataset.train.users).argmax())

    def expected(of: np.ndarray) -> np.ndarray:
        of = of.copy()
        for pairs in (dataset.train, dataset.valid, dataset.test):
            of[pairs.items[pairs.users == row]] = -np.inf
        of[3] = -np.inf
        return of

    # Whatever validation chose: with a weight that counts, the list is that of the sum.
    weighted = replace(run, config=run.config | {"chosen": {"weight": 2.5}})
    alone = load_run(directory / "beside")
    request = {"users": [dataset.users.ids[row]], "k": 6, "exclude": [dataset.items.ids[3]]}
    for one, block in ((weighted, scores[2.5]), (alone, other)):
        values = expected(np.asarray(block(np.array([row]))[0]))
        order = np.argsort(-values, kind="stable")[:6]
        (listed,) = one.recommend(**request)
        assert [entry.item for entry in listed.items] == [dataset.items.ids[item] for item in order]
        np.testing.assert_allclose([entry.score for entry in listed.items], values[order], rtol=1e-4, atol=1e-5)
    lists = [[entry.item for entry in one.recommend(**request)[0].items] for one in (trained, weighted, alone)]
    assert lists[0] != lists[1] != lists[2]

    # Called again it reads, as text; its lists come from the command as well.
    written = (directory / "result.json").stat().st_mtime_ns
    assert main([*arguments[:-1], "--quiet"]) == 0
    assert capsys.readouterr().out.startswith(f"weight = {chosen['weight']}, ")
    assert (directory / "result.json").stat().st_mtime_ns == written
    assert main(["recommend", str(directory), "--users", dataset.users.ids[row], "--k", "2"]) == 0
    assert f"user {dataset.users.ids[row]}" in capsys.readouterr().out
    for one in (run, alone):
        with pytest.raises(UsageError, match="scoring 'cosine'; expected 'dot'"):
            one.recommend([dataset.users.ids[row]], scoring="cosine")


def test_what_cannot_be_blended_is_refused(trained: Run, dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    directory = trained.directory.with_name("again")
    quiet = ["--quiet", "--workdir", str(directory)]
    assert main(["blend", str(trained.directory), "--weights", "1", *quiet]) == 0
    assert main(["blend", str(directory), "--quiet"]) == 2
    assert "found a run of Blend; expected one of a trained model" in capsys.readouterr().err
    assert main(["blend", str(trained.directory), "--weights", "2", *quiet]) == 2
    assert "weights" in capsys.readouterr().err
    assert main(["blend", str(trained.directory.parent)]) == 3
    other = trained.directory.with_name("other")
    for options, named in (
        (["--beside", "item-knn", "--neighbors", "0"], "neighbors is 0"),
        (["--l2"], "l2 is empty"),
        (["--l2", "-1"], "l2 is -1.0"),
        (["--weights", "nan"], "weights has [nan]"),
    ):
        assert main(["blend", str(trained.directory), "--workdir", str(other), *options]) == 2
        assert named in capsys.readouterr().err
    assert not other.exists()
    # BPR has no vector for somebody new, so its blend has no list.
    assert main(["recommend", str(directory), "--history", dataset.items.ids[3]]) == 2
    assert f"{trained.directory}: found a run of BprMf; expected one of RecGoat" in capsys.readouterr().err


def test_the_run_is_found_from_anywhere(trained: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(trained.directory)
    assert main(["blend", ".", "--weights", "1", "--quiet", "--workdir", str(tmp_path / "here")]) == 0
    shutil.copytree(trained.directory.with_name("data"), tmp_path / "data")
    shutil.copytree(trained.directory, tmp_path / "moved")
    (tmp_path / "moved" / "config.json").write_text(
        (trained.directory / "config.json").read_text().replace(str(trained.directory.parent), str(tmp_path / "gone"))
    )
    moved = ["blend", str(tmp_path / "moved"), "--weights", "1", "--quiet"]
    assert main(moved) == 3
    assert main([*moved, "--data", str(tmp_path / "data")]) == 0
    assert (tmp_path / "moved-and-ease" / "result.json").exists()


def test_features_from_a_file_are_the_run_s_own(
    trained: Run, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """EASE reads what the model read: not without them, and not others of the same name."""
    bare = replace(dataset, item_features={})
    write_dataset(replace(bare, manifest=replace(bare.manifest, hash=content_hash(bare))), tmp_path / "data")
    table = dataset.item_features["image"]
    file = tmp_path / "image.npz"
    np.savez(file, ids=np.array(dataset.items.ids)[table.present], values=table.values[table.present])
    data = PreparedData(tmp_path / "data", item_features=(("image", file),))
    experiment = replace(run_experiment(trained), data=data)
    train(experiment, workdir=tmp_path / "run", quiet=True)
    blend = ["blend", str(tmp_path / "run"), "--l2", "3", "--content-weights", "0.5", "--weights", "1", "--quiet"]
    assert main(blend) == 0
    capsys.readouterr()
    user = int(np.bincount(dataset.train.users).argmax())
    (listed,) = load_run(tmp_path / "run-and-ease" / "beside").recommend([dataset.users.ids[user]], k=3)
    expected = Ease(dataset, l2=3.0, content_weight=0.5)(np.array([user]))[0]
    np.testing.assert_allclose(
        [entry.score for entry in listed.items],
        [expected[dataset.items.ids.index(entry.item)] for entry in listed.items],
        rtol=1e-4,
    )
    assert np.abs(expected[-3:]).max() > 0
    np.savez(file, ids=np.array(dataset.items.ids)[table.present], values=table.values[table.present] + 1)
    again = [*blend, "--workdir", str(tmp_path / "again")]
    assert main(again) == 3
    assert "image.npz: found another file" in capsys.readouterr().err
    assert main(["recommend", str(tmp_path / "run-and-ease"), "--users", dataset.users.ids[4]]) == 3
    assert "image.npz: found another file" in capsys.readouterr().err
    # Without content nothing of it is read.
    assert main([*blend[:5], "0", *blend[6:], "--workdir", str(tmp_path / "plain")]) == 0


def test_a_run_of_an_older_version_says_so(trained: Run, dataset: Dataset) -> None:
    config = {**trained.config, "type": "ItemKnnExperiment", "neighbors": [3], "chosen": {"k": 3}}
    older = replace(trained, config=config, result={**trained.result, "model": "ItemKnn"})
    with pytest.raises(DataError, match="a config that cannot be read .*Run it again"):
        older.recommend([dataset.users.ids[4]])
