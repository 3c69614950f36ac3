"""Published splits as lists: ``train.txt``, ``valid.txt``, ``test.txt`` with lines ``user item item ...``.

The form in which many graph recommenders release their splits (LightGCN, KGAT, RLMRec and others). Text separated by
spaces or tabs, no header, also gzipped (``train.txt.gz``). A user without items may stand alone on a line. Terms of
use and checksums belong to the data set that is read.

A user with two lines in one file is an error. An item twice on one line, or a pair in two files, is kept here and
merged and counted by `recgoat_jax.data.prepare`: the pair stays in the first of train, valid, test.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from recgoat_jax.data.feature_files import load_npy, load_npz, raw_features
from recgoat_jax.data.files import read_text
from recgoat_jax.data.schema import SPLIT_NAMES, RawFeatures, RawNeighbors, RawTables
from recgoat_jax.errors import DataError


def read(
    directory: Path,
    *,
    name: str | None = None,
    item_features: Mapping[str, str] | None = None,
    user_features: Mapping[str, str] | None = None,
    item_neighbors: Mapping[str, str] | None = None,
    licence: str = "",
) -> RawTables:
    """Reads a folder of split lists.

    Args:
        directory: the folder; ``train.txt`` and ``test.txt`` are needed, ``valid.txt`` is read where it is there.
        name: name of the data set; None: that of the folder.
        item_features: modality to a ``.npy`` file of the folder whose row ``r`` belongs to item ``r``.
        user_features: the same for users.
        item_neighbors: modality to a ``.npz`` file of the folder: a sparse ``n x n`` matrix as the arrays ``row``
            (item), ``col`` (its neighbour), ``val`` (similarity) and ``n``. Self edges are kept.
        licence: terms of use to carry along.

    Returns:
        The tables, with the column ``split``. Where features or neighbours number the items, the item table lists
        all of them.

    Raises:
        DataError: a file is missing or not text, a user repeats, or ids and rows do not fit.
    """
    frames = []
    for split in SPLIT_NAMES:
        path = _either(directory / f"{split}.txt")
        if path is None and split != "valid":
            raise DataError.at(
                directory,
                found=f"no {split}.txt",
                expected="train.txt and test.txt (valid.txt if there is one), also as .gz",
                action="Give the folder that holds the split lists.",
            )
        if path is not None:
            frames.append(_pairs(path).with_columns(pl.lit(split).alias("split")))
    interactions = pl.concat(frames)
    features = {key: _features(directory / file) for key, file in (item_features or {}).items()}
    neighbors = {key: _neighbors(directory / file) for key, file in (item_neighbors or {}).items()}
    sizes = {
        **{file: len(features[key].ids) for key, file in (item_features or {}).items()},
        **{file: size for (_, size), file in zip(neighbors.values(), (item_neighbors or {}).values(), strict=True)},
    }
    return RawTables(
        source=f"userlist:{name or directory.name}",
        interactions=interactions,
        items=_numbered_items(directory, interactions["item"], sizes),
        item_features=features,
        user_features={key: _features(directory / file) for key, file in (user_features or {}).items()},
        item_neighbors={key: graph for key, (graph, _) in neighbors.items()},
        licence=licence,
    )


def _either(path: Path) -> Path | None:
    """The file, or its gzipped form, or None."""
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _pairs(path: Path) -> pl.DataFrame:
    """Columns ``user`` and ``item`` of one file."""
    users: list[str] = []
    counts: list[int] = []
    items: list[str] = []
    line_of: dict[str, int] = {}
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        cells = text.split()
        if not cells:
            continue
        user = cells[0]
        if line_of.setdefault(user, line) != line:
            raise DataError.at(
                path,
                row=line,
                column="user",
                found=f"user {user!r} again (first on line {line_of[user]})",
                expected="one line a user",
                action="Join the two lines.",
            )
        users.append(user)
        counts.append(len(cells) - 1)
        items.extend(cells[1:])
    if not items:
        raise DataError.at(
            path, found="no items", expected="lines 'user item item ...'", action="Check that it was written whole."
        )
    user_column = pl.Series("user", np.repeat(np.array(users, object), counts).tolist(), dtype=pl.String)
    return pl.DataFrame([user_column, pl.Series("item", items, dtype=pl.String)])


def _features(path: Path) -> RawFeatures:
    """A matrix whose row ``r`` belongs to id ``r``."""
    values = load_npy(path)
    ids = [str(row) for row in range(len(values) if values.ndim else 0)]
    return raw_features(ids, values, source=path, encoder=f"file:{path.name}")


def _neighbors(path: Path) -> tuple[RawNeighbors, int]:
    """A neighbour list with text ids, and the number of items."""
    arrays = load_npz(path, names=("row", "col", "val", "n"))
    row, col, val, size = arrays["row"], arrays["col"], arrays["val"], arrays["n"]
    if size.size != 1 or row.ndim != 1 or row.shape != col.shape or row.shape != val.shape:
        raise DataError.at(
            path,
            found=f"shapes row {row.shape}, col {col.shape}, val {val.shape}, n {size.shape}",
            expected="row, col and val of one length, and one number n",
            action="Save the entries of a sparse n x n matrix.",
        )
    n = int(size.reshape(()))
    for column, values in (("row", row), ("col", col)):
        outside = np.flatnonzero((values < 0) | (values >= n))
        if values.dtype.kind not in "iu" or outside.size:
            raise DataError.at(
                path,
                column=column,
                found=f"entry {int(outside[0])} is {values[outside[0]]}" if outside.size else f"type {values.dtype}",
                expected=f"item numbers from 0 to {n - 1}",
                action="Save the entries of a sparse n x n matrix.",
            )
    bad = np.flatnonzero(~np.isfinite(val)) if val.dtype.kind == "f" else np.arange(len(val))
    if bad.size:
        raise DataError.at(
            path,
            column="val",
            found=f"entry {int(bad[0])} is {val[bad[0]]} of type {val.dtype}",
            expected="finite floats",
            action="Mend the similarities.",
        )
    names = np.array([str(item) for item in range(n)], object)
    return RawNeighbors(
        ids=tuple(names[row]), neighbors=tuple(names[col]), weights=val.astype(np.float32), origin=f"file:{path.name}"
    ), n


def _numbered_items(directory: Path, items: pl.Series, sizes: Mapping[str, int]) -> pl.DataFrame | None:
    """The item table that numbered features imply; every item of the lists must have its row."""
    if not sizes:
        return None
    (file, size), *others = sizes.items()
    for other, other_size in others:
        if other_size != size:
            raise DataError.at(
                directory / other,
                found=f"{other_size} rows",
                expected=f"{size} rows, as in '{file}'",
                action="Give files of one item numbering.",
            )
    numbered = pl.Series("item", [str(row) for row in range(size)], dtype=pl.String)
    outside = items.filter(~items.is_in(numbered.implode()))
    if len(outside):
        raise DataError.at(
            directory / file,
            found=f"{size} rows, but item {outside[0]!r} in the lists",
            expected=f"items numbered 0 to {size - 1}",
            action="Give the features that belong to these lists, or leave them out.",
        )
    return numbered.to_frame()


__all__ = ["read"]
