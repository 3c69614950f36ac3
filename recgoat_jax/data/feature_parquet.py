"""The Parquet form of feature files: a row an id, the values as a list, the card in the metadata."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.files import broken_file, check_file
from recgoat_jax.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

CARD_KEY = b"recgoat.card"
"""Where the metadata of the file holds the card."""


class ParquetFeatures(NamedTuple):
    """Contents of a file."""

    ids: list[str]
    values: np.ndarray
    present: np.ndarray | None
    card: FeatureCard | None


def _opened(path: Path) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(path)
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise broken_file(path, "Parquet file", error) from error


def read_parquet(path: Path) -> ParquetFeatures:
    """Ids, values, mask and card of a Parquet file.

    Args:
        path: the file.

    Returns:
        The contents; a row is NaN whose list is null.

    Raises:
        DataError: absent, broken, without one of the columns, or lists that are not numbers of one length.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    opened = _opened(path)
    try:
        table = opened.read()
    except (pa.ArrowException, OSError) as error:
        raise broken_file(path, "Parquet file", error) from error
    for name in ("ids", "values"):
        if name not in table.column_names:
            raise DataError.at(
                path,
                found=f"the columns {', '.join(map(repr, table.column_names))}",
                expected="the columns 'ids' and 'values'",
                action=f"Add '{name}', or rename the column that holds it.",
            )
    lists = table["values"].combine_chunks()
    kinds = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if not any(is_kind(lists.type) for is_kind in kinds):
        lists = pa.array([], pa.list_(pa.float32()))
    width = pc.call_function("list_value_length", [lists]).drop_null().unique()
    kind = lists.type.value_type
    if len(width) != 1 or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)) or lists.flatten().null_count:
        raise DataError.at(
            path,
            column="values",
            found=f"the type {table['values'].type} with {len(width)} different lengths",
            expected="lists of numbers, all of one length",
            action="Save one list of numbers a row.",
        )
    # By DLPack rather than `to_numpy`, which would load pandas wherever it is installed.
    flat = np.from_dlpack(lists.drop_null().flatten()).reshape(-1, width[0].as_py())
    there = np.array(lists.is_valid().to_pylist(), bool)
    values = np.full((len(lists), flat.shape[1]), np.nan, flat.dtype if flat.dtype.kind == "f" else np.float32)
    values[there] = flat
    present = np.array(table["present"].to_pylist(), bool) if "present" in table.column_names else None
    ids = ["" if external is None else str(external) for external in table["ids"].to_pylist()]
    return ParquetFeatures(ids, values, present, parquet_card(path))


def parquet_card(path: Path) -> FeatureCard | None:
    """The card of a Parquet file, without its values; None where it has none.

    Args:
        path: the file.

    Returns:
        The card.

    Raises:
        DataError: absent or broken, or a card that cannot be read.
    """
    text = (_opened(path).schema_arrow.metadata or {}).get(CARD_KEY)
    return None if text is None else FeatureCard.from_json(text.decode(), source=path)


__all__ = ["CARD_KEY", "ParquetFeatures", "parquet_card", "read_parquet"]
