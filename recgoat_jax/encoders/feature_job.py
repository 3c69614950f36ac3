"""Long encodes that survive a kill: finished chunks are kept, and the same job goes on after the last of them.

Beside the table ``NAME.npz`` that is to be made a directory ``.NAME.npz.partial`` holds the finished chunks, each under
the hash of what it was made from: encoder, its settings, and the contents of its inputs. A chunk is written whole or
not at all and carries a checksum; a damaged one is made again. A job for other contents or with another encoder finds
none of them. When all are there the table is written, whole or not at all, and the directory goes. Rows that are
missing are named, with the reason, in ``NAME.missing.jsonl``.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, NamedTuple

import numpy as np

from recgoat_jax import __version__
from recgoat_jax.data.feature_card import FeatureCard, Kind
from recgoat_jax.data.feature_files import read_card
from recgoat_jax.data.feature_writer import Precision, check_suffix, write_features
from recgoat_jax.encoders.chunks import (
    Chunk,
    Content,
    JobInputs,
    StoredRows,
    chunk_blocks,
    make_chunks,
    read_chunk,
    write_chunk,
)
from recgoat_jax.encoders.protocols import Encoded
from recgoat_jax.errors import DataError, RunStoppedError, UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.lock import run_lock
from recgoat_jax.progress import ProgressLine, duration


class JobReport(NamedTuple):
    """What a job did.

    Attributes:
        path: the table.
        kind: whose features they are.
        rows: rows of the table.
        present: rows that are there.
        missing: rows that are not, by reason.
        encoded: rows that this call encoded.
        reused: rows that an earlier call had encoded.
        damaged: chunks of an earlier call that were damaged, and made again.
    """

    path: Path
    kind: Kind
    rows: int
    present: int
    missing: Mapping[str, int]
    encoded: int
    reused: int
    damaged: int


def run_feature_job(
    inputs: JobInputs[Content],
    encode: Callable[[Sequence[Content]], Encoded],
    *,
    out: Path,
    card: FeatureCard,
    chunk_size: int | None = 512,
    line: ProgressLine | None = None,
) -> JobReport:
    """Makes a table of features, goes on with one, or finds that it is made.

    Args:
        inputs: ids and contents.
        encode: encodes the contents of a chunk.
        out: the table, ``.npz`` or ``.parquet``; missing directories are made.
        card: what the table's card says of encoder, template and data; inputs, counts, day and version are filled in.
        chunk_size: inputs of a chunk; None: all in one, for an encoder whose rows depend on each other.
        line: shows the progress; None: nothing is shown.

    Returns:
        The report.

    Raises:
        UsageError: another suffix, a chunk size below 1, or another table is there; it is left as it is.
        DataError: nothing to encode, or the encoder gives values of another shape or that are not finite.
        RunStoppedError: another process is at this job, or the disk is full; finished chunks stay.
    """
    check_suffix(out)
    if chunk_size is not None and chunk_size < 1:
        raise UsageError(f"chunk_size is {chunk_size}; expected 1 or more.")
    card = replace(card, inputs=inputs.digest)
    if (made := _made_before(out, card)) is not None:
        shutil.rmtree(_partial(out), ignore_errors=True)
        rows = len(inputs.ids)
        return JobReport(out, card.kind, rows, made.present, made.missing, encoded=0, reused=rows, damaged=0)
    encodable = np.flatnonzero([content is not None for content in inputs.contents])
    if not encodable.size:
        raise DataError.at(
            out,
            found=f"nothing to encode ({_counted(inputs.problems)})",
            expected="at least one input",
            action="Check the texts or pictures of the data set.",
        )
    partial = _partial(out)
    stored_rows = 0
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with run_lock(partial):
            chunks = make_chunks(encodable, inputs.hashes, card, partial, chunk_size)
            job = _Job(inputs, encode, card, line)
            for chunk in chunks:
                job.do(chunk)
                stored_rows += len(chunk.rows)
            report = job.assemble(chunks, out)
            shutil.rmtree(partial)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunStoppedError(
            f"{out}: no room on the disk ({error.strerror}); {stored_rows:,} of {len(encodable):,} rows are kept in "
            f"{partial}. Free some space and start the same command again: it goes on from there."
        ) from error
    return report


class _Job(Generic[Content]):
    """The job while it runs: it counts, and shows where it is."""

    def __init__(
        self,
        inputs: JobInputs[Content],
        encode: Callable[[Sequence[Content]], Encoded],
        card: FeatureCard,
        line: ProgressLine | None,
    ) -> None:
        self.inputs, self.encode, self.card, self.line = inputs, encode, card, line
        self.problems: list[str | None] = list(inputs.problems)
        self.total = sum(content is not None for content in inputs.contents)
        self.dim: int | None = None
        self.encoded = self.reused = self.damaged = 0
        self.started = time.monotonic()

    def do(self, chunk: Chunk) -> None:
        """Encodes a chunk, unless that is done."""
        stored = read_chunk(chunk)
        if stored is None:
            self.damaged += chunk.path.exists()
            stored = self._encoded(chunk.rows)
            write_chunk(chunk, stored)
            self.encoded += len(chunk.rows)
        else:
            self.reused += len(chunk.rows)
        self._check_width(stored.values)
        for row, problem in zip(chunk.rows, stored.problems, strict=True):
            self.problems[row] = problem
        self._show()

    def _encoded(self, rows: np.ndarray) -> StoredRows:
        contents = [content for row in rows if (content := self.inputs.contents[row]) is not None]
        values, problems = self.encode(contents)
        if values.ndim != 2 or len(values) != len(rows) or len(problems) != len(rows) or values.dtype.kind != "f":
            raise DataError(
                f"encoder '{self.card.encoder}': found values of shape {values.shape} and type {values.dtype} for "
                f"{len(rows)} inputs; expected one row of floating-point numbers an input. Mend the encoder."
            )
        there = np.array([problem is None for problem in problems])
        with np.errstate(over="ignore"):
            kept = np.where(there[:, None], values, 0).astype(self.card.precision)
        broken = np.flatnonzero(~np.isfinite(kept).all(axis=1))
        if broken.size:
            external = self.inputs.ids[rows[broken[0]]]
            raise DataError(
                f"encoder '{self.card.encoder}': found NaN, infinity or numbers beyond {self.card.precision} for the "
                f"{self.card.kind} {external!r} ({broken.size} rows of {len(rows)}); expected finite numbers. "
                "Use float32, or another encoder."
            )
        return StoredRows(kept, list(problems))

    def _check_width(self, values: np.ndarray) -> None:
        self.dim = self.dim or values.shape[1]
        if values.shape[1] != self.dim:
            raise DataError(
                f"encoder '{self.card.encoder}': found rows of width {values.shape[1]} after rows of width {self.dim}; "
                "expected one width. Delete the partial directory beside the table, and start again."
            )

    def _show(self) -> None:
        if self.line is None:
            return
        done = self.encoded + self.reused
        seconds = max(time.monotonic() - self.started, 1e-9)
        left = duration((self.total - done) * seconds / self.encoded) if self.encoded else "?"
        text = f"{done:,} of {self.total:,} rows"
        if done < self.total:
            text += f", {self.encoded / seconds:,.0f} a second, {left} left"
        elif self.reused:
            text += f", {self.reused:,} of them from before"
        self.line.show(text, final=done == self.total)

    def assemble(self, chunks: Sequence[Chunk], out: Path) -> JobReport:
        """Writes the table from the finished chunks."""
        present = np.array([problem is None for problem in self.problems])
        missing = _counted(self.problems)
        if not present.any():
            raise DataError.at(
                out,
                found=f"no row that could be encoded ({missing})",
                expected="at least one",
                action="Check the texts or pictures of the data set.",
            )
        assert self.dim is not None
        precision: Precision = "float16" if self.card.precision == "float16" else "float32"
        # Within the partial directory, which the next start clears if this one is killed.
        whole = _partial(out) / out.name
        write_features(
            whole,
            ids=self.inputs.ids,
            blocks=chunk_blocks(chunks, rows=len(present), dim=self.dim, precision=precision),
            dim=self.dim,
            precision=precision,
            present=present,
            card=replace(
                self.card,
                present=int(present.sum()),
                missing=missing,
                made=datetime.now(UTC).date().isoformat(),
                version=__version__,
            ),
        )
        self._name_missing(out)
        os.replace(whole, out)
        counts = {"encoded": self.encoded, "reused": self.reused, "damaged": self.damaged}
        return JobReport(out, self.card.kind, len(present), int(present.sum()), missing, **counts)

    def _name_missing(self, out: Path) -> None:
        """Writes the ids of the rows that are missing, each with its reason; no file where there are none."""
        named = (
            json.dumps({self.card.kind: external, "reason": problem}, ensure_ascii=False) + "\n"
            for external, problem in zip(self.inputs.ids, self.problems, strict=True)
            if problem is not None
        )
        path = missing_file(out)
        if text := "".join(named):
            write_atomically(path, text)
        else:
            path.unlink(missing_ok=True)


def missing_file(out: Path) -> Path:
    """Where the missing rows of a table are named, one JSON line each."""
    return out.with_name(f"{out.stem}.missing.jsonl")


def _partial(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def _made_before(out: Path, card: FeatureCard) -> FeatureCard | None:
    """The card of a table that is there and is the one that the job would make."""
    if not out.exists():
        return None
    stored = read_card(out)
    if stored is not None and stored.origin == card.origin:
        return stored
    if stored is None:
        found = "features without a card"
    else:
        differing = [name for name, ours in card.origin.items() if stored.origin[name] != ours]
        found = f"other features (other {', '.join(differing)})"
    raise UsageError(
        f"{out}: found {found}; expected no file, or the table of this very job. "
        "Choose another file, or delete this one to make it anew."
    )


def _counted(problems: Sequence[str | None]) -> dict[str, int]:
    """Rows of each problem, most frequent first."""
    counts: dict[str, int] = {}
    for problem in problems:
        if problem is not None:
            counts[problem] = counts.get(problem, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


__all__ = ["JobReport", "missing_file", "run_feature_job"]
