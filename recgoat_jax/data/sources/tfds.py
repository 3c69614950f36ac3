"""Any tensorflow-datasets data source with user and item fields; TensorFlow itself is not needed.

A data source is what ``builder.as_data_source(split=...)`` gives: a sequence of dictionaries. Text comes as ``bytes``
and is decoded. Terms of use and checksums belong to the data set that is read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from recgoat_jax.data.schema import RawTables
from recgoat_jax.errors import DataError

_CHUNK = 4096


@runtime_checkable
class DataSource(Protocol):
    """What is read of a data source: its length and its examples by number."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def __getitem__(self, index: int, /) -> Mapping[str, Any]:
        """One example: field name to value."""
        ...


def read(
    data_source: DataSource,
    *,
    name: str,
    user: str = "user_id",
    item: str = "item_id",
    rating: str | None = None,
    timestamp: str | None = None,
    item_columns: Mapping[str, str] | None = None,
    user_columns: Mapping[str, str] | None = None,
    licence: str = "",
) -> RawTables:
    """Reads a data source.

    Args:
        data_source: one interaction an example.
        name: name of the data set.
        user: field of the user id: text, bytes or an integer.
        item: field of the item id.
        rating: field of the rating, or None.
        timestamp: field of the time in seconds since 1970, or None.
        item_columns: item column to the field that holds it, e.g. ``{"title": "movie_title"}``; a list becomes its
            elements separated by ``|``. An item has the values of its first example.
        user_columns: the same for users.
        licence: terms of use to carry along.

    Returns:
        The tables.

    Raises:
        DataError: no examples, a field that is not there, an empty id, or a value of the wrong kind; the example is
            named by number.
    """
    item_columns, user_columns = dict(item_columns or {}), dict(user_columns or {})
    numbers = [field for field in (rating, timestamp) if field is not None]
    fields = [user, item, *numbers, *item_columns.values(), *user_columns.values()]
    source = f"tfds:{name}"
    if len(data_source) == 0:
        raise DataError(f"{source}: found no examples; expected at least one. Check the split.")
    columns: dict[str, list[Any]] = {field: [] for field in fields}
    for index, example in enumerate(_examples(data_source)):
        for field, cells in columns.items():
            if field not in example:
                raise _error(
                    source, index, field, f"no such field among {', '.join(map(repr, example))}", "Name another field."
                )
            value = example[field]
            if field in numbers:
                cells.append(_number(source, index, field, value))
            else:
                text = _text(source, index, field, value)
                if text is None and field in (user, item):
                    raise _error(source, index, field, "an empty id", "Leave the example out.")
                cells.append(text)
    interactions = [
        pl.Series("user", columns[user], dtype=pl.String),
        pl.Series("item", columns[item], dtype=pl.String),
    ]
    if rating is not None:
        interactions.append(pl.Series("rating", columns[rating], dtype=pl.Float32))
    if timestamp is not None:
        interactions.append(pl.Series("timestamp", np.floor(columns[timestamp]).astype(np.int64)))
    return RawTables(
        source=source,
        interactions=pl.DataFrame(interactions),
        items=_side_table("item", columns[item], {key: columns[field] for key, field in item_columns.items()}),
        users=_side_table("user", columns[user], {key: columns[field] for key, field in user_columns.items()}),
        licence=licence,
    )


def _examples(data_source: DataSource) -> Iterator[Mapping[str, Any]]:
    """Examples in order, many at a time where the data source can."""
    many = getattr(data_source, "__getitems__", None)
    for first in range(0, len(data_source), _CHUNK):
        rows = range(first, min(first + _CHUNK, len(data_source)))
        yield from many(rows) if many is not None else (data_source[row] for row in rows)


def _side_table(key: str, ids: list[str], columns: Mapping[str, list[str | None]]) -> pl.DataFrame | None:
    if not columns:
        return None
    frame = pl.DataFrame({key: ids, **columns}, schema=dict.fromkeys((key, *columns), pl.String))
    return frame.unique(key, keep="first", maintain_order=True)


def _text(source: str, index: int, field: str, value: Any) -> str | None:
    """Text of a scalar or a list; None where it is empty."""
    match value:
        case bytes():
            try:
                return value.decode() or None
            except UnicodeDecodeError as error:
                raise _error(source, index, field, "bytes that are not UTF-8", "Decode them first.") from error
        case str() | int() | np.integer():
            return str(value) or None
        case np.ndarray() if value.ndim == 0:
            return _text(source, index, field, value.item())
        case list() | tuple() | np.ndarray():
            parts = [_text(source, index, field, part) for part in value]
            return "|".join(part for part in parts if part) or None
        case _:
            raise _error(
                source, index, field, f"{value!r} of type {type(value).__name__}", "Name a field of text or integers."
            )


def _number(source: str, index: int, field: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise _error(source, index, field, repr(value), "Name a field of numbers.") from error
    if not np.isfinite(number):
        raise _error(source, index, field, repr(value), "Leave the example out.")
    return number


def _error(source: str, index: int, field: str, found: str, action: str) -> DataError:
    expected = "text or integers for ids and columns, finite numbers for ratings and times"
    return DataError.at(f"{source}, example {index}", column=field, found=found, expected=expected, action=action)


__all__ = ["DataSource", "read"]
