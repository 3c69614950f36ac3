"""What a feature job encodes, and what it keeps: chunks under the hash of what they were made from, with checksums."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_writer import Precision
from recgoat_jax.data.serialize import from_npz, to_npz
from recgoat_jax.errors import DataError
from recgoat_jax.files import write_atomically

Content = TypeVar("Content")
"""What is encoded: texts or paths of pictures."""


@dataclass(frozen=True, eq=False)
class JobInputs(Generic[Content]):
    """What a job encodes.

    Attributes:
        ids: external ids, each once, in the order of the table.
        contents: one an id; None where there is nothing to encode.
        hashes: hash of each content; "" where there is none.
        problems: why there is nothing to encode, in a few words that rows share; None where there is.
    """

    ids: tuple[str, ...]
    contents: tuple[Content | None, ...]
    hashes: tuple[str, ...]
    problems: tuple[str | None, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over ids and contents."""
        return digest_of([[*row] for row in zip(self.ids, self.hashes, self.problems, strict=True)])


class Chunk(NamedTuple):
    """Rows that are encoded together, and the file that keeps what comes out."""

    rows: np.ndarray
    path: Path


class StoredRows(NamedTuple):
    """What the inputs of a chunk became: zeros where a row has a problem."""

    values: np.ndarray
    problems: list[str | None]


def make_chunks(
    encodable: np.ndarray,
    hashes: Sequence[str],
    card: FeatureCard,
    partial: Path,
    chunk_size: int | None,
) -> list[Chunk]:
    """The inputs in chunks.

    Args:
        encodable: rows of the table that have something to encode, in order.
        hashes: hash of the content of every row of the table.
        card: tells the encoder and its settings.
        partial: directory of the files.
        chunk_size: inputs of a chunk; None: all in one.

    Returns:
        The chunks, in order.
    """
    made_by = [card.encoder, card.revision, card.pooling, card.max_length, card.precision]
    size = chunk_size or len(encodable)
    chunks = []
    for start in range(0, len(encodable), size):
        rows = encodable[start : start + size]
        key = digest_of([*made_by, *(hashes[row] for row in rows)])
        chunks.append(Chunk(rows, partial / f"{key[:40]}.chunk"))
    return chunks


def read_chunk(chunk: Chunk) -> StoredRows | None:
    """What a chunk's file holds; None where it is absent or damaged."""
    try:
        data = chunk.path.read_bytes()
    except FileNotFoundError:
        return None
    checksum, payload = data[:32], data[32:]
    if hashlib.sha256(payload).digest() != checksum:
        return None
    arrays = from_npz(payload)
    return StoredRows(arrays["values"], json.loads(arrays["problems"].item()))


def write_chunk(chunk: Chunk, stored: StoredRows) -> None:
    """Writes what a chunk's inputs became, whole or not at all.

    Raises:
        OSError: the disk is full, or the directory gone.
    """
    payload = to_npz({"values": stored.values, "problems": np.array(json.dumps(list(stored.problems)))})
    write_atomically(chunk.path, hashlib.sha256(payload).digest() + payload)


def chunk_blocks(chunks: Sequence[Chunk], *, rows: int, dim: int, precision: Precision) -> Iterator[np.ndarray]:
    """The rows of a table in order, read from its chunks; zeros where nothing was encoded.

    Args:
        chunks: all chunks, in order.
        rows: rows of the table.
        dim: feature width.
        precision: number format.

    Yields:
        ``height x dim``, a block a chunk.

    Raises:
        DataError: a file that was damaged or removed since it was read.
    """
    starts = [0, *(int(chunk.rows[0]) for chunk in chunks[1:]), rows]
    for chunk, start, stop in zip(chunks, starts[:-1], starts[1:], strict=True):
        stored = read_chunk(chunk)
        if stored is None:
            raise DataError.at(
                chunk.path,
                found="a chunk that was damaged or removed while the table was written",
                expected="a chunk as it was written",
                action="Start the same command again: the chunk is made anew.",
            )
        block = np.zeros((stop - start, dim), precision)
        block[chunk.rows - start] = stored.values
        yield block


def digest_of(parts: Sequence[object]) -> str:
    """SHA-256 of a JSON value, hexadecimal."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


__all__ = [
    "Chunk",
    "Content",
    "JobInputs",
    "StoredRows",
    "chunk_blocks",
    "digest_of",
    "make_chunks",
    "read_chunk",
    "write_chunk",
]
