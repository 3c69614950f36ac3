"""From the columns of an item to the one text that is encoded: which columns, in which order, and how much of each."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from recgoat_jax.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_COLUMNS = ("title", "brand", "category", "description")
"""Item columns that are text, in the order of the default template."""


@dataclass(frozen=True)
class TextField:
    """One column of a template.

    Attributes:
        column: item column.
        label: what stands before the text, followed by a colon; "": nothing.
        max_characters: characters of the text at most.
    """

    column: str
    label: str = ""
    max_characters: int = 2_000

    def __post_init__(self) -> None:
        if self.max_characters < 1:
            raise UsageError(f"column '{self.column}': max_characters is {self.max_characters}; expected 1 or more.")


@dataclass(frozen=True)
class ItemTemplate:
    """How the text of an item is put together: its fields in order, one a line, those without text left out.

    Attributes:
        fields: the columns.
    """

    fields: tuple[TextField, ...]

    def __post_init__(self) -> None:
        names = [field.column for field in self.fields]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"a template of the columns {names}; expected one or more, each once.")

    @classmethod
    def of_columns(
        cls, columns: Sequence[str], *, labelled: bool = True, max_characters: int = 2_000
    ) -> "ItemTemplate":
        """A template whose labels are the names of the columns.

        Args:
            columns: item columns, in order.
            labelled: whether labels stand before the texts.
            max_characters: characters of a column at most.

        Returns:
            The template.
        """
        return cls(tuple(TextField(name, name if labelled else "", max_characters) for name in columns))

    @property
    def hash(self) -> str:
        """SHA-256 of the template."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def description(self) -> str:
        """The template as a reader would write it: ``title: {title:.2000} / {brand:.2000}``."""
        return " / ".join(
            (f"{field.label}: " if field.label else "") + f"{{{field.column}:.{field.max_characters}}}"
            for field in self.fields
        )

    def render(self, table: "pa.Table | None", *, source: object) -> list[str | None]:
        """The texts of all items.

        Args:
            table: item table; None where the data has none.
            source: the data set, for messages.

        Returns:
            One text an item; None where every column is empty.

        Raises:
            DataError: a column that the table does not have; those that it has are listed.
        """
        there = [] if table is None else table.column_names
        absent = [field.column for field in self.fields if field.column not in there]
        if table is None or absent:
            raise DataError.at(
                source,
                column=(absent or [""])[0],
                found=f"no such item column; there are {', '.join(map(repr, there)) or 'none'}",
                expected=f"the columns of the template: {', '.join(repr(field.column) for field in self.fields)}",
                action="Name columns that are there, or prepare the data with them.",
            )
        columns = [self._cells(field, table[field.column].to_pylist()) for field in self.fields]
        return ["\n".join(cell for cell in cells if cell) or None for cells in zip(*columns, strict=True)]

    @staticmethod
    def _cells(field: TextField, cells: Sequence[str | None]) -> list[str]:
        label = f"{field.label}: " if field.label else ""
        texts = (" ".join((cell or "")[: 4 * field.max_characters].split()) for cell in cells)
        return [label + text[: field.max_characters].rstrip() if text else "" for text in texts]


def usual_columns(table: "pa.Table | None", *, source: object) -> tuple[str, ...]:
    """Those of `USUAL_COLUMNS` that a table has.

    Args:
        table: item table; None where the data has none.
        source: the data set, for messages.

    Returns:
        The columns, in order.

    Raises:
        DataError: none is there.
    """
    there = [] if table is None else table.column_names
    found = tuple(name for name in USUAL_COLUMNS if name in there)
    if not found:
        raise DataError.at(
            source,
            found=f"the item columns {', '.join(map(repr, there)) or '(none)'}",
            expected=f"one of {', '.join(map(repr, USUAL_COLUMNS))}",
            action="Name the columns of the text, or prepare the data with a table of items.",
        )
    return found


__all__ = ["USUAL_COLUMNS", "ItemTemplate", "TextField", "usual_columns"]
