"""Tensors of a torch checkpoint as numpy arrays, without torch and without running anything that the file names.

A checkpoint is a pickle, and a pickle may call any function of any package. This reader admits the four names that a
dictionary of dense tensors needs, and refuses a file at the first other one. Both layouts are read: the zip archive
of torch 1.6 and later, and the older stream of pickles.
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from recgoat_jax.errors import DataError

_ZIP = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _StorageType(NamedTuple):
    """Stands where the pickle names a storage class."""

    dtype: np.dtype


class _Storage(NamedTuple):
    """A run of numbers, kept under a key of the file."""

    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(pickle.UnpicklingError):
    """The pickle asks for what a dictionary of tensors does not need."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a checkpoint that is a dictionary of names to dense tensors.

    Args:
        path: the file.

    Returns:
        Arrays by name, in the order of the file.

    Raises:
        DataError: no checkpoint, a file cut short, or one that asks for anything but tensors; nothing of it was run.
    """
    try:
        with path.open("rb") as file:
            # By the first bytes, not by the directory at the end, which a file that was cut short has lost.
            is_archive = file.read(len(_ZIP)) == _ZIP
            found, storages = _read_zip(file) if is_archive else _read_legacy(file)
        if not isinstance(found, Mapping):
            raise _Refused(f"a {type(found).__name__}")
        return {str(name): _array(value, storages) for name, value in found.items()}
    except _Refused as error:
        raise DataError.at(
            path,
            found=f"a checkpoint with {error}",
            expected="a dictionary of tensors",
            action="Nothing of the file was run. Take it from where the model was published.",
        ) from error
    # What a broken pickle raises depends on where it is broken.
    except Exception as error:
        raise DataError.at(
            path,
            found=f"no readable torch checkpoint ({type(error).__name__}: {error})",
            expected="a file that torch.save made",
            action="Copy it again from where the model was published; the copy may be cut short.",
        ) from error


class _TensorUnpickler(pickle.Unpickler):
    """Knows dictionaries, tensors and storages, and no other name."""

    def find_class(self, module: str, name: str) -> Any:
        match (module, name):
            case ("collections", "OrderedDict"):
                return OrderedDict
            case ("torch._utils", "_rebuild_tensor_v2"):
                return _rebuild_tensor
            case ("torch._utils", "_rebuild_parameter"):
                return _rebuild_parameter
            case ("torch", storage) if storage in _STORAGES:
                return _StorageType(_STORAGES[storage])
        raise _Refused(f"the name '{module}.{name}'")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", _StorageType() as kind, key, _, size, *_):
                return _Storage(str(key), kind.dtype, int(size))
        raise _Refused("a reference to something other than a storage")


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


def _read_zip(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """The object and the raw storages of an archive."""
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise _Refused(f"{len(pickles)} files data.pkl")
        # Torch does not compress; what is compressed here can be larger than any memory once it is read.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise _Refused("compressed entries")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise _Refused("numbers in another byte order")
        found = _TensorUnpickler(io.BytesIO(archive.read(pickles[0]))).load()
        prefix = f"{folder}data/"
        names = [name for name in archive.namelist() if name.startswith(prefix)]
        return found, {name.removeprefix(prefix): archive.read(name) for name in names}


def _read_legacy(file: BinaryIO) -> tuple[Any, dict[str, bytes]]:
    """The object and the raw storages of the older layout: five pickles, then lengths and numbers of the storages."""
    file.seek(0)
    magic, protocol, machine = (_TensorUnpickler(file).load() for _ in range(3))
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL) or not machine.get("little_endian"):
        raise _Refused("another layout or byte order")
    unpickler = _SeenStorages(file)
    found = unpickler.load()
    keys = _TensorUnpickler(file).load()
    storages = {}
    for key in keys:
        (size,) = struct.unpack("<q", file.read(8))
        stored = unpickler.seen[str(key)]
        if size != stored.size:
            raise _Refused(f"a storage of {size} numbers that is referred to as one of {stored.size}")
        storages[str(key)] = file.read(size * stored.dtype.itemsize)
    return found, storages


class _SeenStorages(_TensorUnpickler):
    """Keeps the storages that were referred to: their number formats stand nowhere else in the older layout."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.seen: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> _Storage:
        storage = super().persistent_load(pid)
        self.seen[storage.key] = storage
        return storage


def _array(value: object, storages: Mapping[str, bytes]) -> np.ndarray:
    """A tensor's own copy of its numbers."""
    if not isinstance(value, _Tensor):
        raise _Refused(f"a {type(value).__name__} among its values")
    storage, offset, shape, strides = value
    numbers = np.frombuffer(storages[storage.key], storage.dtype)
    if len(shape) != len(strides) or min((offset, *shape, *strides)) < 0:
        raise _Refused("a tensor of impossible shape")
    last = offset + sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
    if 0 not in shape and (last >= len(numbers) or math.prod(shape) > len(numbers)):
        raise _Refused(f"a tensor that reaches beyond its storage of {len(numbers)} numbers")
    steps = [stride * storage.dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False).copy()


__all__ = ["read_tensors"]
