import errno
import os
import resource
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recgoat_jax.data import Dataset, FeatureTable, Interactions, Manifest, NeighborList, Vocabulary, storage
from recgoat_jax.data.content import content_hash
from recgoat_jax.data.storage import read_dataset, write_dataset
from recgoat_jax.errors import DataError


def small(*, full: bool = True, seed: int = 0) -> Dataset:
    """Three users and four items; ``full``: with ratings, times, texts, features and neighbours."""

    def part(users: list[int], items: list[int]) -> Interactions:
        ratings = np.arange(len(users), dtype=np.float32) if full else None
        times = np.arange(len(users), dtype=np.int64) + 2**40 if full else None
        return Interactions(np.array(users, np.int32), np.array(items, np.int32), ratings, times)

    dataset = Dataset(
        users=Vocabulary(("007", "ü 1", "\u2028"), kind="user"),
        items=Vocabulary(("a", "b,", '"c', "d\n"), kind="item"),
        train=part([0, 0, 1, 2], [0, 1, 2, 3]),
        valid=part([0], [2]),
        test=part([1, 2], [0, 1]),
        manifest=Manifest("small", "tests", "given", seed, {"k_core": "0"}, {"users": 3}, "", "free"),
    )
    if full:
        values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
        present = np.array([True, False, True, True])
        table = FeatureTable(np.where(present[:, None], values, 0).astype(np.float32), present, "net", "é1")
        ends = np.array([0, 1], np.int32)
        dataset = replace(
            dataset,
            item_table=pa.table({"title": pa.array(["A", None, "", "D"]), "x": pa.array([None] * 4, pa.string())}),
            user_table=pa.table({"city": ["Ulm", "Köln", None]}),
            item_features={"text": table, "image": replace(table, revision="")},
            user_features={"age": FeatureTable(np.ones((3, 1), np.float32), np.ones(3, bool), "file")},
            item_neighbors={"text": NeighborList(ends, ends[::-1].copy(), np.ones(2, np.float32), 4, "knn")},
        )
    return replace(dataset, manifest=replace(dataset.manifest, hash=content_hash(dataset)))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared") / "small"
    write_dataset(small(), directory)
    return directory


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("full", [True, False])
def test_reading_gives_back_what_was_written(tmp_path: Path, full: bool) -> None:
    dataset = small(full=full)
    assert write_dataset(dataset, tmp_path / "a" / "b") is True
    read = read_dataset(tmp_path / "a" / "b")
    assert asdict(read.manifest) == asdict(dataset.manifest)
    assert content_hash(read) == content_hash(dataset)
    # The hash could leave a field out: compare each.
    for field in fields(Dataset):
        ours, theirs = getattr(dataset, field.name), getattr(read, field.name)
        if isinstance(ours, Interactions):
            for column in fields(Interactions):
                left, right = getattr(ours, column.name), getattr(theirs, column.name)
                assert (left is None) == (right is None)
                assert left is None or (left.dtype == right.dtype and left.tolist() == right.tolist())
        elif isinstance(ours, dict):
            assert {name: repr(vars(each)) for name, each in sorted(ours.items())} == {
                name: repr(vars(each)) for name, each in sorted(theirs.items())
            }
        elif field.name != "manifest":
            assert ours == theirs


def test_files_are_the_same_bytes_each_time(written: Path, tmp_path: Path) -> None:
    write_dataset(small(), tmp_path / "again")
    assert tree(tmp_path / "again") == tree(written)


def test_the_same_content_is_left_alone(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [written, *written.rglob("*")]}
    moved = replace(small(), manifest=replace(small().manifest, source="elsewhere"))
    assert write_dataset(small(), written) is False
    assert write_dataset(moved, written) is False
    assert {path: path.stat().st_mtime_ns for path in [written, *written.rglob("*")]} == before


