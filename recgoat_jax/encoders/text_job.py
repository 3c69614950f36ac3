"""The part that all tables of text features share: texts by id, an encoder, and the job that outlives a kill."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.encoders.chunks import JobInputs
from recgoat_jax.encoders.feature_job import JobReport, run_feature_job
from recgoat_jax.encoders.protocols import Encoded, TextEncoder
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.progress import ProgressLine

FAINT = "nothing in common with other texts"
"""Why a row with a text has no features."""


def run_text_job(
    inputs: JobInputs[str],
    encoder: TfidfSvd | TextEncoder,
    *,
    out: Path,
    card: FeatureCard,
    chunk_size: int,
    line: ProgressLine | None,
) -> JobReport:
    """Makes a table of text features, goes on with one, or finds that it is made.

    Args:
        inputs: ids and texts.
        encoder: `TfidfSvd`, which reads all texts at once, or an encoder of single texts.
        out: the table, ``.npz`` or ``.parquet``.
        card: what is known but for the encoder.
        chunk_size: texts that are encoded and kept together; `TfidfSvd` does not read it.
        line: shows the progress.

    Returns:
        What was done.

    Raises:
        DataError, UsageError, RunStoppedError: see `run_feature_job`.
    """
    card = replace(
        card,
        encoder=encoder.name,
        revision=encoder.revision,
        pooling=encoder.pooling,
        max_length=encoder.max_length,
    )
    if isinstance(encoder, TfidfSvd):
        return run_feature_job(inputs, _all_at_once(encoder), out=out, card=card, chunk_size=None, line=line)
    return run_feature_job(inputs, _one_by_one(encoder), out=out, card=card, chunk_size=chunk_size, line=line)


def _one_by_one(encoder: TextEncoder) -> Callable[[Sequence[str]], Encoded]:
    return lambda texts: Encoded(encoder.encode(texts), [None] * len(texts))


def _all_at_once(encoder: TfidfSvd) -> Callable[[Sequence[str]], Encoded]:
    def encode(texts: Sequence[str]) -> Encoded:
        table = encoder.encode(texts)
        return Encoded(table.values, [None if there else FAINT for there in table.present])

    return encode


def text_inputs(ids: Sequence[str], texts: Sequence[str | None], *, absent: str) -> JobInputs[str]:
    """Texts as a job takes them.

    Args:
        ids: external ids, each once.
        texts: one an id; None where there is none.
        absent: why there is none, in a few words.

    Returns:
        The inputs.
    """
    hashes = (
        "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts
    )
    problems = (absent if text is None else None for text in texts)
    return JobInputs(tuple(ids), tuple(texts), tuple(hashes), tuple(problems))


__all__ = ["FAINT", "run_text_job", "text_inputs"]
