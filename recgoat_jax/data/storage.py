"""Prepared data sets on disk.

A directory of::

    manifest.json                 name, source, protocol, seed, options, counts, hash, licence; SHA-256 of each file
    users.parquet, items.parquet  id and text columns, in vocabulary order
    interactions.parquet          user, item (int32 rows), rating, timestamp, split
    features/item/NAME.npz        values (float32), present; features/user/NAME.npz likewise
    neighbors/item/NAME.npz       receivers, senders (int32), weights (float32)

Writing is all or nothing: a hidden sibling directory is filled and renamed. Reading needs numpy and pyarrow only
and checks every file against the manifest.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recgoat_jax.data.content import with_features
from recgoat_jax.data.dataset import Dataset, Interactions, Manifest, NeighborList
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.schema import SPLIT_NAMES
from recgoat_jax.data.serialize import from_npz, from_parquet, to_npz, to_parquet
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.errors import DataError

MANIFEST = "manifest.json"
"""File of the manifest in a prepared directory."""
FORMAT = 1
"""Version of the layout of a prepared directory."""
_IDENTITY = ("name", "protocol", "seed", "options", "hash")


def write_dataset(dataset: Dataset, directory: Path) -> bool:
    """Writes a data set, whole or not at all; missing parent directories are made.

    Args:
        dataset: a prepared data set.
        directory: where to; absent, empty, or holding the same data set.

    Returns:
        True when it was written, False when the same data set was there already (nothing is touched).

    Raises:
        DataError: something else is in the directory (it is left as it is), or it cannot be written; then nothing
            is left behind.
    """
    target = Path(os.path.realpath(directory))
    dataset = with_features(dataset)  # a hash that `dataclasses.replace` has left behind must not reach the disk
    if _same_is_there(dataset, target):
        return False
    made: list[Path] = []
    moved: list[Path] = []
    temporary: Path | None = None
    try:
        _make_parents(target, made)
        # A directory that is there stays: it may be a mount, or where the shell is.
        place = target if target.is_dir() else target.parent
        temporary = place / f".{target.name}-{secrets.token_hex(4)}.partial"
        temporary.mkdir()
        _fill(dataset, temporary)
        if place == target:
            _move_up(temporary, moved)
        else:
            temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for parent in reversed(made):
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        if not isinstance(error, OSError):
            raise
        if _same_is_there(dataset, target):  # another process was faster
            return False
        raise DataError.at(
            directory,
            found=f"a directory that cannot be written ({error.strerror or error})",
            expected="a writable directory with enough room",
            action="Choose another directory, or mend its permissions or space. Nothing was written.",
        ) from error
    return True


def read_dataset(directory: Path) -> Dataset:
    """Reads a prepared data set and checks that no file has changed since it was written.

    Args:
        directory: what `write_dataset` wrote.

    Returns:
        The data set.

    Raises:
        DataError: no prepared data set there, one of another format, or a file that changed or is missing.
    """
    directory = Path(directory)
    stored = _read_manifest(directory)

    def content(relative: str) -> bytes:
        return _read_verified(directory, relative, stored["files"])

    users, user_table = _read_entities(content("users.parquet"), "user")
    items, item_table = _read_entities(content("items.parquet"), "item")
    pairs = from_parquet(content("interactions.parquet"))
    parts = {part: _read_part(pairs, part) for part in SPLIT_NAMES}
    features: dict[str, dict[str, FeatureTable]] = {"item": {}, "user": {}}
    for key, origin in stored["features"].items():
        kind, name = key.split("/")
        arrays = from_npz(content(f"features/{key}.npz"))
        features[kind][name] = FeatureTable(arrays["values"], arrays["present"], origin["encoder"], origin["revision"])
    neighbors = {
        name: NeighborList(**from_npz(content(f"neighbors/item/{name}.npz")), num_nodes=len(items), origin=origin)
        for name, origin in stored["neighbors"].items()
    }
    return Dataset(
        users=users,
        items=items,
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        manifest=Manifest(**{name: stored[name] for name in Manifest.__dataclass_fields__}),
        item_table=item_table,
        user_table=user_table,
        item_features=features["item"],
        user_features=features["user"],
        item_neighbors=neighbors,
    )


def prepared_hash(directory: Path) -> str | None:
    """The content hash that a prepared data set states, without reading the data; None where there is none.

    Args:
        directory: where it would be.

    Returns:
        Hexadecimal SHA-256.

    Raises:
        DataError: something else is there.
    """
    if not (directory / MANIFEST).is_file():
        return None
    return _read_manifest(directory)["hash"]


def _same_is_there(dataset: Dataset, target: Path) -> bool:
    if not target.exists():
        return False
    if target.is_dir() and not any(target.iterdir()):
        return False
    if not (target / MANIFEST).is_file():
        raise DataError.at(
            target,
            found="other files" if target.is_dir() else "a file",
            expected="an absent or empty directory, or the same prepared data set",
            action="Choose another directory.",
        )
    stored = _read_manifest(target)
    ours = json.loads(json.dumps(asdict(dataset.manifest)))
    differing = [name for name in _IDENTITY if stored[name] != ours[name]]
    if differing:
        first = differing[0]
        raise DataError.at(
            target,
            found=f"another prepared data set (other {', '.join(differing)}: {stored[first]!r}, not {ours[first]!r})",
            expected="an absent or empty directory, or the same prepared data set",
            action="Choose another directory, or remove this one.",
        )
    for relative in stored["files"]:
        _read_verified(target, relative, stored["files"])
    return True


def _move_up(directory: Path, moved: list[Path]) -> None:
    """Moves what a directory holds beside it, the manifest last, and tells what it has moved."""
    for path in sorted(directory.iterdir(), key=lambda path: path.name == MANIFEST):
        target = directory.parent / path.name
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        path.rename(target)
        moved.append(target)
    directory.rmdir()


def _fill(dataset: Dataset, directory: Path) -> None:
    hashes = {}
    for relative, data in _files(dataset):
        path = directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        hashes[relative] = hashlib.sha256(data).hexdigest()
    stored = {
        "format": FORMAT,
        **asdict(dataset.manifest),
        "features": {
            f"{kind}/{name}": {"encoder": table.encoder, "revision": table.revision}
            for kind, tables in (("item", dataset.item_features), ("user", dataset.user_features))
            for name, table in sorted(tables.items())
        },
        "neighbors": {name: listed.origin for name, listed in sorted(dataset.item_neighbors.items())},
        "files": hashes,
    }
    stored["checksum"] = _checksum(stored)
    (directory / MANIFEST).write_text(json.dumps(stored, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, one at a time."""
    yield "users.parquet", to_parquet(_with_ids(dataset.users, dataset.user_table))
    yield "items.parquet", to_parquet(_with_ids(dataset.items, dataset.item_table))
    yield (
        "interactions.parquet",
        to_parquet(pa.concat_tables([_part(dataset.split(part), part) for part in SPLIT_NAMES])),
    )
    for kind, tables in (("item", dataset.item_features), ("user", dataset.user_features)):
        for name, table in sorted(tables.items()):
            yield f"features/{kind}/{name}.npz", to_npz({"values": table.values, "present": table.present})
    for name, listed in sorted(dataset.item_neighbors.items()):
        arrays = {"receivers": listed.receivers, "senders": listed.senders, "weights": listed.weights}
        yield f"neighbors/item/{name}.npz", to_npz(arrays)


