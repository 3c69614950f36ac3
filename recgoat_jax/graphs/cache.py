"""Graphs on disk: a neighbour list is built once and found again by the hash of all that it was built from.

The only place of the graphs layer that reads or writes files. The cache is never needed: a file that cannot be read
is built again, a directory that cannot be written is left alone.
"""

import contextlib
import dataclasses
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recgoat_jax.data.dataset import NeighborList

_FORMAT = "recgoat_jax neighbour list 1"
_ARRAYS = ("receivers", "senders", "weights")


def cached_graph(parts: tuple[object, ...], build: Callable[[], NeighborList]) -> NeighborList:
    """The neighbour list that ``build`` makes, read from the cache where an earlier run stored it.

    The cache is the directory ``RECGOAT_CACHE``, else ``recgoat_jax/graphs`` in the XDG cache directory
    (``XDG_CACHE_HOME``, else ``~/.cache``).

    Args:
        parts: everything that the result depends on: the name of the builder, its settings and its data. Text, numbers,
            booleans, None, numpy arrays, frozen dataclasses such as `FeatureTable` or `Interactions`, and tuples,
            lists and mappings of them.
        build: makes the neighbour list; called where the cache has none, or one that cannot be read.

    Returns:
        The neighbour list.

    Raises:
        TypeError: a part whose contents cannot be hashed.
    """
    key = content_hash(parts)
    path = cache_directory() / f"{key}.npz"
    found = _read(path, key)
    if found is not None:
        return found
    neighbors = build()
    with contextlib.suppress(OSError):
        _write(path, key, neighbors)
    return neighbors


def cache_directory() -> Path:
    """Where neighbour lists are stored."""
    explicit = os.environ.get("RECGOAT_CACHE")
    if explicit:
        return Path(explicit)
    xdg = os.environ.get("XDG_CACHE_HOME")
    # The XDG rule: a relative path in the variable is invalid and ignored.
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path("~/.cache").expanduser()
    return base / "recgoat_jax" / "graphs"


def content_hash(value: object) -> str:
    """SHA-256 of a value's type and contents, hexadecimal; equal across processes and machines.

    Args:
        value: as the parts of `cached_graph`.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: a value whose contents cannot be hashed.
    """
    digest = hashlib.sha256()
    _update(digest, value)
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", value: object) -> None:
    """Feeds one value, with its type and length, so that no two different values feed the same bytes."""
    match value:
        case None | bool() | int() | float() | str():
            _feed(digest, type(value).__name__, repr(value).encode())
        case np.generic():
            _update(digest, value.item())
        case np.ndarray() if value.dtype != object:
            _feed(digest, f"array {value.dtype.str} {value.shape}", np.ascontiguousarray(value).tobytes())
        case tuple() | list():
            _feed(digest, "sequence", str(len(value)).encode())
            for entry in value:
                _update(digest, entry)
        case dict():
            _feed(digest, "mapping", str(len(value)).encode())
            for entry in sorted(value.items()):
                _update(digest, entry)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            _feed(digest, "dataclass", type(value).__name__.encode())
            for entry in dataclasses.fields(value):
                _update(digest, (entry.name, getattr(value, entry.name)))
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be hashed by its contents; pass numbers, text or arrays.")


def _feed(digest: "hashlib._Hash", kind: str, payload: bytes) -> None:
    digest.update(f"{kind} {len(payload)}\n".encode())
    digest.update(payload)


def _read(path: Path, key: str) -> NeighborList | None:
    """The stored list, or None where there is none that this code wrote for this key."""
    try:
        # Opened here: a damaged archive makes numpy give up without closing a file that it opened itself.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["format"]) != _FORMAT or str(stored["key"]) != key:
                return None
            found = NeighborList(
                receivers=stored["receivers"],
                senders=stored["senders"],
                weights=stored["weights"],
                num_nodes=int(stored["num_nodes"]),
                origin=str(stored["origin"]),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, TypeError):
        return None
    return found if _is_sound(found) else None


def _is_sound(found: NeighborList) -> bool:
    """Whether types and shapes are those of a neighbour list."""
    arrays = [getattr(found, name) for name in _ARRAYS]
    return [array.dtype for array in arrays] == [np.int32, np.int32, np.float32] and all(
        array.ndim == 1 and array.shape == arrays[0].shape for array in arrays
    )


def _write(path: Path, key: str, neighbors: NeighborList) -> None:
    """Stores a list so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{key[:16]}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                format=_FORMAT,
                key=key,
                num_nodes=neighbors.num_nodes,
                origin=neighbors.origin,
                **{array: getattr(neighbors, array) for array in _ARRAYS},
            )
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


__all__ = ["cache_directory", "cached_graph", "content_hash"]
