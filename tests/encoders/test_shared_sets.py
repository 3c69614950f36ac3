"""The shared data sets: sizes as published, texts and pictures with the right rows; the encoder is replaced."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.data import FeatureTable, find_shared_data
from recgoat_jax.data.feature_card import Kind
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.encoders import shared_sets
from recgoat_jax.errors import DataError, UsageError

NOWHERE = Path("not read")
needs_data = pytest.mark.data


@pytest.fixture(scope="module")
def root() -> Path:
    try:
        return find_shared_data()
    except DataError as error:
        pytest.skip(f"the shared research data is not here: {error}")


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[list[str | None]]:
    """Collects what is to be encoded."""
    seen: list[list[str | None]] = []

    def encode(vocabulary: Vocabulary, given: Sequence[str | None], *, kind: Kind, out: Path) -> FeatureTable:
        assert len(vocabulary.ids) == len(given)
        seen.append(list(given))
        values = np.random.default_rng(len(seen)).normal(size=(len(given), 4)).astype(np.float32)
        return FeatureTable(values, np.array([bool(text) for text in given]), out.stem)

    monkeypatch.setattr(shared_sets, "encode_texts", encode)
    return seen


class Lengths:
    """A text encoder that counts what it is asked."""

    name, revision, pooling, max_length, dim = "lengths", "1", "none", 512, 2
    asked: list[str] = []

    def __init__(self, _: object) -> None: ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_another_split_of_a_set_encodes_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_sets, "BertTextEncoder", Lengths)
    out = tmp_path / "encoded" / "set.npz"
    text_of = {"a": "1", "b": " ", "c": "333", "d": None}
    for ids in (["a", "b", "c", "d"], ["d", "c", "b", "a"]):
        vocabulary = Vocabulary(ids, kind="item")
        table = shared_sets.encode_texts(vocabulary, [text_of[one] for one in ids], kind="item", out=out)
        assert [one for one, there in zip(ids, table.present, strict=True) if there] == sorted(
            {"a", "c"} & {*ids}, key=ids.index
        )
        assert [table.values[ids.index(one), 0] for one in ("a", "c")] == [1, 3]
    assert Lengths.asked == ["1", "333"]
    with pytest.raises(UsageError, match="set"):
        shared_sets.encode_texts(Vocabulary(["a"], kind="item"), ["other"], kind="item", out=out)


@needs_data
def test_lastfm(root: Path, texts: list[list[str | None]]) -> None:
    dataset = shared_sets.lastfm(root, seed=0, encoded=NOWHERE)
    assert (dataset.num_users, dataset.num_items) == (1859, 2813)
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 71_294
    artists = (gzip.decompress((root / "lastfm" / "hetrec_artists.dat.gz").read_bytes())).decode().split("\n")
    name_of = dict(line.split("\t")[:2] for line in artists if line)
    ids = dict(line.split()[::-1] for line in (root / "lastfm" / "item_map.txt").read_text().split("\n") if line)
    named = [
        name_of[ids[external]].lower() in (text or "").lower()
        for external, text in zip(dataset.items.ids, texts[0], strict=True)
    ]
    assert np.mean(named) > 0.9
    assert dataset.user_features["profile"].present.all()


@needs_data
@pytest.mark.slow
def test_movielens_1m_with_cold_items(root: Path, texts: list[list[str | None]]) -> None:
    dataset = shared_sets.movielens_1m(root, protocol="cold_items", seed=0, encoded=NOWHERE)
    assert (dataset.num_users, dataset.num_items) == (6040, 3260)
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 998_539
    assert dataset.item_table is not None
    titles = dataset.item_table["title"].to_pylist()
    names = [title.rsplit(" (", 1)[0].split(",")[0] for title in titles]
    named = [name in (text or "") for name, text in zip(names, texts[0], strict=True)]
    assert np.mean(named) > 0.9
    image = dataset.item_features["image"]
    assert (int(image.present.sum()), image.dim) == (2291, 1280)
    with np.load(root / "movielens-small" / "poster_effnetlite0.npz") as stored:
        toy_story = stored["feat"][stored["movieId"].tolist().index(1)]
    np.testing.assert_allclose(image.values[titles.index("Toy Story (1995)")], toy_story.astype(np.float32))
    assert dataset.user_features["profile"].present.all()
    cold = np.flatnonzero(dataset.item_counts == 0)
    assert len(cold) == 326
    assert set(dataset.test.items) <= set(cold)


@needs_data
def test_scientific(root: Path, texts: list[list[str | None]]) -> None:
    dataset = shared_sets.amazon_scientific(root, protocol="leave_last_out", seed=0, encoded=NOWHERE)
    assert (dataset.num_users, dataset.num_items) == (8317, 4344)
    histories = json.loads((root / "amazon-scientific" / "Scientific.inter.json").read_text())
    last = {user: str(items[-1]) for user, items in histories.items()}
    for user, item in list(zip(dataset.test.users, dataset.test.items, strict=True))[:500]:
        assert dataset.items.ids[item] == last[dataset.users.ids[user]]
    first = texts[0][dataset.items.ids.index("0")]
    assert first is not None
    assert first.startswith("SUPCO SPP6")
    assert "Industrial Electrical" in first
