"""Each row of the table: a file with one fault, and the place and finding that the error must name."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgoat_jax.data.feature_files import load_npy, load_npz, read_features
from recgoat_jax.data.sources import table
from recgoat_jax.errors import DataError

HEAD = "user,item,rating,timestamp\n"
ROW = "u1,i1,5,100\n"


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


GOOD_PARQUET = parquet(user=["a"], item=["b"])

INTERACTIONS: list[tuple[str, str | bytes, str]] = [
    # missing columns, and what they are called instead
    ("a.csv", "user,rating\nu,1\n", "column 'item': found no such column among 'user', 'rating'.*Add the column"),
    ("a.csv", "userId,item\nu,1\n", "line 1, column 'user': .*Rename column 'userId' to 'user'"),
    ("a.csv", "user,movieId\nu,1\n", "line 1, column 'item': .*Rename column 'movieId' to 'item'"),
    ("a.csv", "user_id,item_id\nu,1\n", "line 1, column 'user': .*Rename column 'user_id' to 'user'"),
    ("a.csv", "user,parent_asin\nu,1\n", "line 1, column 'item': .*Rename column 'parent_asin' to 'item'"),
    ("a.csv", "user,item,Rating\nu,1,2\n", "line 1, column 'rating': .*Rename column 'Rating' to 'rating'"),
    ("a.csv", "user, item\nu,1\n", "line 1, column 'item': .*Rename column ' item' to 'item'"),
    ("a.csv", "user;item\nu;1\n", "line 1, column 'user': .*separated by ';'"),
    ("a.csv", "1,2,3\n4,5,6\n", "line 1, column 'user': .*the first line must be a header"),
    ("a.csv", "user,item,user\nu,1,v\n", "line 1, column 'user': found the column name twice"),
    ("a.jsonl", '{"user": "u", "itemID": 1}\n', "a.jsonl, column 'item': .*Rename column 'itemID' to 'item'"),
    ("a.parquet", parquet(user=["a"], sku=["b"]), "a.parquet, column 'item': .*Rename column 'sku' to 'item'"),
    # wrong types
    ("a.csv", HEAD + ROW + "u2,i1,five,3\n", "line 3, column 'rating': found 'five'; expected a finite number"),
    ("a.csv", HEAD + ROW + "u2,i1,,3\n", "line 3, column 'rating': found an empty cell"),
    ("a.csv", HEAD + ROW + "u2,i1,NaN,3\n", "line 3, column 'rating': found 'NaN'"),
    ("a.csv", HEAD + ROW + "u2,i1,-1,3\n" + ROW, "line 3, column 'rating': found '-1'"),
    ("a.csv", HEAD + ROW + "u2,i1,inf,3\n", "line 3, column 'rating': found 'inf'"),
    ("a.csv", HEAD + ROW + "u2,i1,1e39,3\n", "line 3, column 'rating': found '1e39'"),
    (
        "a.jsonl",
        '{"user":"u","item":"i","rating":1}\n\n{"user":"u","item":"j","rating":NaN}',
        "line 3, column 'rating': found 'NaN'",
    ),
    (
        "a.parquet",
        parquet(user=["a", "b"], item=["c", "d"], rating=[1.0, float("nan")]),
        "row 2, column 'rating': found 'NaN'",
    ),
    ("a.parquet", parquet(user=[1.0, None], item=["c", "d"]), "column 'user': found ids of type Float64"),
    (
        "a.csv",
        "user,item,split\nu,i,train\nu,j,validation\n",
        "line 3, column 'split': found 'validation'; expected one of 'train', 'valid'",
    ),
    # times
    (
        "a.csv",
        HEAD + ROW + "u2,i1,5,yesterday\n",
        "line 3, column 'timestamp': found 'yesterday'; expected seconds since 1970",
    ),
    ("a.csv", HEAD + ROW + "u2,i1,5,2024-02-30\n", "line 3, column 'timestamp': found '2024-02-30'"),
    ("a.csv", HEAD + ROW + "u2,i1,5,nan\n", "line 3, column 'timestamp': found 'nan'"),
    ("a.csv", HEAD + ROW + "u2,i1,5,\n", "line 3, column 'timestamp': found an empty cell"),
    (
        "a.csv",
        HEAD + ROW + "u2,i1,5,1700000000000\n",
        "line 3, column 'timestamp': found '1700000000000'.*Divide milliseconds",
    ),
    # ids
    ("a.csv", HEAD + ROW + ",i1,5,3\n", "line 3, column 'user': found an empty cell; expected an id"),
    ("a.csv", HEAD + ROW + "u,  ,5,3\n", "line 3, column 'item': found '  '; expected an id"),
    ("a.jsonl", '{"user":"u","item":"i"}\n{"user":"u"}', "line 2, column 'item': found an empty cell"),
    ("a.parquet", parquet(user=["a", "b", None], item=["c", "d", "e"]), "row 3, column 'user': found an empty cell"),
    # files that are not what they should be
    ("a.csv", "", "a.csv: found an empty file"),
    ("a.csv", b"\xef\xbb\xbf", "a.csv: found an empty file"),
    ("a.csv", "\n\n", "a.csv: found blank lines only"),
    ("a.csv", HEAD, "line 1: found a header without rows"),
    ("a.csv", HEAD.strip(), "line 1: found a header without rows"),
    ("a.jsonl", "", "a.jsonl: found an empty file"),
    ("a.jsonl", "\n", "a.jsonl: found blank lines only"),
    ("a.parquet", parquet(user=[], item=[]), "a.parquet: found no rows"),
    ("a.parquet", GOOD_PARQUET[:-10], "a.parquet: found a file that cannot be read as Parquet"),
    ("a.parquet", b"", "a.parquet: found a file that cannot be read as Parquet"),
    ("a.parquet", ROW, "a.parquet: found a file that cannot be read as Parquet"),
    ("a.csv", GOOD_PARQUET, r"a.csv: found binary data \(a Parquet file\)"),
    ("a.csv", b"PK\x03\x04rest", r"found binary data \(a zip archive \(or a spreadsheet\)\)"),
    ("a.csv", gzip.compress(HEAD.encode(), mtime=0), r"found binary data \(gzip data\)"),
    ("a.csv", HEAD.encode() + b"u\0,i,1,2\n", r"line 2: found binary data \(a zero byte at byte 29\)"),
    (
        "a.csv",
        (HEAD + ROW + "ü,i1,5,3\n").encode("latin-1"),
        "line 3: found the byte 0xfc at byte 40, which is not UTF-8",
    ),
    ("a.csv", (HEAD + ROW).encode("utf-16"), "a.csv: found UTF-16 text"),
    ("a.csv.gz", gzip.compress(HEAD.encode(), mtime=0)[:-12], "a.csv.gz: found broken gzip data"),
    ("a.csv.gz", HEAD + ROW, "a.csv.gz: found broken gzip data"),
    ("a.csv", None, "a.csv: found no such file"),
    ("a.parquet", None, "a.parquet: found no such file"),
    ("a.xlsx", "x", "a.xlsx: found the suffix '.xlsx'; expected one of .csv"),
    # rows
    ("a.csv", HEAD + ROW + "u2,i1,5\n" + ROW, "line 3: found 3 cells.*expected 4 cells"),
    ("a.csv", HEAD + ROW + "u2,i1,5,3,9\n", "line 3: found 5 cells"),
    ("a.csv", HEAD + ROW + "u2,i1,5,3,", "line 3: found 5 cells"),
    ("a.csv", HEAD + '"u\n\n1",i,5,1\n' + ROW + "u2,i1,5\n", "line 6: found 3 cells"),
    ("a.csv", HEAD + '"u\n1",i,5,1\nu2,i1,x,2\n', "line 4, column 'rating': found 'x'"),
    ("a.csv", HEAD + ROW + '"u,i,5,1\n' + ROW, "line 3: found a cell that cannot be read"),
    ("a.tsv", "user\titem\nu\n", "line 2: found 1 cells"),
    ("a.jsonl", '{"user": "u", "item": "i"}\n{"user": "u",\n', "line 2: found text that is not JSON"),
    ("a.jsonl", '{"user": "u", "item": "i"}\n["u", "i"]\n', "line 2: found a JSON list"),
    ("a.jsonl", "[" * 100_000, "line 1: found text that is not JSON"),
]


def write(path: Path, content: str | bytes | None) -> Path:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(("name", "content", "message"), INTERACTIONS)
def test_bad_interactions(tmp_path: Path, name: str, content: str | bytes | None, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=re.compile(message, re.DOTALL)) as caught:
        table.read(path)
    assert str(caught.value).startswith(str(path))
    assert "expected" in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item,title\ni1,One\ni2,Two\ni1,Uno\n", "line 4, column 'item': found 'i1' again .first on line 2."),
        ('item,title\ni1,"One\nfilm"\n\ni2,Two\ni1,Uno\n', "line 6, column 'item': found 'i1' again .first on line 2."),
        ("item,title\n,One\n", "line 2, column 'item': found an empty cell"),
        ("movie_id,title\ni1,One\n", "Rename column 'movie_id' to 'item'"),
    ],
)
def test_bad_items(tmp_path: Path, content: str, message: str) -> None:
    interactions = write(tmp_path / "a.csv", HEAD + ROW)
    items = write(tmp_path / "items.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        table.read(interactions, items=items)
    assert str(caught.value).startswith(str(items))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


ONES = np.ones((2, 3), np.float32)
PARTLY = np.array([[1, 2], [np.nan, 2]], np.float32)


@pytest.mark.parametrize(
    ("name", "content", "ids", "message"),
    [
        ("f.npy", npy(ONES)[:-5], "a\nb\n", "f.npy: found a file that cannot be read.*may be truncated"),
        ("f.npy", npy(ONES)[:20], "a\nb\n", "f.npy: found a file that cannot be read"),
        ("f.npy", b"", "a\nb\n", "f.npy: found a file that cannot be read"),
        ("f.npy", b"1,2,3", "a\nb\n", "f.npy: found a file that cannot be read"),
        ("f.npy", npy(np.array([{}, 1], object)), "a\nb\n", "f.npy: found a file that cannot be read"),
        ("f.npy", npy(ONES) + b"x", "a\nb\n", "data after the end of the array"),
        ("f.npy", None, "a\nb\n", "f.npy: found no such file"),
        ("f.npy", npy(ONES), None, "found no file 'f.ids.txt' beside it"),
        ("f.npy", npy(ONES), "a\nb\nc\n", "found 2 rows of features for 3 ids"),
        ("f.npy", npy(ONES), "a\na\n", "column 'ids': found 'a' in row 2 and row 1"),
        ("f.npy", npy(ONES), "a\n\n", "column 'ids': found '' in row 2"),
        ("f.npy", npy(ONES[0]), "a\nb\n", r"found an array of shape \(3,\) and type float32"),
        ("f.npy", npy(np.array([["x"]])), "a\n", "and type <U1"),
        ("f.npy", npy(PARTLY), "a\nb\n", r"found NaN or infinity in row 2 \(id 'b'; 1 rows have some\)"),
        ("f.npz", npz(ids=["a", "b"], values=ONES)[:-30], None, "f.npz: found a file that cannot be read"),
        ("f.npz", npz(ids=["a", "b"], feat=ONES), None, "found the arrays 'ids', 'feat'.*Add 'values'"),
        ("f.npz", npz(ids=[0.5, 1.5], values=ONES), None, "column 'ids': found an array of shape"),
        ("f.npz", npy(ONES), None, "f.npz: found a file that cannot be read .a single array"),
        ("f.npz", None, None, "f.npz: found no such file"),
        ("f.txt", b"", None, "found the suffix '.txt'; expected .npz, .parquet or .npy"),
    ],
)
def test_bad_features(tmp_path: Path, name: str, content: bytes | None, ids: str | None, message: str) -> None:
    path = write(tmp_path / name, content)
    write(tmp_path / "f.ids.txt", ids)
    with pytest.raises(DataError, match=message) as caught:
        read_features(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_truncated_array_is_never_read(tmp_path: Path, cut: int) -> None:
    whole = npy(ONES)
    with pytest.raises(DataError):
        load_npy(write(tmp_path / "f.npy", whole[: min(cut, len(whole) - 1)]))
    archive = npz(ids=["a", "b"], values=ONES)
    with pytest.raises(DataError):
        load_npz(write(tmp_path / "f.npz", archive[: len(archive) * cut // 200]), names=("ids", "values"))


def test_a_missing_row_is_a_row_of_nan(tmp_path: Path) -> None:
    values = np.array([[1, 2], [np.nan, np.nan]])
    raw = read_features(write(tmp_path / "f.npz", npz(ids=["a", "b"], values=values)))
    assert np.isnan(raw.values).all(axis=1).tolist() == [False, True]
