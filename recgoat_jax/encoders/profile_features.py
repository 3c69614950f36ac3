"""Feature tables of users, or items, from their profiles in words."""

from pathlib import Path

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_writer import Precision
from recgoat_jax.encoders.feature_job import JobReport
from recgoat_jax.encoders.profiles.profile_table import ProfileTable
from recgoat_jax.encoders.protocols import TextEncoder
from recgoat_jax.encoders.text_job import run_text_job, text_inputs
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.progress import ProgressLine

NO_PROFILE = "no profile"
"""Why a user, or an item, has no features."""


def make_profile_features(
    dataset: Dataset,
    profiles: ProfileTable,
    encoder: TfidfSvd | TextEncoder,
    *,
    out: Path,
    precision: Precision = "float32",
    chunk_size: int = 512,
    line: ProgressLine | None = None,
) -> JobReport:
    """Makes a table of the features of profiles, goes on with one, or finds that it is made.

    The card says what wrote the profiles and has the hash of their table and, where they were made from training pairs,
    the hash of these: a run on another split refuses the features as it refuses the profiles.

    Args:
        dataset: prepared data.
        profiles: of its users, or of its items.
        encoder: `TfidfSvd`, which reads all texts at once, or an encoder of single texts.
        out: the table, ``.npz`` or ``.parquet``; rows are those of the vocabulary, missing where there is no profile.
        precision: number format.
        chunk_size: texts that are encoded and kept together; `TfidfSvd` does not read it.
        line: shows the progress.

    Returns:
        What was done.

    Raises:
        DataError: profiles of another split, or of an id that the data set does not have.
        UsageError, RunStoppedError: see `recgoat_jax.encoders.feature_job.run_feature_job`.
    """
    vocabulary = dataset.users if profiles.kind == "user" else dataset.items
    card = FeatureCard(
        kind=profiles.kind,
        encoder="",
        revision="",
        source=f"profiles of '{profiles.dataset}' by {profiles.encoder}, {profiles.date} ({profiles.revision})",
        source_hash=profiles.hash,
        dataset_name=dataset.manifest.name,
        dataset_hash=dataset.manifest.hash,
        precision=precision,
        train_pairs=profiles.split or None,
    )
    inputs = text_inputs(vocabulary.ids, profiles.aligned(dataset), absent=NO_PROFILE)
    return run_text_job(inputs, encoder, out=out, card=card, chunk_size=chunk_size, line=line)


__all__ = ["NO_PROFILE", "make_profile_features"]
