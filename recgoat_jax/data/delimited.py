"""Strict reading of delimited text: a fast path for plain files, and one that settles or names every doubt.

A file takes the fast path (polars) when nothing in it is doubtful; stray quotes, lone carriage returns, blank lines,
missing or surplus cells send it through Python's ``csv`` module, which says what the file holds or names the line at
fault. Both give the same frame for the same well-formed file.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import polars as pl

from recgoat_jax.data.files import read_text
from recgoat_jax.data.text_table import TextTable, shorten
from recgoat_jax.errors import DataError

Quoting = Literal["csv", "none"]
"""``"csv"``: double quotes enclose cells and are doubled inside. ``"none"``: a quote is a character like any other."""

_CHUNK_ROWS = 100_000


def read_delimited(
    path: Path,
    *,
    separator: str,
    header: Sequence[str] | None = None,
    quoting: Quoting = "csv",
    encoding: str = "utf-8",
) -> TextTable:
    """Reads one delimited text file.

    Blank lines are ignored; every other line must have as many cells as the header.

    Args:
        path: the file; unpacked where its name ends in ``.gz``.
        separator: between cells; several characters (``"::"``) are allowed with ``quoting="none"``.
        header: column names of a file that has none; None: its first line is the header.
        quoting: whether double quotes enclose cells.
        encoding: of the file.

    Returns:
        The table as text.

    Raises:
        DataError: see `read_table`; ragged rows and broken quotes are named by line.
    """
    form = _Form(path, separator if len(separator) == 1 else "\x1f", quoting)

    def load() -> str:
        text = read_text(path, encoding=encoding)
        return text if len(separator) == 1 else text.replace(separator, form.separator)

    text = load()
    first = next(_records(text, form), None)
    if first is None:
        raise DataError.at(path, found="blank lines only", expected="rows", action="Give a file with content.")
    names = list(header) if header is not None else first[1]
    _check_header(path, names, line=first[0] if header is None else None)
    skip = 0 if header is not None else 1
    frame = _fast(text, form, names, skip)
    if frame is None:
        frame = _slow(text, form, names, skip)
    if frame.height == 0:
        raise DataError.at(
            path,
            row=first[0],
            found="a header without rows",
            expected="at least one row under the header",
            action="Check that the export was complete.",
        )

    def line_of(row: int) -> int | None:
        # Read again rather than kept: only an error needs it.
        return next(islice(_records(load(), form), row + skip, None))[0]

    return TextTable(path, frame, line_of)


@dataclass(frozen=True)
class _Form:
    path: Path
    separator: str
    quoting: Quoting


def _records(text: str, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each begins; a quoted cell may span lines; blank lines are left out."""
    quoted = form.quoting == "csv"
    # The module's own limit would refuse long descriptions.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=form.separator,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        quotechar='"' if quoted else None,
        strict=True,
    )
    line = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError.at(
                form.path,
                row=line,
                found=f"a cell that cannot be read ({error})",
                expected="cells whose double quotes are closed, and doubled inside a quoted cell",
                action="Check the quotes of the row that begins on this line.",
            ) from error
        if record:
            yield line, record
        line = reader.line_num + 1


def _fast(text: str, form: _Form, names: list[str], skip: int) -> pl.DataFrame | None:
    """The frame by polars, or None where anything about the file is doubtful."""
    quoted = form.quoting == "csv" and '"' in text
    if text.startswith(("\n", "\r")) or text.count("\r") != text.count("\r\n"):
        return None
    header, _, body = text.partition("\n") if skip else ("", "", text)
    body = body.rstrip("\r\n")
    if not body or (quoted and not all(_well_quoted(part, form.separator) for part in (header, body))):
        return None
    # Positions as names while reading: the file's own names may be anything.
    schema = {str(position): pl.String for position in range(len(names))}
    try:
        frame = pl.read_csv(
            # The line end matters: at the end of the data polars forgives a surplus empty cell.
            (body + "\n").encode(),
            has_header=False,
            separator=form.separator,
            quote_char='"' if quoted else None,
            schema=schema,
            encoding="utf8",
        )
    except pl.exceptions.PolarsError:
        return None
    # A row that is too short, and a blank line, show as a null in the last column.
    if frame.width != len(names) or frame.to_series(-1).null_count():
        return None
    if quoted:
        frame = frame.with_columns(pl.all().replace("", None))
    return frame.rename(dict(zip(schema, names, strict=True)))


def _well_quoted(text: str, separator: str) -> bool:
    """True where every double quote belongs to a cell that is enclosed as a whole."""
    edge = re.escape(separator)
    return '"' not in re.sub(rf'(?:(?<={edge})|^)"(?:[^"]|"")*+"(?={edge}|\r?$)', "", text, flags=re.MULTILINE)


def _slow(text: str, form: _Form, names: list[str], skip: int) -> pl.DataFrame:
    """The frame by the ``csv`` module; the first ragged row is an error."""
    records = islice(_records(text, form), skip, None)
    frames = []
    while chunk := list(islice(records, _CHUNK_ROWS)):
        for line, record in chunk:
            if len(record) != len(names):
                raise DataError.at(
                    form.path,
                    row=line,
                    found=f"{len(record)} cells ({shorten(form.separator.join(record))!r})",
                    expected=f"{len(names)} cells, as in the header",
                    action="Mend the row; a cell that holds the separator must stand in double quotes.",
                )
        columns = zip(*(record for _, record in chunk), strict=True)
        frames.append(
            pl.DataFrame({str(at): pl.Series(cells, dtype=pl.String) for at, cells in enumerate(columns)}).with_columns(
                pl.all().replace("", None)
            )
        )
    if not frames:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    frame = pl.concat(frames)
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _check_header(path: Path, names: Sequence[str], *, line: int | None) -> None:
    repeated = [name for position, name in enumerate(names) if name in names[:position]]
    if repeated:
        raise DataError.at(
            path,
            row=line,
            column=shorten(repeated[0]),
            found="the column name twice",
            expected="each column name once",
            action="Rename or remove one of the two columns.",
        )


__all__ = ["Quoting", "read_delimited"]
