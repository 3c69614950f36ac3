"""RecBole's atomic files: ``NAME.inter`` and, where they exist, ``NAME.item``, ``.user``, ``.kg`` and ``.link``.

Tab-separated UTF-8; each header cell is ``name:type`` with the types ``token``, ``token_seq`` (tokens separated by
spaces), ``float`` and ``float_seq``. The format is documented by the RecBole project. Terms of use and checksums
belong to the data set that is read; for the example set see `recgoat_jax.data.example`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from recgoat_jax.data.columns import check_unique, id_column, number_column, timestamp_column
from recgoat_jax.data.delimited import read_delimited
from recgoat_jax.data.feature_files import raw_features
from recgoat_jax.data.schema import RawFeatures, RawTables
from recgoat_jax.data.text_table import TextTable
from recgoat_jax.errors import DataError

TYPES = ("token", "token_seq", "float", "float_seq")
"""Column types of atomic files."""

COMMON_NAMES = {"movie_title": "title", "class": "genres", "genre": "genres"}
"""Columns of RecBole's own data sets, and the names that the rest of the library knows them by."""

INVERSE = "inverse of "
"""Prefix of a relation in which the item is the tail."""


def read(
    directory: Path,
    *,
    name: str | None = None,
    user: str = "user_id",
    item: str = "item_id",
    rating: str = "rating",
    timestamp: str = "timestamp",
    licence: str = "",
) -> RawTables:
    """Reads a data set of atomic files.

    Args:
        directory: the folder.
        name: the file name before the suffix; None: that of the only ``.inter`` file.
        user: field of the user ids.
        item: field of the item ids.
        rating: field of the ratings, read where it is there.
        timestamp: field of the times, read where it is there.
        licence: terms of use to carry along.

    Returns:
        The tables. ``float_seq`` columns of ``.item`` and ``.user`` become features of that name. Relations: a
        triple of ``.kg`` whose head is linked to an item gives (item, relation, tail), one whose tail is linked
        gives (item, "inverse of " relation, head).

    Raises:
        DataError: a file or field is missing, a header cell has no type, a cell does not fit, an item or user has
            two rows, or ``.kg`` comes without ``.link``.
    """
    name = name or _only_name(directory)
    inter = _read(directory / f"{name}.inter")
    inter.require([user, item], optional=[rating, timestamp])
    columns = [id_column(inter, user).alias("user"), id_column(inter, item).alias("item")]
    if rating in inter.frame.columns:
        columns.append(number_column(inter, rating).alias("rating"))
    if timestamp in inter.frame.columns:
        columns.append(timestamp_column(inter, timestamp).alias("timestamp"))
    items, item_features = _side_table(directory / f"{name}.item", field=item, key="item")
    users, user_features = _side_table(directory / f"{name}.user", field=user, key="user")
    relations, counts = _relations(directory, name, item)
    return RawTables(
        source=f"recbole:{name}",
        interactions=pl.DataFrame(columns),
        items=items,
        users=users,
        item_features=item_features,
        user_features=user_features,
        item_relations=relations,
        licence=licence,
        counts=counts,
    )


def _only_name(directory: Path) -> str:
    names = sorted(path.name.removesuffix(".inter") for path in directory.glob("*.inter"))
    if len(names) != 1:
        raise DataError.at(
            directory,
            found=f"{len(names)} files *.inter" + (f" ({', '.join(names[:5])})" if names else ""),
            expected="one",
            action="Name the data set." if names else "Give the folder that holds the atomic files.",
        )
    return names[0]


