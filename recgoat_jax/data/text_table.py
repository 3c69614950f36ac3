"""A table as it stands in a file: text in every cell, and the place of each row."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from recgoat_jax.errors import DataError

_LIKELY = {
    "user": r"(user|customer|reviewer|member|visitor|session)(s|id|name|token|idtoken)?|uid",
    "item": r"(item|movie|film|product|article|artist|book|song|track|business|game|news|sku)(s|id|token|idtoken)?"
    r"|iid|(parent)?asin|isbn",
}
"""What a column is often called instead, letters and digits only."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table as it stands in a file.

    Attributes:
        path: the file.
        frame: at least one row; every column text (polars ``String``); an empty cell is null.
        line_of: 0-based row of the frame to 1-based line of the file; None for Parquet, which has no lines.
        types: Parquet type of each column; empty for text files.
    """

    path: Path
    frame: pl.DataFrame
    line_of: Callable[[int], int | None]
    types: Mapping[str, str] = field(default_factory=dict)

    def error(self, row: int | None, column: str | None, *, found: str, expected: str, action: str) -> DataError:
        """The error for one cell, row or column.

        Args:
            row: 0-based row of the frame, or None for the whole column or file.
            column: column name, or None.
            found: what is there.
            expected: what should be there.
            action: what the user can do.

        Returns:
            A DataError naming file, line (for Parquet the row, counted from 1) and column.
        """
        line = None if row is None else self.line_of(row)
        source = f"{self.path}, row {row + 1}" if row is not None and line is None else self.path
        return DataError.at(source, row=line, column=column, found=found, expected=expected, action=action)

    def require(self, required: Sequence[str], *, optional: Sequence[str] = ()) -> None:
        """Checks the header against the names that a reader looks for.

        Names are case-sensitive. A near miss (``userId`` or ``movieId`` for a required column, ``Rating`` for an
        optional one) is an error that names the column to rename, never a column silently ignored.

        Args:
            required: columns that must be there.
            optional: columns that are read where they are there.

        Raises:
            DataError: a required column is missing, or an optional one is spelled differently.
        """
        names = self.frame.columns
        header_line = None if self.line_of(0) is None or self.path.name.split(".")[-1] in ("jsonl", "ndjson") else 1
        for wanted in (*required, *optional):
            if wanted in names:
                continue
            free = [name for name in names if name not in (*required, *optional)]
            close = [name for name in free if _plain(name) == _plain(wanted)]
            if wanted in required:
                close += [name for name in free if re.fullmatch(_LIKELY.get(wanted, ""), _plain(name))]
            elif not close:
                continue
            shown = ", ".join(f"'{shorten(name)}'" for name in names[:12]) + (", ..." if len(names) > 12 else "")
            if close:
                action = f"Rename column '{close[0]}' to '{wanted}'."
            elif len(names) == 1 and (other := re.search(r"[;\t|,]", names[0])):
                action = f"Columns seem to be separated by {other.group()!r}: write ',' (.csv) or tabs (.tsv)."
            else:
                action = f"Add the column '{wanted}', or rename the one that holds it; the first line must be a header."
            raise DataError.at(
                self.path,
                row=header_line,
                column=wanted,
                found=f"no such column among {shown}",
                expected=f"a column '{wanted}' (names are case-sensitive)",
                action=action,
            )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def shorten(text: str) -> str:
    """A cell or line for a message: at most 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."


__all__ = ["TextTable", "shorten"]
