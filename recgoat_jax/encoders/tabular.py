"""Columns of a table to indicator features: categories, numbers in bins, and lists of tags."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.errors import DataError

_TAG_SEPARATOR = re.compile(r"\s*[|,;]\s*")


def split_tags(cells: Sequence[str | None]) -> list[list[str]]:
    """Tags of each cell of one column.

    Where any cell of the column holds ``|``, ``,`` or ``;`` these separate the tags, otherwise spaces do.

    Args:
        cells: one a row; None is missing.

    Returns:
        Tags of each row; empty where the cell is missing or blank.
    """
    by_sign = any(cell and _TAG_SEPARATOR.search(cell) for cell in cells)
    return [
        [tag for tag in (_TAG_SEPARATOR.split(cell) if by_sign else cell.split()) if tag.strip()] if cell else []
        for cell in cells
    ]


def multi_hot(cells: Sequence[str | None], *, max_tags: int = 256) -> FeatureTable:
    """Indicator of the tags of a list column, such as genres.

    Args:
        cells: one a row, tags as `split_tags` reads them.
        max_tags: the most frequent tags that get a feature; ties go to the first in sorted order.

    Returns:
        ``rows x tags`` of 0 and 1; a row without a kept tag is missing.

    Raises:
        DataError: no row has a tag.
    """
    tags = split_tags(cells)
    rows, columns = _entries(tags, max_tags)
    if rows.size == 0:
        raise DataError("tags: found no tag in any row; expected at least one. Leave the column out.")
    values = np.zeros((len(tags), int(columns.max()) + 1), np.float32)
    values[rows, columns] = 1
    return FeatureTable(values, np.any(values, axis=1), encoder="multi-hot", revision=f"max_tags={max_tags}")


def _entries(tags: Sequence[Sequence[str]], limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each tag that is among the ``limit`` most frequent."""
    counts: dict[str, int] = {}
    for row in tags:
        for tag in set(row):
            counts[tag] = counts.get(tag, 0) + 1
    kept = sorted(sorted(counts), key=lambda tag: -counts[tag])[:limit]
    column_of = {tag: column for column, tag in enumerate(sorted(kept))}
    pairs = [(row, column_of[tag]) for row, row_tags in enumerate(tags) for tag in row_tags if tag in column_of]
    entries = np.array(pairs, np.int64).reshape(-1, 2)
    return entries[:, 0], entries[:, 1]


def one_hot(
    columns: Mapping[str, Sequence[str | None]], *, num_bins: int = 8, max_categories: int = 64
) -> FeatureTable:
    """Indicator features of a table's columns, one block a column.

    A column of numbers with more than ``num_bins`` distinct values (an age) is cut at its quantiles into
    ``num_bins`` bins. Any other column with up to ``max_categories`` distinct values gets one feature a value. A
    column with more values than that (a postcode, a name) says too little a value and is left out, as is a column
    with fewer than two values.

    Args:
        columns: name to cells, one a row; None or blank is missing.
        num_bins: bins of a numeric column.
        max_categories: widest block of a categorical column.

    Returns:
        ``rows x features`` of 0 and 1. A missing cell leaves its block empty; a row without any cell is missing.

    Raises:
        DataError: no column qualifies; or columns differ in length.
    """
    blocks = {
        name: block for name, cells in columns.items() if (block := _block(cells, num_bins, max_categories)) is not None
    }
    if not blocks:
        raise DataError(
            f"table columns {', '.join(map(repr, columns)) or '(none)'}: found none with 2 to {max_categories} "
            "different values or with numbers; expected at least one. Name other columns, or leave the features out."
        )
    if len({len(block) for block in blocks.values()}) != 1:
        lengths = {name: len(block) for name, block in blocks.items()}
        raise DataError(f"table columns: found lengths {lengths}; expected one length. Pass columns of one table.")
    values = np.concatenate(list(blocks.values()), axis=1)
    revision = f"columns={','.join(blocks)};num_bins={num_bins};max_categories={max_categories}"
    return FeatureTable(values, np.any(values, axis=1), encoder="one-hot", revision=revision)


def _block(cells: Sequence[str | None], num_bins: int, max_categories: int) -> Float[np.ndarray, "rows feature"] | None:
    """Indicators of one column, or None where it is left out."""
    cleaned = [cell.strip() if cell else "" for cell in cells]
    categories = sorted(set(cleaned) - {""})
    numbers = _numbers(cleaned)
    if numbers is not None and len(categories) > num_bins:
        present = ~np.isnan(numbers)
        edges = np.unique(np.quantile(numbers[present], np.linspace(0, 1, num_bins + 1)[1:-1]))
        return _indicators(np.searchsorted(edges, numbers, side="right"), present, len(edges) + 1)
    if not 2 <= len(categories) <= max_categories:
        return None
    code_of = {category: code for code, category in enumerate(categories)}
    codes = np.array([code_of.get(cell, -1) for cell in cleaned])
    return _indicators(codes, codes >= 0, len(categories))


def _numbers(cells: Sequence[str]) -> Float[np.ndarray, " rows"] | None:
    """The cells as float64, NaN where blank; None where some cell is no finite number."""
    try:
        numbers = np.array([float(cell) if cell else np.nan for cell in cells], np.float64)
    except ValueError:
        return None
    blank = np.array([not cell for cell in cells])
    return numbers if np.isfinite(numbers[~blank]).all() else None


def _indicators(codes: np.ndarray, present: Bool[np.ndarray, " rows"], width: int) -> Float[np.ndarray, "rows feature"]:
    values = np.zeros((len(codes), width), np.float32)
    values[np.flatnonzero(present), codes[present]] = 1
    return values


__all__ = ["multi_hot", "one_hot", "split_tags"]
