"""The identity of a data set: a hash over what it holds; and the way to add to it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from recgoat_jax.data.align import check_names
from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.errors import DataError

_NONE: Mapping[str, FeatureTable] = MappingProxyType({})


def content_hash(dataset: Dataset) -> str:
    """SHA-256 over the contents: vocabularies, splits, tables, features, neighbour lists.

    It depends on values only, not on files or on the order of mappings; the manifest is no part of it.

    Args:
        dataset: any data set.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for label, part in _parts(dataset):
        match part:
            case np.ndarray():
                array = np.ascontiguousarray(part.astype(part.dtype.newbyteorder("<"), copy=False))
                digest.update(f"{label}:{array.dtype.str}{array.shape}:".encode())
                digest.update(array.data if array.size else b"")
            case _:
                text = json.dumps(part, ensure_ascii=False).encode()
                digest.update(f"{label}:{len(text)}:".encode())
                digest.update(text)
    return digest.hexdigest()


def _parts(dataset: Dataset) -> Iterator[tuple[str, object]]:
    yield "users", dataset.users.ids
    yield "items", dataset.items.ids
    for name, pairs in (("train", dataset.train), ("valid", dataset.valid), ("test", dataset.test)):
        for column in ("users", "items", "ratings", "timestamps"):
            yield f"{name}/{column}", getattr(pairs, column)
    for name, table in (("item_table", dataset.item_table), ("user_table", dataset.user_table)):
        if table is not None:
            for column in table.column_names:
                yield f"{name}/{column}", table[column].to_pylist()
    for kind, tables in (("item", dataset.item_features), ("user", dataset.user_features)):
        for name, features in sorted(tables.items()):
            yield f"{kind}_features/{name}", [features.encoder, features.revision]
            yield "values", features.values
            yield "present", features.present
    for name, neighbors in sorted(dataset.item_neighbors.items()):
        yield f"item_neighbors/{name}", [neighbors.origin, neighbors.num_nodes]
        for column in ("receivers", "senders", "weights"):
            yield column, getattr(neighbors, column)


def with_features(
    dataset: Dataset,
    *,
    item_features: Mapping[str, FeatureTable] = _NONE,
    user_features: Mapping[str, FeatureTable] = _NONE,
) -> Dataset:
    """The data set with features added, its counts and hash made anew.

    Args:
        dataset: a prepared data set.
        item_features: name of a modality to features aligned with the items; replaces one of the same name.
        user_features: the same for users.

    Returns:
        A new data set.

    Raises:
        DataError: a table whose rows are not those of the vocabulary, or a name that cannot be a file name.
    """
    for tables, rows, kind in (
        (item_features, dataset.num_items, "items"),
        (user_features, dataset.num_users, "users"),
    ):
        check_names(tables)
        for name, table in tables.items():
            if table.num_rows != rows:
                raise DataError(
                    f"features '{name}' have {table.num_rows} rows; expected {rows}, one for each of the {kind}. "
                    "Align them with the vocabulary first."
                )
    counts = dict(dataset.manifest.counts)
    for kind, tables in (("item_features", item_features), ("user_features", user_features)):
        for name, table in tables.items():
            counts = {key: count for key, count in counts.items() if not key.startswith(f"{kind}.{name}.")}
            counts[f"{kind}.{name}.present"] = int(table.present.sum())
    grown = replace(
        dataset,
        item_features={**dataset.item_features, **item_features},
        user_features={**dataset.user_features, **user_features},
    )
    return replace(grown, manifest=replace(dataset.manifest, counts=counts, hash=content_hash(grown)))


__all__ = ["content_hash", "with_features"]
