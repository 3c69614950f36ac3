"""Data sets of the MMRec toolbox: ``NAME.inter`` with the split in ``x_label``, and dense features in ``.npy`` files.

``.inter`` is tab-separated with the header ``userID itemID rating timestamp x_label``; ``x_label`` is 0 (train),
1 (validation) or 2 (test). Row ``r`` of a feature file belongs to item ``r``. Baby, Sports and Clothing (Amazon
reviews 2014) come in this form; the repositories that carry them state no licence, so use them for research. The
checksum of a data set is the hash in its manifest.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from recgoat_jax.data.columns import choice_column, id_column, number_column, timestamp_column
from recgoat_jax.data.delimited import read_delimited
from recgoat_jax.data.feature_files import load_npy, raw_features
from recgoat_jax.data.schema import SPLIT_NAMES, RawFeatures, RawTables
from recgoat_jax.data.text_table import TextTable
from recgoat_jax.errors import DataError

FEATURE_FILES = {"image": "image_feat.npy", "text": "text_feat.npy"}
"""The toolbox's names of the feature files of a modality."""


def read(
    directory: Path, *, name: str, features: Mapping[str, str] | None = None, licence: str = "For research only."
) -> RawTables:
    """Reads one data set of the toolbox.

    Args:
        directory: the folder that holds ``NAME.inter`` and the feature files.
        name: name of the data set, such as ``"baby"``.
        features: modality to ``.npy`` file of the folder; None: those of `FEATURE_FILES` that are there.
        licence: terms of use to carry along.

    Returns:
        The tables, with the column ``split``; the item table lists every row of the features.

    Raises:
        DataError: a file or column is missing, a cell does not fit, or the feature rows do not match the items.
    """
    table = read_delimited(directory / f"{name}.inter", separator="\t", quoting="none")
    table.require(["userID", "itemID", "x_label"], optional=["rating", "timestamp"])
    label = choice_column(table, "x_label", choices=("0", "1", "2"))
    columns = [id_column(table, "userID").alias("user"), id_column(table, "itemID").alias("item")]
    if "rating" in table.frame.columns:
        columns.append(number_column(table, "rating"))
    if "timestamp" in table.frame.columns:
        columns.append(timestamp_column(table, "timestamp"))
    columns.append(label.replace_strict(["0", "1", "2"], list(SPLIT_NAMES), return_dtype=pl.String).alias("split"))
    if features is None:
        features = {key: file for key, file in FEATURE_FILES.items() if (directory / file).is_file()}
    tables = {key: _features(directory / file, table) for key, file in features.items()}
    first = next(iter(tables.values()), None)
    return RawTables(
        source=f"mmrec:{name}",
        interactions=pl.DataFrame(columns),
        items=None if first is None else pl.DataFrame({"item": first.ids}, schema={"item": pl.String}),
        item_features=tables,
        licence=licence,
    )


def _features(path: Path, table: TextTable) -> RawFeatures:
    """A matrix with exactly one row an item number."""
    values = load_npy(path)
    numbers = table.frame["itemID"].cast(pl.UInt32, strict=False)
    rows = numbers.is_null().arg_true()
    if len(rows):
        raise table.error(
            int(rows[0]),
            "itemID",
            found=repr(table.frame["itemID"][int(rows[0])]),
            expected="an item number, the row of its features",
            action="Number the items from 0, or leave the feature files out.",
        )
    largest = numbers.max()
    expected = 1 + (largest if isinstance(largest, int) else 0)
    if values.ndim != 2 or len(values) != expected:
        raise DataError.at(
            path,
            found=f"an array of shape {values.shape}",
            expected=f"{expected} rows, one an item of '{table.path.name}'",
            action="Give the feature file that belongs to these interactions.",
        )
    ids = [str(row) for row in range(len(values))]
    return raw_features(ids, values, source=path, encoder=f"file:{path.name}")


__all__ = ["FEATURE_FILES", "read"]