def _read(path: Path) -> TextTable:
    """The table with field names for columns and their types in ``types``."""
    raw = read_delimited(path, separator="\t", quoting="none")
    fields: dict[str, str] = {}
    for cell in raw.frame.columns:
        field, _, kind = cell.rpartition(":")
        if not field or kind not in TYPES:
            raise DataError.at(
                path,
                row=1,
                column=cell,
                found="a header cell without a type",
                expected=f"'name:type' with one of the types {', '.join(TYPES)}",
                action="Write for example 'user_id:token'.",
            )
        if field in fields:
            raise DataError.at(
                path, row=1, column=cell, found=f"the field '{field}' twice", expected="each field once",
                action="Rename one of the two.",
            )  # fmt: skip
        fields[field] = kind
    frame = raw.frame.rename(dict(zip(raw.frame.columns, fields, strict=True)))
    return TextTable(raw.path, frame, raw.line_of, fields)


def _side_table(path: Path, *, field: str, key: str) -> tuple[pl.DataFrame | None, Mapping[str, RawFeatures]]:
    """The text columns of ``.item`` or ``.user`` under the library's names, and its vectors."""
    if not path.is_file():
        return None, {}
    table = _read(path)
    table.require([field])
    check_unique(table, field)
    ids = id_column(table, field)
    features = {column: _vectors(table, column, ids) for column, kind in table.types.items() if kind == "float_seq"}
    text = table.frame.drop(field, *features)
    names = {old: new for old, new in COMMON_NAMES.items() if old in text.columns and new not in text.columns}
    if key in text.columns:
        names[key] = f"{key}_column"
    return text.rename(names).insert_column(0, ids.alias(key)), features


def _vectors(table: TextTable, column: str, ids: pl.Series) -> RawFeatures:
    """A ``float_seq`` column as one matrix; an empty cell is a missing row."""
    cells = table.frame[column].to_list()
    width = len(next((cell.split() for cell in cells if cell), []))
    values = np.full((len(cells), width), np.nan, np.float32)
    for row, cell in enumerate(cells):
        numbers = cell.split() if cell else []
        if not numbers:
            continue
        try:
            values[row] = np.array(numbers, np.float32).reshape(width)
        except ValueError as error:
            raise table.error(
                row,
                column,
                found=f"{cell[:60]!r}",
                expected=f"{width} numbers, as in the first row",
                action="Mend the row, or leave the cell empty where the item has no vector.",
            ) from error
    return raw_features(ids.to_list(), values, source=table.path, encoder=f"file:{table.path.name}:{column}")


def _relations(directory: Path, name: str, item: str) -> tuple[pl.DataFrame | None, Mapping[str, int]]:
    """Relations of items from ``.kg`` through ``.link``, and how many triples touch no item."""
    path, link_path = directory / f"{name}.kg", directory / f"{name}.link"
    if not path.is_file():
        return None, {}
    if not link_path.is_file():
        raise DataError.at(
            path,
            found=f"no file '{link_path.name}' beside it",
            expected="the links of items to entities",
            action=f"Add '{link_path.name}' ({item}:token, entity_id:token), or move the .kg file away.",
        )
    triples, links = _read(path), _read(link_path)
    triples.require(["head_id", "relation_id", "tail_id"])
    links.require([item, "entity_id"])
    graph = pl.DataFrame(
        {
            "head": id_column(triples, "head_id"),
            "relation": id_column(triples, "relation_id"),
            "tail": id_column(triples, "tail_id"),
        }
    )
    link = pl.DataFrame({"item": id_column(links, item), "entity": id_column(links, "entity_id")})
    entities = link["entity"].implode()
    untouched = graph.filter(~(pl.col("head").is_in(entities) | pl.col("tail").is_in(entities)))
    of_head = link.join(graph, left_on="entity", right_on="head", maintain_order="left_right")
    of_tail = link.join(graph, left_on="entity", right_on="tail", maintain_order="left_right")
    relations = pl.concat(
        [
            of_head.select("item", "relation", value="tail"),
            of_tail.select("item", relation=pl.lit(INVERSE) + pl.col("relation"), value="head"),
        ]
    )
    return relations, {"kg_triples": len(graph), "kg_triples_without_item": len(untouched)}


__all__ = ["COMMON_NAMES", "INVERSE", "TYPES", "read"]
