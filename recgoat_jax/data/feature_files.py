"""Features made elsewhere, read from ``.npy`` and ``.npz`` files."""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recgoat_jax.data.files import read_text
from recgoat_jax.data.schema import RawFeatures
from recgoat_jax.errors import DataError


def load_npy(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file; pickled objects are refused.

    Args:
        path: the file.

    Returns:
        The array.

    Raises:
        DataError: absent, truncated, or not a NumPy array file.
    """
    _check_file(path)
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            rest = file.read(1)
    except (ValueError, EOFError, OSError) as error:
        raise _broken(path, "NumPy array (.npy)", error) from error
    if rest:
        raise DataError.at(
            path, found="data after the end of the array", expected="one array", action="Write the file again."
        )
    return array


def load_npz(path: Path, *, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` archive; pickled objects are refused.

    Args:
        path: the file.
        names: arrays to read.

    Returns:
        Name to array.

    Raises:
        DataError: absent, truncated, not an archive, or without one of the names (those in it are listed).
    """
    _check_file(path)
    try:
        # The file is opened here, since numpy leaves one that it cannot read open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array, not an archive")
            missing = [name for name in names if name not in archive.files]
            if not missing:
                return {name: archive[name] for name in names}
            held = ", ".join(f"'{name}'" for name in archive.files) or "nothing"
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise _broken(path, "NumPy archive (.npz)", error) from error
    raise DataError.at(
        path,
        found=f"the arrays {held}",
        expected="the arrays " + ", ".join(f"'{name}'" for name in names),
        action=f"Add '{missing[0]}', or rename the array that holds it.",
    )


def read_features(path: Path) -> RawFeatures:
    """Features with their ids: one row an id, in any order; a row of NaN only means "missing".

    Two forms:

    * ``NAME.npz`` with the arrays ``ids`` (text or integers) and ``values`` (``rows x feature``);
    * ``NAME.npy`` (``rows x feature``) beside ``NAME.ids.txt``, a UTF-8 file with one id a line in row order.

    Args:
        path: the ``.npz`` or ``.npy`` file.

    Returns:
        The features; ``encoder`` is ``"file:"`` and the file name, ``revision`` the start of the file's SHA-256.

    Raises:
        DataError: a file absent or broken, counts that differ, ids that repeat, values that are not numbers.
    """
    match path.suffix.lower():
        case ".npz":
            arrays = load_npz(path, names=("ids", "values"))
            ids, values = _texts(path, arrays["ids"]), arrays["values"]
        case ".npy":
            values = load_npy(path)
            beside = path.with_suffix(".ids.txt")
            if not beside.is_file():
                raise DataError.at(
                    path,
                    found=f"no file '{beside.name}' beside it",
                    expected="the ids of the rows, one a line",
                    action=f"Write '{beside.name}', or save ids and values together with numpy.savez.",
                )
            ids = [line.removesuffix("\r") for line in read_text(beside).removesuffix("\n").split("\n")]
        case suffix:
            raise DataError.at(
                path, found=f"the suffix '{suffix}'", expected=".npz or .npy", action="Save the features with NumPy."
            )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return raw_features(ids, values, source=path, encoder=f"file:{path.name}", revision=digest[:16])


def raw_features(
    ids: Sequence[str], values: np.ndarray, *, source: Path, encoder: str, revision: str = ""
) -> RawFeatures:
    """Features from ids and an array, checked.

    Args:
        ids: external ids in row order.
        values: ``rows x feature``, floats or integers.
        source: the file, for messages.
        encoder: what made the values.
        revision: version or settings of the encoder.

    Returns:
        The features, float32 where they came as integers or float64.

    Raises:
        DataError: not two axes, not numbers, a row count that is not the number of ids, an empty or repeated id, a
            row that is NaN or infinite in some columns only.
    """
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DataError.at(
            source,
            found=f"an array of shape {values.shape} and type {values.dtype}",
            expected="numbers of shape [rows, feature]",
            action="Save one row of numbers an id.",
        )
    if len(ids) != len(values):
        raise DataError.at(
            source,
            found=f"{len(values)} rows of features for {len(ids)} ids",
            expected="one row an id",
            action="Write ids and features from the same list.",
        )
    if values.dtype.kind != "f" or values.dtype.itemsize > 4:
        values = values.astype(np.float32)
    seen: dict[str, int] = {}
    for row, external in enumerate(ids):
        if not external.strip() or seen.setdefault(external, row) != row:
            raise DataError.at(
                source,
                column="ids",
                found=f"{external!r} in row {row + 1}" + (f" and row {seen[external] + 1}" if external in seen else ""),
                expected="each row its own id, none empty",
                action="Remove the row, or give it its id.",
            )
    finite = np.isfinite(values)
    rows = np.flatnonzero(~finite.all(axis=1) & ~np.isnan(values).all(axis=1))
    if rows.size:
        row = int(rows[0])
        raise DataError.at(
            source,
            found=f"NaN or infinity in row {row + 1} (id {ids[row]!r}; {rows.size} rows have some)",
            expected="finite numbers, or a row of NaN only for a missing one",
            action="Mend the row, or set all of it to NaN.",
        )
    return RawFeatures(tuple(ids), values, encoder, revision)


def _texts(path: Path, ids: np.ndarray) -> list[str]:
    if ids.ndim != 1 or ids.dtype.kind not in "USiu":
        raise DataError.at(
            path,
            column="ids",
            found=f"an array of shape {ids.shape} and type {ids.dtype}",
            expected="one axis of text or integers",
            action="Save the ids as text: numpy.array([...], dtype=str).",
        )
    return np.char.decode(ids, "utf-8").tolist() if ids.dtype.kind == "S" else ids.astype(str).tolist()


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError.at(path, found="no such file", expected="a file of features", action="Check the path.")


def _broken(path: Path, kind: str, error: Exception) -> DataError:
    return DataError.at(
        path,
        found=f"a file that cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
        expected=f"a complete {kind} of plain numbers or text",
        action="The file may be truncated: write or copy it again.",
    )


__all__ = ["load_npy", "load_npz", "raw_features", "read_features"]
