"""Feature files with a card, written block by block: a table larger than memory is no problem, nor is a kill."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from recgoat_jax.arrays import PresentMask
from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_parquet import CARD_KEY
from recgoat_jax.errors import UsageError
from recgoat_jax.files import opened_atomically

Precision = Literal["float32", "float16"]
"""Number format of stored features."""

SUFFIXES = (".npz", ".parquet")
"""Suffixes of feature files that can be written."""


def check_suffix(path: Path) -> None:
    """Refuses a name that no feature file has.

    Raises:
        UsageError: another suffix than those of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: found the suffix '{path.suffix}'; expected .npz or .parquet. Rename the file.")


def write_features(
    path: Path,
    *,
    ids: Sequence[str],
    blocks: Iterable[np.ndarray],
    dim: int,
    precision: Precision,
    present: PresentMask,
    card: FeatureCard,
) -> None:
    """Writes a feature file, whole or not at all; `recgoat_jax.data.feature_files.read_features` reads it.

    Args:
        path: the file, ``.npz`` or ``.parquet``; its directory exists.
        ids: external ids in row order, each once.
        blocks: ``height x feature``: the rows in order, in parts of any height.
        dim: feature width.
        precision: number format.
        present: ``rows``, False where the row is missing.
        card: what made them.

    Raises:
        UsageError: another suffix.
        ValueError: blocks of another width, or of another number of rows in all.
        OSError: disk full, read-only directory; nothing is left behind.
    """
    check_suffix(path)
    checked = _checked(blocks, rows=len(ids), dim=dim, precision=precision)
    with opened_atomically(path) as file:
        if path.suffix.lower() == ".npz":
            _write_npz(file, list(ids), checked, (len(ids), dim), np.dtype(precision), present, card)
        else:
            _write_parquet(file, list(ids), checked, dim, precision, present, card)


def _checked(blocks: Iterable[np.ndarray], *, rows: int, dim: int, precision: Precision) -> Iterator[np.ndarray]:
    seen = 0
    for block in blocks:
        seen += len(block)
        if block.shape[1] != dim or seen > rows:
            raise ValueError(f"found a block of shape {block.shape}; expected {rows} rows of width {dim} in all.")
        yield np.ascontiguousarray(block, dtype=precision)
    if seen != rows:
        raise ValueError(f"found {seen} rows; expected {rows}.")


def _write_npz(
    file: io.BufferedWriter,
    ids: list[str],
    blocks: Iterable[np.ndarray],
    shape: tuple[int, int],
    dtype: np.dtype,
    present: np.ndarray,
    card: FeatureCard,
) -> None:
    small = {"ids": np.array(ids, dtype=str), "present": present, "card": np.array(card.to_json())}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in small.items():
            with archive.open(_entry(name), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        with archive.open(_entry("values"), "w", force_zip64=True) as entry:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(entry, header)
            for block in blocks:
                entry.write(block.data)


def _entry(name: str) -> zipfile.ZipInfo:
    # A fixed date: equal features are equal bytes.
    return zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))


def _write_parquet(
    file: io.BufferedWriter,
    ids: list[str],
    blocks: Iterable[np.ndarray],
    dim: int,
    precision: Precision,
    present: np.ndarray,
    card: FeatureCard,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = pa.float32() if precision == "float32" else pa.float16()
    schema = pa.schema(
        [("ids", pa.string()), ("values", pa.list_(number, dim)), ("present", pa.bool_())],
        metadata={CARD_KEY: card.to_json().encode()},
    )
    start = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in blocks:
            stop = start + len(block)
            values = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1), number), dim)
            columns = [pa.array(ids[start:stop], pa.string()), values, pa.array(present[start:stop], pa.bool_())]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            start = stop


__all__ = ["SUFFIXES", "Precision", "check_suffix", "write_features"]
