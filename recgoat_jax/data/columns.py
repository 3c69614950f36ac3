"""Columns of text into typed ones; the first bad cell is an error with its line and column."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from recgoat_jax.data.tabular import TextTable

_LAST_SECOND = 253_402_300_799
"""End of the year 9999 as unix seconds; anything later is milliseconds or worse."""


def id_column(table: TextTable, column: str) -> pl.Series:
    """External ids, kept exactly: leading zeros, spaces, unicode.

    Args:
        table: the table.
        column: a column of it.

    Returns:
        ``rows``, text without nulls.

    Raises:
        DataError: an empty or blank cell; or a Parquet column of floats, which would turn ``7`` into ``7.0``.
    """
    if table.types.get(column, "").startswith("Float"):
        raise table.error(
            None,
            column,
            found=f"ids of type {table.types[column]}",
            expected="text or integers",
            action="Convert the column to integers or text (a missing id often turned it into floats).",
        )
    cells = table.frame[column]
    _fail_first(
        table,
        column,
        cells.fill_null("").str.strip_chars() == "",
        expected="an id",
        action="Remove the row, or give it its id.",
    )
    return cells


def number_column(table: TextTable, column: str, *, minimum: float | None = None) -> pl.Series:
    """Finite numbers.

    Args:
        table: the table.
        column: a column of it.
        minimum: the least value allowed, or None.

    Returns:
        ``rows``, Float32.

    Raises:
        DataError: the first cell that is empty, not a number, NaN, infinite (in float32) or below the minimum.
    """
    values = table.frame[column].str.strip_chars().cast(pl.Float64, strict=False).cast(pl.Float32)
    bad = ~values.is_finite().fill_null(False)
    expected = "a finite number"
    if minimum is not None:
        bad |= (values < minimum).fill_null(False)
        expected += f", {minimum:g} or more"
    _fail_first(
        table,
        column,
        bad,
        expected=expected,
        action=f"Mend or remove the row, or leave the column '{column}' out.",
    )
    return values.alias(column)


def timestamp_column(table: TextTable, column: str) -> pl.Series:
    """Times as unix seconds.

    Args:
        table: the table.
        column: a column of it: integers or decimals (seconds since 1970, the fraction is cut off downwards), or
            ISO 8601 dates and times; without a zone they are UTC. A cell of digits only is seconds.

    Returns:
        ``rows``, Int64.

    Raises:
        DataError: the first cell that is none of these, or lies past the year 9999 (milliseconds, most likely).
    """
    cells = table.frame[column].str.strip_chars()
    seconds = cells.cast(pl.Int64, strict=False)
    if seconds.null_count():
        decimals = cells.cast(pl.Float64, strict=False).floor()
        decimals = decimals.set(~(decimals.abs() < 2**53).fill_null(False), None)
        seconds = seconds.fill_null(decimals.cast(pl.Int64, strict=False))
    if seconds.null_count():
        rest = cells.filter(seconds.is_null() & cells.is_not_null()).unique()
        dates = {cell: second for cell in rest if (second := _iso_seconds(cell)) is not None}
        iso = cells.replace_strict(list(dates), list(dates.values()), default=None, return_dtype=pl.Int64)
        seconds = seconds.fill_null(iso)
    late = seconds > _LAST_SECOND
    _fail_first(
        table,
        column,
        seconds.is_null() | late.fill_null(False),
        expected="seconds since 1970, or an ISO 8601 date or time (2024-01-31, 2024-01-31T12:00:00Z)",
        action="Divide milliseconds by 1000." if late.any() else "Mend or remove the row.",
    )
    return seconds.alias(column)


def choice_column(table: TextTable, column: str, *, choices: Sequence[str]) -> pl.Series:
    """Text that is one of a few words.

    Args:
        table: the table.
        column: a column of it.
        choices: the words.

    Returns:
        ``rows``, text without nulls.

    Raises:
        DataError: the first cell that is something else.
    """
    cells = table.frame[column]
    _fail_first(
        table,
        column,
        ~cells.is_in(list(choices)).fill_null(False),
        expected="one of " + ", ".join(f"'{choice}'" for choice in choices),
        action="Mend the cell.",
    )
    return cells


def check_unique(table: TextTable, column: str) -> None:
    """Checks that no value of a column comes twice.

    Args:
        table: the table.
        column: a column of it.

    Raises:
        DataError: naming the first row that repeats a value, and the row that has it first.
    """
    cells = table.frame[column]
    again = (~cells.is_first_distinct()).arg_true()
    if len(again):
        row = int(again[0])
        first = int((cells == cells[row]).arg_true()[0])
        line = table.line_of(first)
        raise table.error(
            row,
            column,
            found=f"{_cell(cells[row])} again (first on {f'line {line}' if line else f'row {first + 1}'})",
            expected="each id once",
            action="Remove one of the two rows, or merge them.",
        )


def _fail_first(table: TextTable, column: str, bad: pl.Series, *, expected: str, action: str) -> None:
    rows = bad.arg_true()
    if len(rows):
        row = int(rows[0])
        raise table.error(row, column, found=_cell(table.frame[column][row]), expected=expected, action=action)


def _cell(text: str | None) -> str:
    if text is None:
        return "an empty cell"
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _iso_seconds(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


__all__ = ["check_unique", "choice_column", "id_column", "number_column", "timestamp_column"]
