"""Features read from ``.npz``, ``.npy`` and Parquet files, made here (with a card) or elsewhere."""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.files import read_text
from recgoat_jax.data.schema import RawFeatures
from recgoat_jax.errors import DataError

CARD_KEY = b"recgoat.card"
"""Where the metadata of a Parquet file holds the card."""


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


def load_npz(path: Path, *, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` archive; pickled objects are refused.

    Args:
        path: the file.
        names: arrays to read.
        optional: arrays to read where they are there.

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
                return {name: archive[name] for name in (*names, *optional) if name in archive.files}
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
    """Features with their ids: one row an id, in any order.

    Three forms:

    * ``NAME.npz`` with the arrays ``ids`` (text or integers), ``values`` (``rows x feature``) and, where there are,
      ``present`` (``rows``) and ``card`` (JSON text);
    * ``NAME.parquet`` with the columns ``ids``, ``values`` (lists of one length) and perhaps ``present``, and the card
      in its metadata;
    * ``NAME.npy`` (``rows x feature``) beside ``NAME.ids.txt``, a UTF-8 file with one id a line in row order.

    Without ``present`` a row of NaN only, or a list that is null, means "missing".

    Args:
        path: the file.

    Returns:
        The features. Without a card ``encoder`` is ``"file:"`` and the file name, ``revision`` the start of the
        file's SHA-256.

    Raises:
        DataError: a file absent or broken, counts that differ, ids that repeat, values that are not numbers.
    """
    present, card = None, None
    match path.suffix.lower():
        case ".npz":
            arrays = load_npz(path, names=("ids", "values"), optional=("present", "card"))
            ids, values, present = _texts(path, arrays["ids"]), arrays["values"], arrays.get("present")
            if "card" in arrays:
                card = FeatureCard.from_json(str(arrays["card"]), source=path)
        case ".parquet":
            ids, values, present, card = _read_parquet(path)
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
                path,
                found=f"the suffix '{suffix}'",
                expected=".npz, .parquet or .npy",
                action="Save the features with NumPy.",
            )
    if card is not None:
        encoder, revision = card.encoder, card.settings
    else:
        encoder, revision = f"file:{path.name}", file_hash(path)[:16]
    return raw_features(ids, values, source=path, encoder=encoder, revision=revision, present=present, card=card)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def raw_features(
    ids: Sequence[str],
    values: np.ndarray,
    *,
    source: Path,
    encoder: str,
    revision: str = "",
    present: np.ndarray | None = None,
    card: FeatureCard | None = None,
) -> RawFeatures:
    """Features from ids and an array, checked.

    Args:
        ids: external ids in row order.
        values: ``rows x feature``, floats or integers.
        source: the file, for messages.
        encoder: what made the values.
        revision: version or settings of the encoder.
        present: ``rows``, booleans; None: a row is missing that is NaN only.
        card: what made the values, in full.

    Returns:
        The features, float32 where they came as integers or float64.

    Raises:
        DataError: not two axes, not numbers, a row count that is not the number of ids, an empty or repeated id, a
            row that is NaN or infinite in some columns only, or that is present and not finite; a mask of another
            length or type.
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
    if present is not None and (present.shape != (len(ids),) or present.dtype != bool):
        raise DataError.at(
            source,
            column="present",
            found=f"an array of shape {present.shape} and type {present.dtype}",
            expected=f"{len(ids)} booleans, one an id",
            action="Save one boolean a row.",
        )
    claimed = ~np.isnan(values).all(axis=1) if present is None else present
    rows = np.flatnonzero(claimed & ~np.isfinite(values).all(axis=1))
    if rows.size:
        row = int(rows[0])
        raise DataError.at(
            source,
            found=f"NaN or infinity in row {row + 1} (id {ids[row]!r}; {rows.size} rows have some)",
            expected="finite numbers" + ("" if present is not None else ", or a row of NaN only for a missing one"),
            action="Mend the row, or mark it as missing (all of it NaN, or not present).",
        )
    return RawFeatures(tuple(ids), values, encoder, revision, present, card)


def _read_parquet(path: Path) -> tuple[list[str], np.ndarray, np.ndarray | None, FeatureCard | None]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    _check_file(path)
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, "Parquet file", error) from error
    for name in ("ids", "values"):
        if name not in table.column_names:
            raise DataError.at(
                path,
                found=f"the columns {', '.join(map(repr, table.column_names))}",
                expected="the columns 'ids' and 'values'",
                action=f"Add '{name}', or rename the column that holds it.",
            )
    lists = table["values"].combine_chunks()
    if not (pa.types.is_fixed_size_list(lists.type) or pa.types.is_list(lists.type)):
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
    text = (table.schema.metadata or {}).get(CARD_KEY)
    card = None if text is None else FeatureCard.from_json(text.decode(), source=path)
    ids = ["" if external is None else str(external) for external in table["ids"].to_pylist()]
    return ids, values, present, card


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


__all__ = ["CARD_KEY", "file_hash", "load_npy", "load_npz", "raw_features", "read_features"]
