"""Strict reading of CSV, TSV, JSON Lines and Parquet into frames of text, with the exact place of every error.

Nothing is inferred: each column is text as it stands in the file, so that ``007`` stays ``007``, and an empty
cell is null. `recgoat_jax.data.columns` turns columns into numbers and times.
"""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recgoat_jax.data.delimited import Quoting, read_delimited
from recgoat_jax.data.files import read_text
from recgoat_jax.data.text_table import TextTable, shorten
from recgoat_jax.data.unicode import valid_unicode
from recgoat_jax.errors import DataError

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Suffixes that `read_table` knows; each text one may end in ``.gz`` besides."""


def read_table(path: Path) -> TextTable:
    """Reads a table; its format follows its suffix.

    Args:
        path: a file whose name ends in one of `FORMATS`; ``.csv.gz``, ``.tsv.gz``, ``.jsonl.gz`` are unpacked.

    Returns:
        The table as text. JSONL: columns are the union of the keys, numbers as they are written, lists of plain
        values joined by ``|``, other nested values as JSON text. Parquet: numbers, times and lists likewise.

    Raises:
        DataError: absent, unreadable, empty, without rows, ragged, binary, not UTF-8, or an unknown suffix.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else "".join(suffixes[-1:])
    match suffix:
        case ".csv":
            return read_delimited(path, separator=",")
        case ".tsv":
            return read_delimited(path, separator="\t")
        case ".jsonl" | ".ndjson":
            return _read_jsonl(path)
        case ".parquet":
            return _read_parquet(path)
        case _:
            raise DataError.at(
                path,
                found=f"the suffix '{suffix}'",
                expected=f"one of {', '.join(FORMATS)} (text formats also with .gz)",
                action="Rename or convert the file.",
            )


def _read_jsonl(path: Path) -> TextTable:
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
    records: list[dict[str, str | None]] = []
    lines: list[int] = []
    names: dict[str, None] = {}
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            value = decoder.decode(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError.at(
                path,
                row=line,
                found=f"text that is not JSON ({error})",
                expected="one JSON object a line",
                action="Mend the line, or write the file anew as JSON Lines.",
            ) from error
        if not isinstance(value, dict):
            raise DataError.at(
                path,
                row=line,
                found=f"a JSON {type(value).__name__}",
                expected='one JSON object a line, such as {"user": "u1", "item": "i1"}',
                action="Write one object a line.",
            )
        record = {key: _json_text(cell) for key, cell in value.items()}
        # Only an escape spells half of a character.
        for key, cell in record.items() if "\\ud" in text.lower() else ():
            if valid_unicode(key + (cell or "")) != key + (cell or ""):
                raise DataError.at(
                    path,
                    row=line,
                    column=valid_unicode(key),
                    found=f"half of a character ({shorten(valid_unicode(cell or key))!r})",
                    expected="text that was not cut within a character",
                    action="Mend the cell; an emoji is two escapes.",
                )
        names.update(dict.fromkeys(record))
        records.append(record)
        lines.append(line)
    if not records:
        raise DataError.at(path, found="blank lines only", expected="rows", action="Give a file with content.")
    frame = pl.DataFrame(
        {name: pl.Series([record.get(name) for record in records], dtype=pl.String) for name in names},
        height=len(records),
    )
    return TextTable(path, frame, lines.__getitem__)


def _json_text(cell: object) -> str | None:
    match cell:
        case None | "":
            return None
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case list() if all(isinstance(part, str) for part in cell):
            return "|".join(cell) or None
        case _:
            return json.dumps(cell, ensure_ascii=False)


def _read_parquet(path: Path) -> TextTable:
    if not path.is_file():
        raise DataError.at(path, found="no such file", expected="a Parquet file", action="Check the path.")
    try:
        frame = pl.from_arrow(pq.read_table(path))
    except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise DataError.at(
            path,
            found=f"a file that cannot be read as Parquet ({str(error).splitlines()[0]})",
            expected="a complete Parquet file",
            action="Write or copy the file again.",
        ) from error
    assert isinstance(frame, pl.DataFrame)
    if frame.height == 0:
        raise DataError.at(
            path, found="no rows", expected="at least one row", action="Check that the export was complete."
        )
    types = {name: str(dtype) for name, dtype in frame.schema.items()}
    columns = []
    for name, dtype in frame.schema.items():
        try:
            columns.append(_column_text(frame[name]))
        except pl.exceptions.PolarsError as error:
            raise DataError.at(
                path,
                column=name,
                found=f"the type {dtype}",
                expected="text, numbers, times, or lists of text",
                action="Convert or leave out the column.",
            ) from error
    text = pl.DataFrame(columns).with_columns(pl.all().replace("", None))
    return TextTable(path, text, lambda row: None, types)


def _column_text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        # Times with a zone are told in UTC; times without one are taken as UTC when they are read.
        utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join("|", ignore_nulls=True)
    return column.cast(pl.String)


__all__ = ["FORMATS", "Quoting", "TextTable", "read_delimited", "read_table"]
