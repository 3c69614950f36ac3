"""Tables and arrays as bytes, the same bytes for the same content."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file.

    Args:
        table: any arrow table.

    Returns:
        The bytes of the file; equal for equal tables and one version of pyarrow.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes) -> pa.Table:
    """The table of a Parquet file.

    Args:
        data: the bytes of the file.

    Returns:
        The table.
    """
    # Not `read_table`, which would load pandas wherever it is installed.
    return pq.ParquetFile(pa.BufferReader(data)).read()


def to_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as an uncompressed ``.npz`` archive.

    Args:
        arrays: name to array, in the order to write.

    Returns:
        The bytes of the archive, which depend on the arrays only: dates are fixed.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def from_npz(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` archive; pickled objects are refused.

    Args:
        data: the bytes of the archive.

    Returns:
        Name to array.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


__all__ = ["from_npz", "from_parquet", "to_npz", "to_parquet"]
