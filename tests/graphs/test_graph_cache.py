import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.data.dataset import Interactions, NeighborList
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.graphs.cache import cache_directory, cached_graph, content_hash


def neighbors(seed: int = 0) -> NeighborList:
    rng = np.random.default_rng(seed)
    return NeighborList(
        np.repeat(np.arange(5, dtype=np.int32), 2),
        rng.integers(0, 5, 10).astype(np.int32),
        rng.uniform(size=10).astype(np.float32),
        5,
        f"seed {seed}",
    )


class Builder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> NeighborList:
        self.calls += 1
        return neighbors()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RECGOAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def assert_equal(first: NeighborList, second: NeighborList) -> None:
    for entry in dataclasses.fields(NeighborList):
        one, other = getattr(first, entry.name), getattr(second, entry.name)
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)


def test_built_once_and_equal_when_read(cache):
    build = Builder()
    first, second = cached_graph(("knn", 3), build), cached_graph(("knn", 3), build)
    assert build.calls == 1
    assert_equal(first, second)
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_other_parts_are_built_again(cache):
    build = Builder()
    cached_graph(("knn", 3), build)
    cached_graph(("knn", 4), build)
    assert build.calls == 2


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "foreign", "other key", "bad shape"])
def test_a_file_that_cannot_be_read_is_rebuilt(cache, damage):
    build = Builder()
    cached_graph(("knn", 3), build)
    (path,) = cache.iterdir()
    contents = path.read_bytes()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not an archive")
        case "truncated":
            path.write_bytes(contents[: len(contents) // 2])
        case "foreign":
            np.savez(path, something=np.zeros(3))
        case "other key":
            cached_graph(("knn", 4), build)
            (other,) = set(cache.iterdir()) - {path}
            path.write_bytes(other.read_bytes())
        case "bad shape":
            with np.load(path) as stored:
                np.savez(path, **{**stored, "weights": np.zeros(3, np.float32)})
    before = build.calls
    assert_equal(cached_graph(("knn", 3), build), neighbors())
    assert build.calls == before + 1
    cached_graph(("knn", 3), build)
    assert build.calls == before + 1


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECGOAT_CACHE", str(tmp_path / "file" / "below"))
    build = Builder()
    assert_equal(cached_graph(("knn", 3), build), neighbors())
    cached_graph(("knn", 3), build)
    assert build.calls == 2


def test_a_failed_write_leaves_nothing(cache, monkeypatch):
    def full(*arguments, **values):
        arguments[0].write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert_equal(cached_graph(("knn", 3), Builder()), neighbors())
    assert list(cache.iterdir()) == []


def test_errors_of_the_builder_pass(cache):
    def broken() -> NeighborList:
        raise OSError("the builder's own")

    with pytest.raises(OSError, match="own"):
        cached_graph(("knn", 3), broken)


def test_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("RECGOAT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "recgoat_jax" / "graphs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "recgoat_jax" / "graphs"


def test_hash_of_contents():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    present = np.array([True, True])
    pairs = (np.array([0], np.int32), np.array([1], np.int32))
    distinct = [
        None,
        0,
        False,
        0.0,
        "0",
        "",
        (),
        ("a", "b"),
        ("ab",),
        (("a",), "b"),
        {"a": 1},
        {"a": 2},
        values,
        values.T,
        values.reshape(3, 2),
        values.astype(np.float64),
        FeatureTable(values, present, "one"),
        FeatureTable(values, present, "two"),
        FeatureTable(values, np.array([True, False]), "one"),
        Interactions(*pairs),
        Interactions(*pairs, ratings=np.ones(1, np.float32)),
        neighbors(0),
        neighbors(1),
    ]
    assert len({content_hash(value) for value in distinct}) == len(distinct)
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash(values[:, ::-1]) == content_hash(values[:, ::-1].copy())
    assert content_hash(np.int64(3)) == content_hash(3)
    # Written out, so that a cache outlives the process that wrote it.
    assert content_hash(("knn", 10)) == hashlib.sha256(b"sequence 1\n2str 5\n'knn'int 2\n10").hexdigest()
    with pytest.raises(TypeError, match="cannot be hashed"):
        content_hash(object())
