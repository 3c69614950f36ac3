"""Newcomers against what training itself gives such rows, and against loops over the trained tables."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from recgoat_jax.cli import recommend as command
from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset, FeatureTable, content_hash, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.models import BprMfConfig, Ease, ItemKnn, LightGcnConfig, ModelConfig, RecGoatConfig
from recgoat_jax.serving import Run, UserRecommendations, load_run
from recgoat_jax.serving.cold_start import ColdStart
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, train
from tests.worlds import blocks

COLD = (3, 12)
"""Items of `world` without a training pair, one of each block."""

LAYERS, NEIGHBORS, MIX = 2, 3, 0.3
RECGOAT = RecGoatConfig(dim=8, num_layers=LAYERS, neighbors=NEIGHBORS, user_branch="neighbors", user_mix=MIX)


@pytest.fixture(scope="module")
def world() -> Dataset:
    made = blocks(ratings=False, cold=COLD)
    return replace(made, manifest=replace(made.manifest, hash=content_hash(made)))


@pytest.fixture(scope="module")
def trained(world: Dataset, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("cold")
    write_dataset(world, folder / "data")

    def run(name: str, model: ModelConfig) -> Run:
        loop = LoopConfig(batch_size=32, max_epochs=3, selection_metric="recall@5", cutoffs=(5,), tensorboard=False)
        experiment = Experiment(name, PreparedData(folder / "data"), model, OptimizerConfig(learning_rate=0.02), loop)
        return load_run(train(experiment, workdir=folder / name, quiet=True).directory)

    return run


@pytest.fixture(scope="module")
def recgoat(trained) -> Run:
    return trained("recgoat", RECGOAT)


@pytest.fixture(scope="module")
def lightgcn(trained) -> Run:
    return trained("lightgcn", LightGcnConfig(dim=8, num_layers=LAYERS, initialization="normal"))


def rows_of(table: FeatureTable, rows: list[int]) -> FeatureTable:
    return replace(table, values=table.values[rows], present=table.present[rows])


def test_an_item_that_comes_later_has_the_vector_that_training_gives_a_cold_one(recgoat: Run, world: Dataset) -> None:
    features = {name: rows_of(table, list(COLD)) for name, table in world.item_features.items()}
    later = ColdStart(recgoat).item_vectors(features)
    np.testing.assert_allclose(later, recgoat.vectors.items[list(COLD)], atol=1e-6)
    assert np.abs(later).max() > 0.01
    # Without pictures: other vectors; and an item of which nothing is known is worth nothing.
    text = features["text"]
    fewer = ColdStart(recgoat).item_vectors({"text": replace(text, present=np.array([True, False]))})
    assert np.abs(fewer[0] - later[0]).max() > 1e-3
    np.testing.assert_array_equal(fewer[1], 0)


def layers_by_hand(run: Run, world: Dataset) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """The trained user rows, the item rows of each LightGCN layer, and the items' degrees."""
    params = ColdStart(run)._params
    users, items = (np.asarray(params[name][...], np.float64) for name in ("user_table", "item_table"))
    r = np.zeros((world.num_users, world.num_items))
    r[world.train.users, world.train.items] = 1
    items = np.where(r.sum(0)[:, None] > 0, items, 0)
    degree = np.concatenate([r.sum(1), r.sum(0)])
    a = np.block([[np.zeros((len(r), len(r))), r], [r.T, np.zeros((r.shape[1], r.shape[1]))]])
    a /= np.sqrt(np.outer(np.maximum(degree, 1), np.maximum(degree, 1)))
    nodes, found = np.concatenate([users, items]), []
    for _ in range(LAYERS):
        found.append(nodes[len(users) :])
        nodes = a @ nodes
    return users, found, degree[len(users) :]


def history_by_hand(run: Run, world: Dataset, history: list[int]) -> np.ndarray:
    """1/(L+1) sum over layers and items of E_i^(k) / sqrt(n d_i), the vector of a user whose own row is zero."""
    _, layers, degrees = layers_by_hand(run, world)
    weights = 1 / np.sqrt(len(history) * degrees[history])
    return np.sum([weights @ layer[history] for layer in layers], axis=0) / (LAYERS + 1)


def test_a_history_goes_through_the_trained_layers(lightgcn: Run, world: Dataset) -> None:
    histories = [[0, 1, 9], [4]]
    found = ColdStart(lightgcn).user_vectors([[world.items.ids[i] for i in items] for items in histories])
    expected = [history_by_hand(lightgcn, world, items) for items in histories]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found).max() > 0.01


