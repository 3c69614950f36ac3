"""Feature files with cards: written, read back, matched with a data set by id."""

import errno
import json
import os
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgoat_jax.data.content import with_features
from recgoat_jax.data.feature_card import FeatureCard, train_pairs_hash
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.data.feature_match import match_features
from recgoat_jax.data.feature_writer import Precision, write_features
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import table as own_tables
from recgoat_jax.errors import DataError, UsageError
from tests.worlds import blocks

CARD = FeatureCard(
    kind="item",
    encoder="mini",
    revision="v1",
    pooling="mean",
    max_length=128,
    template="title",
    template_hash="ab" * 32,
    dataset_name="blocks",
    dataset_hash="blocks-0",
    made="2024-01-31",
    present=2,
    missing={"no text": 1},
    version="0.1.0",
)
IDS = ("i1", "i0", "i2")
VALUES = np.array([[1.5, -2.0], [3.0, 0.25], [0.0, 0.0]], np.float32)
PRESENT = np.array([True, True, False])


def written(path, *, ids=IDS, values=VALUES, present=PRESENT, card=CARD, precision: Precision = "float32"):
    parts = (values[:1], values[1:])
    write_features(path, ids=ids, blocks=parts, dim=2, precision=precision, present=present, card=card)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_what_is_written_is_read(tmp_path, suffix, precision):
    path = written(tmp_path / f"text{suffix}", precision=precision)
    raw = read_features(path)
    assert raw.ids == IDS
    assert raw.values.dtype == precision
    np.testing.assert_array_equal(raw.values, VALUES)
    np.testing.assert_array_equal(raw.present, PRESENT)
    assert raw.card == CARD
    assert (raw.encoder, raw.revision) == ("mini", "v1;pooling=mean;max_length=128;template=abababababab")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    again = path.read_bytes()
    assert written(path, precision=precision).read_bytes() == again


def test_numpy_alone_reads_the_archive(tmp_path):
    with np.load(written(tmp_path / "text.npz"), allow_pickle=False) as archive:
        assert archive["ids"].tolist() == list(IDS)
        np.testing.assert_array_equal(archive["values"], VALUES)
        assert json.loads(str(archive["card"]))["missing"] == {"no text": 1}


def test_parquet_of_others_is_read(tmp_path):
    lists = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64()))
    pq.write_table(pa.table({"ids": [7, 8, 9], "values": lists}), tmp_path / "a.parquet")
    raw = read_features(tmp_path / "a.parquet")
    assert raw.ids == ("7", "8", "9")
    np.testing.assert_array_equal(raw.values, np.array([[1, 2], [np.nan, np.nan], [3, 4]], np.float32))
    assert raw.card is None
    assert raw.encoder == "file:a.parquet"


def test_parquet_of_polars_is_read(tmp_path):
    whole = pl.DataFrame({"ids": ["a", "b"], "values": [[1.0, 2.0], [3.0, 4.0]]})
    whole.write_parquet(tmp_path / "whole.parquet")
    assert pa.types.is_large_list(pq.read_schema(tmp_path / "whole.parquet").field("values").type)
    raw = read_features(tmp_path / "whole.parquet")
    assert raw.ids == ("a", "b")
    np.testing.assert_array_equal(raw.values, np.array([[1, 2], [3, 4]], np.float32))
    pl.DataFrame({"ids": [1, 2, 3], "values": [None, [5, 6], [7, 8]]}).write_parquet(tmp_path / "holes.parquet")
    raw = read_features(tmp_path / "holes.parquet")
    np.testing.assert_array_equal(raw.values, np.array([[np.nan, np.nan], [5, 6], [7, 8]], np.float32))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ids": ["a"], "value": [[1.0]]}, "found the columns 'ids', 'value'; expected the columns 'ids' and 'values'"),
        ({"ids": ["a", "b"], "values": [[1.0], [1.0, 2.0]]}, "column 'values': found the type .* 2 different lengths"),
        ({"ids": ["a"], "values": ["x"]}, "column 'values': found the type string"),
        ({"ids": ["a"], "values": [[1.0, None]]}, "column 'values'"),
        ({"ids": ["a", None], "values": [[1.0], [1.0]]}, "column 'ids': found '' in row 2"),
        ({"ids": ["a", "a"], "values": [[1.0], [2.0]]}, "column 'ids': found 'a' in row 2 and row 1"),
    ],
)
def test_bad_parquet_is_named(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"present": np.ones(2, bool)}, r"column 'present': found an array of shape \(2,\)"),
        ({"present": np.ones(3, int)}, "expected 3 booleans"),
        ({"values": np.array([[1, np.nan], [1, 2], [3, 4]])}, "NaN or infinity in row 1 .*'i1'"),
        ({"values": np.full((3, 2), np.nan), "present": np.ones(3, bool)}, "3 rows have some"),
        ({"card": np.array('{"kind": "item"}')}, "found a card that cannot be read"),
        ({"card": np.array('{"kind": "shop", "encoder": "", "revision": ""}')}, "found the kind 'shop'"),
        ({"card": np.array("[]")}, "found a card that cannot be read"),
        (
            {"ids": np.array([b"i0", "é".encode("latin-1"), b"i2"])},
            r"a.npz, column 'ids': found b'\\xe9', which is not UTF-8; expected text",
        ),
    ],
)
def test_bad_archives_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **{"ids": np.array(IDS), "values": VALUES} | arrays)
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "a.npz")


