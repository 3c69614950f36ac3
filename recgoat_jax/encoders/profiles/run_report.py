"""What a run of the language model brought, and the table that is made of it."""

from collections.abc import Mapping
from typing import NamedTuple

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.encoders.profiles.completions import SamplingConfig
from recgoat_jax.encoders.profiles.profile_table import ProfileOrigin, ProfileTable, profile_table
from recgoat_jax.encoders.profiles.prompts import PromptSet
from recgoat_jax.encoders.profiles.split_hash import split_hash
from recgoat_jax.errors import DataError

_NAMED = 10


class RunReport(NamedTuple):
    """What happened in a run.

    Attributes:
        sent: requests that the server answered.
        stored: prompts that were answered before the run.
        repaired: profiles that a second request brought.
        cut: profiles whose text ended at ``max_tokens``.
        retries: tries that failed and were repeated, by reason.
        prompt_tokens: of the answered requests, as the server counted them.
        answer_tokens: likewise.
        damaged_lines: lines of the cache that were damaged; what they held was asked again.
        without_text: users or items for which there was nothing to ask.
    """

    sent: int
    stored: int
    repaired: int
    cut: int
    retries: Mapping[str, int]
    prompt_tokens: int
    answer_tokens: int
    damaged_lines: tuple[int, ...]
    without_text: int


class ProfileRun(NamedTuple):
    """Profiles by external id, failures by external id with their reason, and the report."""

    texts: Mapping[str, str]
    failed: Mapping[str, str]
    report: RunReport

    @property
    def text(self) -> str:
        """The run in words, for people."""
        done = self.report
        lines = [
            f"{len(self.texts):,} profiles, {len(self.failed):,} failed, {done.without_text:,} without text",
            f"{done.sent:,} requests answered now, {done.stored:,} prompts answered before, "
            f"{done.repaired:,} repaired, {done.cut:,} cut at the limit of tokens",
            f"{done.prompt_tokens:,} prompt tokens, {done.answer_tokens:,} answer tokens, as the server counts",
        ]
        lines += [f"repeated: {count:,} x {reason}" for reason, count in sorted(done.retries.items())]
        if done.damaged_lines:
            shown = ", ".join(map(str, done.damaged_lines[:_NAMED]))
            lines.append(f"warning: {len(done.damaged_lines):,} damaged lines of the cache dropped: {shown}")
        lines += [f"failed: {external!r}: {reason}" for external, reason in list(self.failed.items())[:_NAMED]]
        if len(self.failed) > _NAMED:
            lines.append(f"failed: {len(self.failed) - _NAMED:,} more")
        return "\n".join(lines)


def table_of_run(dataset: Dataset, prompts: PromptSet, sampling: SamplingConfig, done: ProfileRun) -> ProfileTable:
    """The profiles of a run as a table.

    Args:
        dataset: the data set that the prompts were made from.
        prompts: the prompts.
        sampling: model and sampling of the run.
        done: what it brought.

    Returns:
        The table; its card has the model, the sampling, hashes of template and prompts, and the failures.

    Raises:
        DataError: the prompts are those of another split, or no profile came of the run.
    """
    if prompts.split and prompts.split != (found := split_hash(dataset)):
        raise DataError(
            f"prompts of '{prompts.dataset}': found that they were made from the training pairs {prompts.split[:12]}; "
            f"expected those of '{dataset.manifest.name}', {found[:12]}. Make the prompts from this data set."
        )
    origin = run_origin(prompts, sampling)
    counts = {"failed": len(done.failed), "without_text": done.report.without_text, "cut": done.report.cut}
    return profile_table(
        dataset,
        done.texts,
        kind=origin.kind,
        encoder=origin.encoder,
        revision=origin.revision,
        counts=counts | dict(prompts.counts),
    )


def run_origin(prompts: PromptSet, sampling: SamplingConfig) -> ProfileOrigin:
    """The origin of a run's table, which is known before anything is sent.

    Args:
        prompts: the prompts.
        sampling: model and sampling.

    Returns:
        The origin.
    """
    revision = (
        f"temperature={sampling.temperature};max_tokens={sampling.max_tokens};seed={sampling.seed};"
        f"template={prompts.fingerprint[:16]};prompts={prompts.digest[:16]}"
    )
    return ProfileOrigin(prompts.kind, f"llm:{sampling.model}", revision, prompts.split)


__all__ = ["ProfileRun", "RunReport", "run_origin", "table_of_run"]