def scores_of_a_blend(
    trained: Run, other: Ease | ItemKnn, world: Dataset, histories: list[list[int]], *, weight: float
) -> np.ndarray:
    """The model's scores plus the other's, on the model's scale over the users of the data; nothing for a history."""
    users, items = trained.vectors
    rows = np.zeros((len(histories), world.num_items), np.float32)
    for row, history in enumerate(histories):
        rows[row, history] = 1
    scale = (users @ items.T).std() / np.asarray(other(np.arange(world.num_users))).std()
    given = [[world.items.ids[i] for i in history] for history in histories]
    scores = ColdStart(trained).user_vectors(given) @ items.T + weight * scale * other.of_histories(csr_array(rows))
    return np.where(rows > 0, -np.inf, scores)


def check_lists(found: list[UserRecommendations], expected: np.ndarray, world: Dataset) -> None:
    """The six best items of each row of scores, in their order, with their scores."""
    for listed, scores in zip(found, expected, strict=True):
        order = np.argsort(-scores, kind="stable")[:6]
        assert [entry.item for entry in listed.items] == [world.items.ids[item] for item in order]
        np.testing.assert_allclose([entry.score for entry in listed.items], scores[order], rtol=1e-4, atol=1e-5)


def test_histories_that_a_blend_with_item_knn_scores(lightgcn: Run, world: Dataset, tmp_path: Path) -> None:
    options = ["--beside", "item-knn", "--neighbors", "4", "--weights", "0.7", "--quiet"]
    assert main(["blend", str(lightgcn.directory), "--workdir", str(tmp_path / "both"), *options]) == 0
    blend = load_run(tmp_path / "both")
    histories = [[0, 1, 9], [4]]
    likeness = blend.config["chosen_beside"]["similarity"]
    knn = ItemKnn(world.train, num_users=world.num_users, num_items=world.num_items, k=4, similarity=likeness)
    expected = scores_of_a_blend(lightgcn, knn, world, histories, weight=0.7)
    given = [[world.items.ids[i] for i in history] for history in histories]
    check_lists(blend.recommend_histories(given, k=6), expected, world)


@pytest.mark.parametrize("model", ["lightgcn", "recgoat"])
def test_histories_that_a_blend_scores(
    model: str, request: pytest.FixtureRequest, world: Dataset, tmp_path: Path
) -> None:
    """The sum of both scores, on the scale of the users that the blend has."""
    trained: Run = request.getfixturevalue(model)
    for run in (trained.directory, trained.directory.with_name("data")):
        shutil.copytree(run, tmp_path / "there" / run.name)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    link = tmp_path / "deep" / "er" / "link"
    link.symlink_to(tmp_path / "there")
    options = ["--l2", "3", "--content-weights", "0.5", "--weights", "1.5", "--quiet"]
    assert main(["blend", str(link / model), "--workdir", str(tmp_path / "there" / "both"), *options]) == 0

    histories = [[0, 1, 9], [4]]
    given = [[world.items.ids[i] for i in items] for items in histories]
    # EASE beside RecGOAT takes RecGOAT's number of neighbours.
    neighbors = NEIGHBORS if model == "recgoat" else 10
    ease = Ease(world, l2=3.0, content_weight=0.5, neighbors=neighbors)
    expected = scores_of_a_blend(trained, ease, world, histories, weight=1.5)
    expected[:, 5] = -np.inf

    # Moved together they find each other, by way of a link as well, and the data is where the blend was told.
    (tmp_path / "there").rename(tmp_path / "here")
    for name in ("both", model):
        config = tmp_path / "here" / name / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "dataset_directory": str(tmp_path / "gone")}))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "here")
    blend = load_run(tmp_path / "elsewhere" / "link" / "both", data=tmp_path / "here" / "data")
    check_lists(blend.recommend_histories(given, k=6, exclude=["i5"]), expected, world)
    # Nobody has bought this one: the model has no vector of such a user.
    with pytest.raises(UsageError, match="user 2 of 2: found 1 items, none with a training pair"):
        blend.recommend_histories([given[0], [world.items.ids[COLD[0]]]])

    there = tmp_path / "here" / model
    there.rename(tmp_path / "here" / "away")
    with pytest.raises(DataError, match=f"{model}: found no such directory; expected the run of the model of blend"):
        load_run(blend.directory, data=blend.data).recommend_histories(given)
    shutil.copytree(tmp_path / "here" / "away", there)
    vectors = dict(np.load(there / "vectors.npz"))
    np.savez(there / "vectors.npz", users=vectors["users"], items=vectors["items"] + 1)
    with pytest.raises(DataError, match=f"{model}: found another run"):
        load_run(blend.directory, data=blend.data).recommend_histories(given)
    older = replace(blend, config={name: of for name, of in blend.config.items() if name != "model_directory"})
    with pytest.raises(DataError, match="found no field 'model_directory'.*recgoat blend"):
        older.recommend_histories(given)