def test_what_stands_in_a_missing_row_is_not_read(tmp_path):
    values = np.array([[1, 2], [3, 4], [np.nan, 9]], np.float32)
    raw = read_features(written(tmp_path / "a.npz", values=values))
    table, _ = match_features(raw, blocks(), kind="item", name="text")
    np.testing.assert_array_equal(table.values[:3], [[3, 4], [1, 2], [0, 0]])
    assert table.present[:4].tolist() == [True, True, False, False]


def test_ids_may_be_bytes_of_utf_8(tmp_path):
    np.savez(tmp_path / "a.npz", ids=np.array([b"i1", "é".encode()]), values=VALUES[:2])
    assert read_features(tmp_path / "a.npz").ids == ("i1", "é")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, suffix):
    path = written(tmp_path / f"a{suffix}")
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        written(path, values=VALUES + 1)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_blocks_that_do_not_add_up_leave_nothing(tmp_path):
    for values in (VALUES[:2], np.concatenate([VALUES, VALUES]), VALUES[:, :1]):
        with pytest.raises(ValueError, match="expected"):
            written(tmp_path / "a.npz", values=values)
    with pytest.raises(UsageError, match=r"found the suffix '\.txt'"):
        written(tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())


def test_rows_are_found_by_id_whatever_their_order(tmp_path):
    dataset = blocks()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(dataset.num_items, 2)).astype(np.float32)
    tables = []
    for name, order in (("a", np.arange(dataset.num_items)), ("b", rng.permutation(dataset.num_items))):
        ids = [dataset.items.ids[row] for row in order]
        mask = np.ones(len(ids), bool)
        path = written(tmp_path / f"{name}.npz", ids=ids, values=values[order], present=mask)
        matched = match_features(read_features(path), dataset, kind="item", name="text")
        assert matched.note is None
        tables.append(matched.table)
    np.testing.assert_array_equal(tables[0].values, values)
    np.testing.assert_array_equal(tables[1].values, values)


def test_features_of_another_data_set_are_taken_where_ids_match_and_it_is_said(tmp_path):
    card = replace(CARD, dataset_name="shop", dataset_hash="f" * 64)
    raw = read_features(written(tmp_path / "a.npz", ids=("i0", "zz", "i2"), card=card))
    table, note = match_features(raw, blocks(), kind="item", name="text")
    assert table.present.sum() == 1
    assert note is not None
    assert "made for 'shop' (ffffffffffff), not for 'blocks'" in note
    assert "2 of their 3 ids are items here, 1 of 16 items have features" in note


def test_unknown_ids_are_errors_in_features_of_this_data_set_and_in_those_without_a_card(tmp_path):
    raw = read_features(written(tmp_path / "a.npz", ids=("i0", "zz", "i2")))
    for features in (raw, replace(raw, card=None)):
        with pytest.raises(DataError, match="column 'ids': found 1 unknown item ids, such as 'zz'"):
            match_features(features, blocks(), kind="item", name="text")
    with pytest.raises(DataError, match="found no id of the data set among 3"):
        match_features(replace(raw, ids=("x", "y", "z")), blocks(), kind="item", name="text")


def test_a_profile_of_an_unknown_user_is_an_error(tmp_path):
    raw = read_features(written(tmp_path / "a.npz", ids=("u0", "nobody", "u2"), card=replace(CARD, kind="user")))
    with pytest.raises(DataError, match="found 1 unknown user ids, such as 'nobody'; expected ids of 'blocks'"):
        match_features(raw, blocks(), kind="user", name="profile")


def test_features_of_users_are_no_features_of_items(tmp_path):
    raw = read_features(written(tmp_path / "a.npz", card=replace(CARD, kind="user")))
    with pytest.raises(DataError, match="found features of users; expected features of items"):
        match_features(raw, blocks(), kind="item", name="text")


def test_profiles_of_another_split_are_refused(tmp_path):
    dataset = blocks()
    other = blocks(seed=1)
    ours, theirs = (train_pairs_hash(one.users, one.items, one.train) for one in (dataset, other))
    assert ours != theirs
    card = replace(CARD, kind="user", train_pairs=ours)
    raw = read_features(written(tmp_path / "a.npz", ids=("u0", "u1", "u2"), card=card))
    # Features that are added change the hash of the data, not the pairs.
    grown = with_features(dataset, item_features={})
    assert match_features(raw, grown, kind="user", name="profile").table.present.sum() == 2
    with pytest.raises(DataError, match=f"training pairs {ours[:12]} of 'blocks'; expected .* {theirs[:12]}"):
        match_features(raw, other, kind="user", name="profile")


def test_preparing_refuses_profiles_of_another_split(tmp_path):
    rows = [f"u{user},i{item}" for user in range(8) for item in range(8)]
    (tmp_path / "a.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    first = prepare(own_tables.read(tmp_path / "a.csv"), name="a", protocol="per_user_811")
    pairs = train_pairs_hash(first.users, first.items, first.train)
    card = replace(CARD, kind="user", train_pairs=pairs)
    profile = written(tmp_path / "p.npz", ids=("u0", "u1", "u2"), card=card)
    raw = own_tables.read(tmp_path / "a.csv", user_features={"profile": profile})
    same = prepare(raw, name="a", protocol="per_user_811")
    assert same.user_features["profile"].present.sum() == 2
    with pytest.raises(DataError, match="Make the features again"):
        prepare(raw, name="a", protocol="per_user_811", seed=1)
