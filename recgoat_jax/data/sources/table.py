"""Tables of one's own: CSV, TSV, JSON Lines or Parquet.

Licence: that of the user's own data; nothing is downloaded.

Interactions (column order is free; further columns are ignored and counted)::

    user,item,rating,timestamp
    u1,i1,5,2024-01-31
    u1,i2,3,2024-02-01T12:00:00Z
    u2,i1,4,1706745600

``user`` and ``item`` are required. ``rating`` is a finite number, not negative. ``timestamp`` is unix seconds or
ISO 8601. ``split`` (``train``, ``valid`` or ``test``) goes with the protocol ``given``. Items have ``item`` and any
text columns (``title``, ``genres``, ...), users ``user`` and any text columns; an empty cell is a missing text.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl

from recgoat_jax.data.columns import check_unique, choice_column, id_column, number_column, timestamp_column
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.data.schema import SPLIT_NAMES, RawTables
from recgoat_jax.data.tabular import read_table

_OPTIONAL = ("rating", "timestamp", "split")
_NO_FILES: Mapping[str, Path] = MappingProxyType({})


def read(
    interactions: Path,
    *,
    items: Path | None = None,
    users: Path | None = None,
    item_features: Mapping[str, Path] = _NO_FILES,
    user_features: Mapping[str, Path] = _NO_FILES,
) -> RawTables:
    """Reads tables of one's own.

    Args:
        interactions: table with ``user``, ``item`` and, where there are, ``rating``, ``timestamp``, ``split``.
        items: table with ``item`` and text columns.
        users: table with ``user`` and text columns.
        item_features: name of a modality (``"image"``) to its file, see `recgoat_jax.data.feature_files`.
        user_features: the same for users.

    Returns:
        The tables, checked. ``counts`` holds ``ignored_columns``.

    Raises:
        DataError: naming file, line and column; see `recgoat_jax.data.tabular` and `recgoat_jax.data.columns`.
    """
    frame, ignored = _read_interactions(interactions)
    return RawTables(
        source="table:" + ",".join(path.name for path in (interactions, items, users) if path is not None),
        interactions=frame,
        items=None if items is None else _read_entities(items, key="item"),
        users=None if users is None else _read_entities(users, key="user"),
        item_features={name: read_features(path) for name, path in item_features.items()},
        user_features={name: read_features(path) for name, path in user_features.items()},
        licence="the user's own data",
        counts={"ignored_columns": ignored},
    )


def _read_interactions(path: Path) -> tuple[pl.DataFrame, int]:
    table = read_table(path)
    table.require(("user", "item"), optional=_OPTIONAL)
    columns = [id_column(table, "user"), id_column(table, "item")]
    names = table.frame.columns
    if "rating" in names:
        columns.append(number_column(table, "rating", minimum=0.0))
    if "timestamp" in names:
        columns.append(timestamp_column(table, "timestamp"))
    if "split" in names:
        columns.append(choice_column(table, "split", choices=SPLIT_NAMES))
    return pl.DataFrame(columns), len(names) - len(columns)


def _read_entities(path: Path, *, key: str) -> pl.DataFrame:
    table = read_table(path)
    table.require((key,))
    id_column(table, key)
    check_unique(table, key)
    return table.frame


__all__ = ["read"]
