import gzip
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recgoat_jax.data import delimited
from recgoat_jax.data.columns import id_column, number_column, timestamp_column
from recgoat_jax.data.tabular import TextTable, read_delimited, read_table
from recgoat_jax.errors import DataError


def table(tmp_path: Path, name: str, content: str | bytes) -> TextTable:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


CSV = 'user,item\n007,"a, ""b"""\n é ,\n'
ROWS = [("007", 'a, "b"'), (" é ", None)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.CSV", CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", CSV.replace("\n", "\r")),
        ("a.csv", CSV.rstrip("\n")),
        ("a.csv", "\n" + CSV.replace("\n", "\n\n")),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.tsv", 'user\titem\n007\t"a, ""b"""\n é \t\n'),
        ("a.jsonl", '{"user": "007", "item": "a, \\"b\\""}\n\n{"item": null, "user": " é "}\n'),
        ("a.ndjson", '{"user": "007", "item": "a, \\"b\\""}\r\n{"item": "", "user": " é "}'),
    ],
)
def test_forms_of_one_table_read_alike(tmp_path: Path, name: str, content: str | bytes) -> None:
    read = table(tmp_path, name, content)
    assert read.frame.columns == ["user", "item"]
    assert read.frame.rows() == ROWS
    assert set(read.frame.dtypes) == {pl.String}


def test_a_quoted_line_end_does_not_shift_lines(tmp_path: Path) -> None:
    read = table(tmp_path, "a.csv", 'id,text\n1,"two\nlines"\n\n2,plain\n3,"x\n\ny"\n4,z\n')
    assert [read.line_of(row) for row in range(4)] == [2, 5, 6, 9]


def test_a_lone_carriage_return_ends_a_line_on_every_path(tmp_path: Path) -> None:
    read = table(tmp_path, "a.csv", "id\na\rb\nc\n")
    assert read.frame["id"].to_list() == ["a", "b", "c"]
    assert [read.line_of(row) for row in range(3)] == [2, 3, 4]


CELLS = st.sampled_from(
    ["", "a", " b ", '"q"', '"a,b"', '"a\nb"', '"a\r\nb"', '"a""b"', '""', 'a"b', 'b"', '"c" d', '"', "é", "\u2028"]
)
LINES = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES, header=st.sampled_from(["x,y,z", '"x",y,z']), end=st.sampled_from(["\n", "\r\n"]))
def test_the_fast_path_never_differs_from_the_exact_one(
    tmp_path: Path, lines: list[str], header: str, end: str
) -> None:
    path = tmp_path / "fuzz.csv"
    path.write_bytes(end.join([header, *lines]).encode())

    def outcome() -> object:
        try:
            return read_table(path).frame.rows()
        except DataError as error:
            return str(error)

    quick = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_fast", lambda *_: None)
        assert quick == outcome()


@pytest.mark.parametrize("content", ["u,i,r\na,b,1\nc,d,2\n", 'u,i,r\n"a",b,1\n"c","d",2'])
def test_plain_files_take_the_fast_path(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_slow", None)
    assert table(tmp_path, "a.csv", content).frame.rows() == [("a", "b", "1"), ("c", "d", "2")]


def test_headerless_files_with_long_separators(tmp_path: Path) -> None:
    path = tmp_path / "movies.dat"
    path.write_bytes('1::Tom "x" Kid::é\n2::b::c\n'.encode("latin-1"))
    read = read_delimited(path, separator="::", header=("id", "title", "tag"), quoting="none", encoding="latin-1")
    assert read.frame.rows() == [("1", 'Tom "x" Kid', "é"), ("2", "b", "c")]
    assert read.line_of(1) == 2


def test_json_values_become_text_as_written(tmp_path: Path) -> None:
    read = table(
        tmp_path, "a.jsonl", '{"n": 4.50, "b": true, "l": ["x", "y"], "d": {"k": "é"}}\n{"n": 123456789012345678}\n'
    )
    assert read.frame.rows() == [("4.50", "true", "x|y", '{"k": "é"}'), ("123456789012345678", None, None, None)]


def test_parquet_values_become_text(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "text": ["a", ""],
            "kind": pl.Series(["x", None], dtype=pl.Categorical),
            "list": [["p", "q"], None],
            "day": [date(2024, 1, 31), None],
            "zoned": [datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), None],
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read.frame.rows()[0] == ("1", "a", "x", "p|q", "2024-01-31", "2024-01-01T00:00:00")
    assert read.frame.rows()[1] == ("2", None, None, None, None, None)
    assert timestamp_column(read.__class__(read.path, read.frame.head(1), read.line_of), "zoned").to_list() == [
        1704067200
    ]


def test_columns_are_typed(tmp_path: Path) -> None:
    read = table(
        tmp_path,
        "a.csv",
        "id,r,t\n007,1,0\n x ,2.5,-1.5\né,1e2,2024-01-31\n4, 4 ,2024-01-31T12:00:00Z\n5,0,2024-01-31 13:00:00+01:00\n",
    )
    assert id_column(read, "id").to_list() == ["007", " x ", "é", "4", "5"]
    numbers = number_column(read, "r", minimum=0.0)
    assert (numbers.dtype, numbers.to_list()) == (pl.Float32, [1, 2.5, 100, 4, 0])
    times = timestamp_column(read, "t")
    # 2024-01-31 is 19,753 days after 1970-01-01.
    day = 19_753 * 86_400
    assert (times.dtype, times.to_list()) == (pl.Int64, [0, -2, day, day + 43_200, day + 43_200])


def test_large_seconds_stay_exact(tmp_path: Path) -> None:
    read = table(tmp_path, "a.csv", "t\n253402300799\n1700000001\n")
    assert timestamp_column(read, "t").to_list() == [253402300799, 1700000001]


def test_half_of_a_character_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.jsonl, line 2, column 'item': found half of a character \('b\ufffd'\)"):
        table(tmp_path, "a.jsonl", '{"user": "\\ud83d\\ude00", "item": "a"}\n{"user": "u", "item": "b\\uD83D"}\n')
    assert table(tmp_path, "b.jsonl", '{"user": "\\ud83d\\ude00"}\n').frame.rows() == [("\U0001f600",)]


def test_long_cells_are_read_whatever_the_other_cells_are(tmp_path: Path) -> None:
    long = "word " * 40_000
    read = table(tmp_path, "a.csv", f"item,text,year\n1,{long},1999\n2,short,\n")
    assert read.frame.rows() == [("1", long, "1999"), ("2", "short", None)]
    assert read.line_of(1) == 3