def _with_ids(vocabulary: Vocabulary, table: pa.Table | None) -> pa.Table:
    ids = pa.array(vocabulary.ids, pa.string())
    columns = {} if table is None else {name: table[name] for name in table.column_names}
    return pa.table({vocabulary.kind: ids, **columns})


def _read_entities(data: bytes, kind: str) -> tuple[Vocabulary, pa.Table | None]:
    table = from_parquet(data)
    texts = table.drop_columns([kind])
    return Vocabulary(table[kind].to_pylist(), kind=kind), texts if texts.num_columns else None


def _part(pairs: Interactions, part: str) -> pa.Table:
    columns: dict[str, Any] = {"user": pa.array(pairs.users, pa.int32()), "item": pa.array(pairs.items, pa.int32())}
    if pairs.ratings is not None:
        columns["rating"] = pa.array(pairs.ratings, pa.float32())
    if pairs.timestamps is not None:
        columns["timestamp"] = pa.array(pairs.timestamps, pa.int64())
    columns["split"] = pa.array([part] * len(pairs), pa.string())
    return pa.table(columns)


def _read_part(pairs: pa.Table, part: str) -> Interactions:
    # By DLPack rather than `to_numpy`, which would load pandas wherever it is installed.
    splits = pairs["split"].dictionary_encode().combine_chunks()
    rows = np.flatnonzero(np.from_dlpack(splits.indices) == splits.dictionary.to_pylist().index(part))

    def column(name: str) -> np.ndarray | None:
        return np.from_dlpack(pairs[name].combine_chunks())[rows] if name in pairs.column_names else None

    users, items = column("user"), column("item")
    assert users is not None
    assert items is not None
    return Interactions(users, items, column("rating"), column("timestamp"))


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError.at(
            directory,
            found=f"no readable '{MANIFEST}' ({getattr(error, 'strerror', None) or error})",
            expected="a directory that 'recgoat prepare' wrote",
            action="Check the path, or prepare the data again.",
        ) from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise DataError.at(
            path,
            found=f"the format {stored.get('format') if isinstance(stored, dict) else None!r}",
            expected=f"the format {FORMAT}",
            action="Prepare the data again with this version of the library.",
        )
    if stored.pop("checksum", None) != _checksum(stored):
        raise _changed(directory, MANIFEST, "was changed")
    return stored


def _read_verified(directory: Path, relative: str, hashes: Mapping[str, str]) -> bytes:
    try:
        data = (directory / relative).read_bytes()
    except OSError as error:
        raise _changed(directory, relative, f"cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != hashes.get(relative):
        raise _changed(directory, relative, "was changed")
    return data


def _changed(directory: Path, relative: str, what: str) -> DataError:
    return DataError.at(
        directory,
        found=f"that '{relative}' {what} after the data set was prepared",
        expected="files as they were written",
        action="Remove the directory and prepare the data again.",
    )


def _checksum(stored: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(stored, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _make_parents(target: Path, made: list[Path]) -> None:
    missing = [parent for parent in target.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        made.append(parent)


__all__ = ["FORMAT", "MANIFEST", "prepared_hash", "read_dataset", "write_dataset"]
