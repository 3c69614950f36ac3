import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from recgoat_jax.cli import recommend as command
from recgoat_jax.cli.recommend import as_text
from recgoat_jax.data import Dataset, Interactions, write_dataset
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.serving import load_run, scoring_items
from recgoat_jax.serving.lists import Recommendation, UserRecommendations
from tests.runs import random_dataset, random_vectors, write_run

SPLITS: tuple[Literal["train", "valid", "test"], ...] = ("train", "valid", "test")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def directory(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", dataset, random_vectors(dataset))


def expected_items(
    dataset: Dataset, user: int, k: int, *, seen: bool = True, banned: tuple[int, ...] = ()
) -> list[str]:
    """Loops: all items that the user has in no split, sorted by score."""
    users, items = random_vectors(dataset)
    known = set(banned)
    for pairs in (dataset.train, dataset.valid, dataset.test) if seen else ():
        known |= {int(i) for u, i in zip(pairs.users, pairs.items, strict=True) if u == user}
    scores = items @ users[user]
    order = sorted(set(range(dataset.num_items)) - known, key=lambda i: (-scores[i], i))
    return [dataset.items.ids[i] for i in order[:k]]


def test_recommendations_equal_loops(dataset: Dataset, directory: Path) -> None:
    run = load_run(directory)
    asked = ["user 007", "user 000", "user 007", "user 022"]
    for seen in (True, False):
        found = run.recommend(asked, k=5, exclude_seen=seen)
        assert [entry.user for entry in found] == asked
        for entry in found:
            row = int(entry.user[5:])
            assert [i.item for i in entry.items] == expected_items(dataset, row, 5, seen=seen)
    users, items = random_vectors(dataset)
    best = found[0].items[0]
    row = dataset.items.ids.index(best.item)
    assert best.score == pytest.approx(users[7] @ items[row], rel=1e-5)
    assert best.title == f"Title {row}"


def test_scores_of_directions_are_cosines(dataset: Dataset, directory: Path) -> None:
    """scipy's cosine distance, of the vectors and of those less the mean of the trained ones."""
    run = load_run(directory)
    users, items = run.vectors
    trained = dataset.item_counts > 0
    assert not trained.all()
    options = {"k": dataset.num_items, "exclude_seen": False}
    for scoring, directions in (("cosine", items), ("centred", items - items[trained].mean(axis=0))):
        (found,) = run.recommend([dataset.users.ids[5]], scoring=scoring, **options)
        cosines = 1 - cdist(users[5:6], directions, "cosine")[0]
        rows = [dataset.items.ids.index(one.item) for one in found.items]
        scores = np.array([one.score for one in found.items])
        np.testing.assert_allclose(scores / np.linalg.norm(users[5]), cosines[rows], rtol=1e-4, atol=1e-6)
        assert rows == np.argsort(-cosines).tolist()
    with_nothing = np.vstack([items[:2], np.zeros_like(items[:1])])
    for scoring in ("cosine", "centred"):
        nothing = scoring_items(with_nothing, scoring, trained=np.array([True, True, False]))
        np.testing.assert_array_equal(nothing[2], np.zeros(items.shape[1]))


def test_the_past_is_what_all_splits_hold(dataset: Dataset, directory: Path) -> None:
    run = load_run(directory)
    for row, user in enumerate(dataset.users.ids):
        held = sorted(
            int(item)
            for pairs in (dataset.train, dataset.valid, dataset.test)
            for owner, item in zip(pairs.users, pairs.items, strict=True)
            if owner == row
        )
        past = run.past(user)
        assert [one.item for one in past] == [dataset.items.ids[item] for item in held]
        assert [one.title for one in past] == [None if item == 1 else f"Title {item}" for item in held]
    with pytest.raises(UsageError, match="nobody"):
        run.past("nobody")


def test_the_past_with_times_begins_with_the_newest(dataset: Dataset, directory: Path) -> None:
    def timed(pairs: Interactions) -> Interactions:
        times = 1000 + (pairs.items.astype(np.int64) * 7 + pairs.users) % 31
        return replace(pairs, timestamps=times, ratings=(times % 5).astype(np.float32))

    splits = {name: timed(dataset.split(name)) for name in SPLITS}
    run = replace(load_run(directory))
    vars(run)["dataset"] = replace(dataset, **splits)
    past = run.past("user 007")
    times = [1000 + (dataset.items.ids.index(one.item) * 7 + 7) % 31 for one in past]
    assert times == sorted(times, reverse=True)
    assert [one.rating for one in past] == [time % 5 for time in times]
    assert len(past) > 3


def test_excluded_items_and_short_lists(dataset: Dataset, directory: Path) -> None:
    run = load_run(directory)
    (everything,) = run.recommend(["user 007"], k=dataset.num_items)
    assert [i.item for i in everything.items] == expected_items(dataset, 7, dataset.num_items)
    assert len(everything.items) < dataset.num_items
    (without,) = run.recommend(["user 007"], k=4, exclude=[everything.items[0].item])
    assert [i.item for i in without.items] == [i.item for i in everything.items[1:5]]
    untitled = next(i for i in everything.items if i.item == dataset.items.ids[1])
    assert untitled.title is None
    assert run.recommend([]) == []


def test_unknown_ids_and_k_are_refused(dataset: Dataset, directory: Path) -> None:
    run = load_run(directory)
    with pytest.raises(UsageError, match=r"unknown user id 'user 7'.*for example 'user 000'"):
        run.recommend(["user 007", "user 7"])
    with pytest.raises(UsageError, match="unknown item id 'x'"):
        run.recommend(["user 007"], exclude=["x"])
    for k in (0, dataset.num_items + 1):
        with pytest.raises(UsageError, match=f"k = {k}; expected 1 to 31"):
            run.recommend(["user 007"], k=k)


def test_moved_and_changed_data_are_named(dataset: Dataset, tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", dataset, random_vectors(dataset))
    prepared = Path(json.loads((directory / "config.json").read_text())["dataset_directory"])
    moved = prepared.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no such directory.*--data DIR"):
        load_run(directory).recommend(["user 007"])
    assert load_run(directory, data=moved).recommend(["user 007"])
    write_dataset(random_dataset(seed=9), tmp_path / "other")
    with pytest.raises(DataError, match="on which run .* was trained"):
        load_run(directory, data=tmp_path / "other").recommend(["user 007"])


def test_incomplete_runs_are_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such directory"):
        load_run(tmp_path / "absent")
    directory = write_run(tmp_path / "run", dataset, random_vectors(dataset))
    (directory / "result.json").rename(tmp_path / "result.json")
    with pytest.raises(DataError, match=r"result\.json: found no file"):
        load_run(directory)
    (directory / "result.json").write_text('{"dataset": "ab')
    with pytest.raises(DataError, match=r"result\.json: found no JSON"):
        load_run(directory)
    (directory / "result.json").write_text('{"name": "x"}')
    with pytest.raises(DataError, match="fields name; expected .* field 'dataset'"):
        load_run(directory)


@pytest.mark.parametrize("damage", ["missing", "truncated", "no_items", "rows", "nan"])
def test_damaged_vectors_are_named(damage: str, dataset: Dataset, tmp_path: Path) -> None:
    users, items = random_vectors(dataset)
    directory = write_run(tmp_path / "run", dataset, (users, items))
    path = directory / "vectors.npz"
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "no_items":
            np.savez(path, users=users)
        case "rows":
            np.savez(path, users=users[1:], items=items)
        case "nan":
            np.savez(path, users=users * np.nan, items=items)
    with pytest.raises(DataError, match=r"vectors\.npz: found .*expected"):
        load_run(directory).recommend(["user 007"])


def test_a_log_that_was_cut_short_is_read(dataset: Dataset, tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", dataset, random_vectors(dataset), epochs=2)
    with (directory / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "ep')
    assert [line["kind"] for line in load_run(directory).log] == ["train", "valid", "train", "valid"]


def test_command_prints_text_and_json(
    dataset: Dataset, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = tmp_path / "users.txt"
    users.write_text("user 008\r\n\nuser 009\n", encoding="utf-8")
    arguments = [str(directory), "--users", "user 007", "--users-file", str(users), "--k", "3"]
    assert command.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["user"] for entry in found] == ["user 007", "user 008", "user 009"]
    for entry in found:
        assert [i["item"] for i in entry["items"]] == expected_items(dataset, int(entry["user"][5:]), 3)
    assert command.main([*arguments, "--no-exclude-seen"]) == 0
    text = capsys.readouterr().out
    for user in (7, 8, 9):
        assert f"user 00{user}" in text
        assert all(item in text for item in expected_items(dataset, user, 3, seen=False))


def test_command_refuses_no_users_and_bad_files(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no user given"):
        command.main([str(directory)])
    with pytest.raises(DataError, match="unreadable"):
        command.main([str(directory), "--users-file", str(tmp_path / "absent")])


def test_a_title_is_one_line() -> None:
    listed = UserRecommendations("u1", (Recommendation("i1", 0.5, "Line one\r\nuser u99"),))
    assert as_text([listed]).splitlines() == ["user u1", "   1    0.5000  i1  Line one user u99"]
