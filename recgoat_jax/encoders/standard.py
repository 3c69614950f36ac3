"""The features that every prepared data set gets without any work: text, knowledge and user profiles."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recgoat_jax.data.content import with_features
from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.schema import RawTables
from recgoat_jax.encoders.history import train_history, unit_rows
from recgoat_jax.encoders.relations import encode_relations
from recgoat_jax.encoders.tabular import multi_hot, one_hot, split_tags
from recgoat_jax.encoders.tfidf import TfidfSvd, tokenize
from recgoat_jax.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

TAG_COLUMNS = ("genres", "categories", "tags")
"""Item columns that hold lists of tags; the first one that a data set has describes its users' histories."""

ADDRESS_COLUMN = "image"
"""Item column of picture addresses; they are no text."""


def add_standard_features(
    dataset: Dataset,
    raw: RawTables,
    *,
    text_columns: Sequence[str] | None = None,
    history_column: str | None = None,
    text_dim: int = 64,
    relation_dim: int = 64,
    num_bins: int = 8,
) -> Dataset:
    """Adds the modalities ``text`` and ``knowledge`` of items and the features ``profile`` of users.

    * ``text``: the item table's text columns but for `ADDRESS_COLUMN`, joined, through `TfidfSvd`;
    * ``knowledge``: the source's item relations, where it has any, through `encode_relations`;
    * ``profile``: the user table's columns as indicators (`one_hot`) beside the history of the training items
      (`train_history`), each block scaled to unit length. The history is told in tags where the items have a column
      of them, else in the ``text`` modality.

    Nothing here reads a held-out pair. Features that the data set has already stay as they are, and one of the same
    name is not made. A modality for which the data has nothing, such as texts without a letter or digit, is left out.

    Args:
        dataset: the prepared data set.
        raw: the tables that it was prepared from, for their relations.
        text_columns: item columns that make the text; None: every one but `ADDRESS_COLUMN`.
        history_column: item column of tags for the history; None: the first of `TAG_COLUMNS`.
        text_dim: width of ``text``.
        relation_dim: width of ``knowledge``.
        num_bins: bins of a numeric user column.

    Returns:
        The data set with its new features, counts and hash.

    Raises:
        DataError: a named column is not in the item table.
    """
    item_columns = _columns(dataset.item_table, key="item")
    for column in (*(text_columns or ()), *([history_column] if history_column else ())):
        if column not in item_columns:
            raise DataError(
                f"item table of '{dataset.manifest.name}': found columns {', '.join(item_columns) or '(none)'}; "
                f"expected '{column}'. Name a column that is there."
            )
    item_features: dict[str, FeatureTable] = {}
    if "text" not in dataset.item_features:
        texts = _joined(item_columns, text_columns)
        if any(map(tokenize, texts)):
            item_features["text"] = TfidfSvd(dim=text_dim).encode(texts)
    relations = raw.item_relations
    if (
        "knowledge" not in dataset.item_features
        and relations is not None
        and relations["item"].is_in(list(dataset.items.ids)).any()
    ):
        item_features["knowledge"] = encode_relations(relations, dataset.items, dim=relation_dim)
    user_features: dict[str, FeatureTable] = {}
    if "profile" not in dataset.user_features:
        text = dataset.item_features.get("text", item_features.get("text"))
        blocks = [
            block
            for block in (_demographics(dataset, num_bins), _history(dataset, item_columns, history_column, text))
            if block is not None
        ]
        if blocks:
            user_features["profile"] = _side_by_side(blocks)
    return with_features(dataset, item_features=item_features, user_features=user_features)


def _columns(table: "pa.Table | None", *, key: str) -> dict[str, list[str | None]]:
    """Cells of the text columns of a table by name, the id column left out."""
    if table is None:
        return {}
    return {name: table.column(name).to_pylist() for name in table.column_names if name != key}


def _joined(columns: Mapping[str, Sequence[str | None]], names: Sequence[str] | None) -> list[str]:
    named = [name for name in columns if name != ADDRESS_COLUMN] if names is None else names
    chosen = [columns[name] for name in named]
    return [" ".join(cell for cell in cells if cell) for cells in zip(*chosen, strict=True)]


def _demographics(dataset: Dataset, num_bins: int) -> FeatureTable | None:
    """Indicators of the user table, or None where it has no column that qualifies."""
    columns = _columns(dataset.user_table, key="user")
    try:
        return one_hot(columns, num_bins=num_bins)
    except DataError:
        # A user table of names and postcodes only is no error: there is no profile to be had from it.
        return None


def _history(
    dataset: Dataset,
    columns: Mapping[str, Sequence[str | None]],
    history_column: str | None,
    text: FeatureTable | None,
) -> FeatureTable | None:
    """Train history in tags, else in text features, else None."""
    named = history_column or next((name for name in TAG_COLUMNS if name in columns), None)
    described = multi_hot(columns[named]) if named is not None and any(split_tags(columns[named])) else text
    if described is None or not described.present[dataset.train.items].any():
        return None
    return train_history(dataset.train, described, dataset.num_users)


def _side_by_side(blocks: Sequence[FeatureTable]) -> FeatureTable:
    """Blocks of unit length in one table; a row is present where any block is."""
    values = np.concatenate([unit_rows(block.values)[0] for block in blocks], axis=1)
    present = np.any([block.present for block in blocks], axis=0)
    encoder = "+".join(block.encoder for block in blocks)
    return FeatureTable(values, present, encoder=encoder, revision=";".join(block.revision for block in blocks))


__all__ = ["ADDRESS_COLUMN", "TAG_COLUMNS", "add_standard_features"]