def test_a_profile_joins_the_history(recgoat: Run, world: Dataset) -> None:
    profile = world.user_features["profile"]
    known = rows_of(profile, [2, 8])
    found = ColdStart(recgoat).user_vectors([["i0", "i1"], []], profiles={"profile": known})

    users, _, _ = layers_by_hand(recgoat, world)
    unit = profile.values / np.linalg.norm(profile.values, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    named = np.zeros_like(cosine)
    for user, order in enumerate(np.argsort(-cosine, axis=1)[:, :NEIGHBORS]):
        named[user, order] = 1
    graph = np.maximum(named, named.T)
    degree = graph.sum(1)
    hop = (graph / np.sqrt(np.outer(degree, degree))) @ users
    # The collaborative vectors of training's users, from their final ones and their hop.
    final = recgoat.vectors.users.astype(np.float64)

    def matched(scale: float) -> np.ndarray:
        return (final - MIX * scale * hop) / (1 - MIX)

    scale = 1.0
    for _ in range(200):
        scale = np.sqrt(np.mean(matched(scale) ** 2) / np.mean(hop**2))
    for row, (of_training, history) in enumerate([(2, [0, 1]), (8, [])]):
        nearest = np.argsort(-(unit @ unit[of_training]))[:NEIGHBORS]
        own = (1 / np.sqrt(NEIGHBORS * degree[nearest])) @ users[nearest]
        collaborative = history_by_hand(recgoat, world, history) if history else 0.0
        np.testing.assert_allclose(found[row], (1 - MIX) * collaborative + MIX * scale * own, atol=2e-5)


def test_lists_for_new_users(recgoat: Run, world: Dataset) -> None:
    cold = ColdStart(recgoat)
    first, second = cold.recommend([["i0", "i1"], ["i9"]], k=4, exclude=["i2"])
    assert (first.user, second.user) == ("new user 1", "new user 2")
    scores = recgoat.vectors.items @ cold.user_vectors([["i0", "i1"]])[0]
    order = [f"i{row}" for row in np.argsort(-scores) if row not in (0, 1, 2)]
    assert [item.item for item in first.items] == order[:4]
    assert "i9" not in [item.item for item in second.items]
    given = command.RecommendCommand(recgoat.directory, users=("u0",), history=("i0", "i1"), k=4, exclude=("i2",))
    known, asked = command.run(given)
    assert (known.user, asked.user) == ("u0", first.user)
    assert [item.item for item in asked.items] == [item.item for item in first.items]
    # Alone, and beside another user, the sums of a history are added up in other blocks.
    np.testing.assert_allclose([i.score for i in asked.items], [i.score for i in first.items], rtol=1e-6)
    with pytest.raises(UsageError, match=r"--history was given with --html"):
        command.run(replace(given, html=recgoat.directory / "page.html"))
    (with_seen,) = cold.recommend([["i0"]], k=16, exclude_seen=False)
    assert len(with_seen.items) == 16


def test_what_cannot_be_served_is_refused(recgoat: Run, lightgcn: Run, trained, world: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found a run of BprMf; expected one of RecGoat"):
        ColdStart(trained("bpr", BprMfConfig(dim=8)))
    cold, text = ColdStart(recgoat), rows_of(world.item_features["text"], [0])
    with pytest.raises(UsageError, match=r"found a run without features of items"):
        ColdStart(lightgcn).item_vectors({"text": text})
    with pytest.raises(UsageError, match=r"found a run without modalities"):
        ColdStart(trained("ids", replace(RECGOAT, modalities=(), fusion="id"))).item_vectors({"text": text})
    with pytest.raises(UsageError, match=r"'sound' are none that the run was trained on; expected \['image'"):
        cold.item_vectors({"sound": text})
    with pytest.raises(DataError, match=r"'text': found 3 columns by 'planted'; expected 2 columns"):
        cold.item_vectors({"text": replace(text, values=np.ones((1, 3), np.float32))})
    with pytest.raises(DataError, match=r"by 'other'; expected 2 columns by 'planted'"):
        cold.item_vectors({"text": replace(text, encoder="other")})
    with pytest.raises(UsageError, match=r"unknown item id 'x'"):
        cold.user_vectors([["x"]])
    with pytest.raises(UsageError, match=r"user 2 of 2: found 1 items, none with a training pair, and no profile"):
        cold.user_vectors([["i0"], ["i3"]])
    with pytest.raises(UsageError, match=r"user features 'profile' are none that the run was trained on"):
        ColdStart(lightgcn).user_vectors([["i0"]], profiles=world.user_features)
    with pytest.raises(DataError, match=r"found no checkpoint; expected the checkpoints of the run"):
        ColdStart(recgoat, checkpoints=tmp_path).user_vectors([["i0"]])