def test_other_content_is_never_overwritten(written: Path, tmp_path: Path) -> None:
    before = tree(written)
    with pytest.raises(DataError, match=r"found another prepared data set \(other seed: 0, not 1\)"):
        write_dataset(small(seed=1), written)
    with pytest.raises(DataError, match=r"another prepared data set \(other hash"):
        write_dataset(small(full=False), written)
    assert tree(written) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="found other files; expected an absent or empty directory"):
        write_dataset(small(), tmp_path)
    with pytest.raises(DataError, match="found a file; expected an absent or empty directory"):
        write_dataset(small(), tmp_path / "notes.txt")
    assert tree(tmp_path) == {"notes.txt": b"mine"}
    (tmp_path / "empty").mkdir()
    assert write_dataset(small(), tmp_path / "empty") is True


def test_a_stale_hash_does_not_reach_the_disk(tmp_path: Path) -> None:
    stale = replace(small(full=False), item_table=pa.table({"title": ["A", "B", "C", "D"]}))
    write_dataset(stale, tmp_path / "data")
    assert read_dataset(tmp_path / "data").manifest.hash == content_hash(stale) != stale.manifest.hash


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "users.parquet",
        "items.parquet",
        "interactions.parquet",
        "features/item/text.npz",
        "features/user/age.npz",
        "neighbors/item/text.npz",
    ],
)
@pytest.mark.parametrize("change", ["one byte", "removed"])
def test_a_changed_file_is_named(tmp_path: Path, name: str, change: str) -> None:
    directory = tmp_path / "data"
    write_dataset(small(), directory)
    path = directory / name
    if change == "removed":
        path.unlink()
    elif name == "manifest.json":
        path.write_text(path.read_text().replace('"protocol": "given"', '"protocol": "global_time"'))
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    for use in (lambda: read_dataset(directory), lambda: write_dataset(small(), directory)):
        with pytest.raises(DataError, match="Choose|prepare the data again") as caught:
            use()
        assert name in str(caught.value) or name == "manifest.json"
        assert caught.value.exit_code == 3


def test_reading_what_is_no_data_set(tmp_path: Path, written: Path) -> None:
    with pytest.raises(DataError, match="no readable 'manifest.json'"):
        read_dataset(tmp_path / "absent")
    (tmp_path / "manifest.json").write_text(
        (written / "manifest.json").read_text().replace('"format": 1', '"format": 0')
    )
    with pytest.raises(DataError, match="found the format 0; expected the format 1"):
        read_dataset(tmp_path)


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arrays: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "to_npz", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(small(), tmp_path / "new" / "deep" / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, limits[1]))  # the first files fit, a later one does not
    try:
        with pytest.raises(DataError, match=r"cannot be written \(File too large\).*Nothing was written"):
            write_dataset(small(), tmp_path / "new" / "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_parent_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # Permissions do not bind every account that runs tests.
    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(DataError, match=r"data: found a directory that cannot be written \(Read-only file system\)"):
        write_dataset(small(), tmp_path / "data")


def test_the_faster_of_two_writers_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "data"
    fill = storage._fill

    def slow(dataset: Dataset, directory: Path) -> None:
        fill(dataset, directory)
        monkeypatch.setattr(storage, "_fill", fill)
        write_dataset(small(), target)

    monkeypatch.setattr(storage, "_fill", slow)
    assert write_dataset(small(), target) is False
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    read_dataset(target)


def test_reading_needs_numpy_and_pyarrow_only(written: Path) -> None:
    program = (
        "import sys; from recgoat_jax.data import read_dataset, describe\n"
        f"describe(read_dataset({str(written)!r}))\n"
        "print([m for m in ('polars', 'pandas', 'jax', 'flax', 'scipy', 'tensorflow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_empty_directory_is_filled_and_stays_the_same_one(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "mount"
    target.mkdir()
    before = target.stat().st_ino
    assert write_dataset(small(), target)
    assert target.stat().st_ino == before
    assert tree(target) == tree(written)
    assert [path.name for path in tmp_path.iterdir()] == ["mount"]


def test_an_empty_directory_that_cannot_be_filled_is_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = Path.rename, []

    def full(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DataError, match="No space left"):
        write_dataset(small(), tmp_path)
    assert list(tmp_path.iterdir()) == []
