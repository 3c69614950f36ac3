"""Features read from ``.npz``, ``.npy`` and Parquet files, made here (with a card) or elsewhere."""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_parquet import parquet_card, read_parquet
from recgoat_jax.data.files import broken_file, check_file, read_text
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
    check_file(path)
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            rest = file.read(1)
    except (ValueError, EOFError, OSError) as error:
        raise broken_file(path, "NumPy array (.npy)", error) from error
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
    check_file(path)
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
        raise broken_file(path, "NumPy archive (.npz)", error) from error
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
            ids, values, present, card = read_parquet(path)
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


def read_card(path: Path) -> FeatureCard | None:
    """The card of a feature file, without its values; None where it has none.

    Args:
        path: a ``.npz`` or ``.parquet`` file.

    Returns:
        The card.

    Raises:
        DataError: a file absent or broken, or a card that cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        return parquet_card(path)
    arrays = load_npz(path, names=(), optional=("card",))
    return FeatureCard.from_json(str(arrays["card"]), source=path) if "card" in arrays else None


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


def _texts(path: Path, ids: np.ndarray) -> list[str]:
    if ids.ndim != 1 or ids.dtype.kind not in "USiu":
        raise DataError.at(
            path,
            column="ids",
            found=f"an array of shape {ids.shape} and type {ids.dtype}",
            expected="one axis of text or integers",
            action="Save the ids as text: numpy.array([...], dtype=str).",
        )
    try:
        return np.char.decode(ids, "utf-8").tolist() if ids.dtype.kind == "S" else ids.astype(str).tolist()
    except UnicodeDecodeError as error:
        raise DataError.at(
            path,
            column="ids",
            found=f"{error.object!r}, which is not UTF-8",
            expected="text, or bytes of UTF-8",
            action="Save the ids as text: numpy.array([...], dtype=str).",
        ) from error


__all__ = ["file_hash", "load_npy", "load_npz", "raw_features", "read_card", "read_features"]
