"""``recgoat features profile``: users, or items, in words: by counting, or by a language model behind a server."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro

from recgoat_jax.cli.output_file import check_output_file
from recgoat_jax.data import read_dataset
from recgoat_jax.data.dataset import Dataset
from recgoat_jax.encoders.profiles import (
    EndpointConfig,
    KeptLeakReport,
    PriceConfig,
    ProfileConfig,
    ProfileTable,
    PromptConfig,
    PromptSet,
    SamplingConfig,
    StatisticalConfig,
    estimate,
    item_prompts,
    keep_leak_report,
    read_batch,
    read_profiles,
    run,
    run_origin,
    statistical_profiles,
    table_of_run,
    user_prompts,
    write_batch,
    write_profiles,
)
from recgoat_jax.encoders.profiles.profile_table import other_profiles, stored_profiles
from recgoat_jax.encoders.templates import ItemTemplate, usual_columns
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.progress import ProgressLine
from recgoat_jax.training.interrupts import catch_interrupts

ENCODERS = ("statistical", "llm")
"""``--encoder`` of ``recgoat features profile``."""


@dataclass(frozen=True)
class LlmConfig:
    """A language model behind a server that speaks the chat protocol of OpenAI."""

    sampling: Annotated[SamplingConfig, tyro.conf.arg(name="")]
    """Model and sampling."""
    prompt: Annotated[PromptConfig, tyro.conf.arg(name="")] = field(default_factory=PromptConfig)
    """What a prompt holds."""
    endpoint: Annotated[EndpointConfig, tyro.conf.arg(name="")] = field(default_factory=EndpointConfig)
    """The server."""
    price: PriceConfig = field(default_factory=PriceConfig)
    """What it charges."""
    cache: Path | None = None
    """Directory of the answers; None: cache, beside the table."""
    unreadable: Literal["ask_again", "keep"] = "ask_again"
    """What becomes of users whose stored answers could not be read in an earlier run."""
    stop_after: int = 20
    """Failures in a row, none answered between them, that end the run."""


@dataclass(frozen=True, kw_only=True)
class ProfileCommand:
    """What both kinds of profiles ask."""

    dataset: tyro.conf.Positional[Path]
    """Prepared directory."""
    out: Path
    """Table to make, NAME.jsonl; NAME.card.json and NAME.leaks.json stand beside it."""
    of: Literal["users", "items"] = "users"
    """Whose profiles."""
    title_column: str = "title"
    """Item column of the titles for which the leak guard searches."""
    json: bool = False
    """Print the report as JSON; the estimate goes to standard error."""
    quiet: bool = False
    """No progress line."""


@dataclass(frozen=True, kw_only=True)
class StatisticalCommand(ProfileCommand):
    """Profiles of users by counting what their training items have in common. Nothing leaves the machine."""

    encoder: StatisticalConfig
    """What is told."""


@dataclass(frozen=True, kw_only=True)
class LlmCommand(ProfileCommand):
    """Profiles by a language model. Without --yes an estimate is shown and nothing is sent."""

    encoder: LlmConfig
    """Model, server and prompts."""
    columns: tuple[str, ...] | None = None
    """Item columns that make the text of an item; None: those of title, brand, category, description that are there."""
    labels: Literal["columns", "none"] | None = None
    """Whether the name of its column stands before each text; None: it does."""
    item_profiles: Path | None = None
    """Table of item profiles that stand in users' prompts in the place of columns; items without one are left out."""
    limit: int | None = None
    """Only the first so many users, or items: for a trial."""
    yes: bool = False
    """Consent to what the estimate says: the prompts are sent, and the server may charge for them."""
    write_batch: Path | None = None
    """Write the open requests to a file for a batch server, and send nothing."""
    read_batch: Path | None = None
    """Take the answers of a batch server from a file first."""


class ProfileReport(NamedTuple):
    """What a command did.

    Attributes:
        table: the profiles.
        rows: users, or items, of the data set.
        made_before: whether there was nothing to do.
        sent: requests that were answered now.
        leaks: the leak report; None for items, whose profiles hold no pairs, and where the guard could not search.
        unguarded: why it could not; "" where it did, and for items.
    """

    table: ProfileTable
    rows: int
    made_before: bool
    sent: int
    leaks: KeptLeakReport | None
    unguarded: str


def run_statistical(command: StatisticalCommand) -> ProfileReport:
    """Makes the table that the command asks for."""
    if command.of == "items":
        raise UsageError(
            "statistical profiles: found --of items; expected users. Profiles of items are by --encoder llm."
        )
    dataset = read_dataset(command.dataset)
    table = statistical_profiles(dataset, command.encoder)
    stored = stored_profiles(command.out, table.origin)
    if stored is None:
        write_profiles(table, command.out)
    elif stored.hash != table.hash:
        raise other_profiles(command.out, "other texts of items")
    return _report(command, dataset, table, made_before=stored is not None)


def run_llm(command: LlmCommand) -> ProfileReport | None:
    """Makes the table that the command asks for; None where it wrote a file of requests instead."""
    check_output_file(command.write_batch)
    dataset = read_dataset(command.dataset)
    prompts, config = _prompts(command, dataset), _config(command)
    stored = stored_profiles(command.out, run_origin(prompts, config.sampling))
    if stored is not None and not stored.counts.get("failed"):
        return _report(command, dataset, stored, made_before=True)
    notes = sys.stderr if command.json else sys.stdout
    if command.read_batch is not None:
        print(f"{command.read_batch}: {read_batch(command.read_batch, prompts, config).text}", file=notes)
    plan = estimate(prompts, config)
    print(plan.text, file=notes, flush=True)
    if command.write_batch is not None:
        count = write_batch(prompts, config, command.write_batch)
        written = {"batch": str(command.write_batch), "requests": count}
        print(
            json.dumps(written) if command.json else f"{command.write_batch}: {count:,} requests written, nothing sent"
        )
        return None
    if plan.requests and not command.yes:
        stays = "" if stored is None else f" {command.out} stays as it is, without those that failed."
        raise UsageError(f"nothing was sent; expected consent to the estimate above: --yes.{stays}")
    line = None if command.quiet else ProgressLine(command.out.name)

    def show(done: int, total: int) -> None:
        if line is not None:
            line.show(f"{done:,} of {total:,} {command.of}", final=done == total)

    with catch_interrupts() as interrupts:
        done = run(prompts, config, yes=True, on_progress=show, should_stop=lambda: interrupts.received is not None)
    print(done.text, file=notes)
    table = table_of_run(dataset, prompts, config.sampling, done)
    write_profiles(table, command.out)
    return _report(command, dataset, table, sent=done.report.sent)


def _prompts(command: LlmCommand, dataset: Dataset) -> PromptSet:
    config = command.encoder.prompt
    if command.of == "items":
        if command.item_profiles is not None:
            raise UsageError("found --item-profiles and --of items; expected them for users. Leave one out.")
        prompts = item_prompts(dataset, _item_texts(command, dataset), config)
    else:
        prompts = user_prompts(dataset, _item_texts(command, dataset), config)
    if command.limit is None:
        return prompts
    if command.limit < 1:
        raise UsageError(f"found --limit {command.limit}; expected 1 or more.")
    return prompts.only(list(prompts.messages)[: command.limit])


def _item_texts(command: LlmCommand, dataset: Dataset) -> list[str | None]:
    if command.item_profiles is not None:
        for option, given in (("--columns", command.columns), ("--labels", command.labels)):
            if given is not None:
                raise UsageError(f"found --item-profiles and {option}; expected one of them. Leave one out.")
        table = read_profiles(command.item_profiles)
        if table.kind != "item":
            raise UsageError(f"{command.item_profiles}: found profiles of users; expected profiles of items.")
        return table.aligned(dataset)
    name = f"{dataset.manifest.name}, item table"
    columns = command.columns or usual_columns(dataset.item_table, source=name)
    # Whole texts: prompts cut them, after numbers and addresses were taken out.
    template = ItemTemplate.of_columns(columns, labelled=command.labels != "none", max_characters=1_000_000)
    return template.render(dataset.item_table, source=name)


def _config(command: LlmCommand) -> ProfileConfig:
    given = command.encoder
    return ProfileConfig(
        given.sampling,
        cache=given.cache or command.out.parent / "cache",
        endpoint=given.endpoint,
        price=given.price,
        unreadable=given.unreadable,
        stop_after=given.stop_after,
    )


def _report(
    command: ProfileCommand, dataset: Dataset, table: ProfileTable, *, made_before: bool = False, sent: int = 0
) -> ProfileReport:
    """The report, the leak guard's part of it made or found."""
    leaks, unguarded = None, ""
    if table.kind == "user":
        try:
            leaks = keep_leak_report(dataset, table, command.out, title_column=command.title_column)
        except DataError as error:  # no titles: the profiles are none the worse
            unguarded = str(error)
    rows = dataset.num_users if table.kind == "user" else dataset.num_items
    return ProfileReport(table, rows, made_before, sent, leaks, unguarded)


def as_text(command: ProfileCommand, report: ProfileReport) -> str:
    """The report for a reader."""
    lines = [f"{command.out}: {len(report.table.texts):,} of {report.rows:,} {command.of} have profiles"]
    if report.made_before:
        lines.append("  made before; nothing to do")
    if report.leaks is not None:
        lines += [f"  {line}" for line in report.leaks.text.split("\n")]
        lines.append(f"  kept in {report.leaks.path}")
    if report.unguarded:
        lines.append(f"  no leak guard (--title-column): {report.unguarded}")
    return "\n".join(lines)


def as_json(command: ProfileCommand, report: ProfileReport) -> str:
    """The report for a program."""
    card = {name: value for name, value in asdict(report.table).items() if name != "texts"}
    leaks = report.leaks
    told = {
        "path": str(command.out),
        **card,
        "rows": report.rows,
        "present": len(report.table.texts),
        "made_before": report.made_before,
        "sent": report.sent,
        "leaks": None if leaks is None else {"path": str(leaks.path), "leaking": leaks.leaking},
        "unguarded": report.unguarded,
    }
    return json.dumps(told, ensure_ascii=False)


def main(name: str | None, arguments: Sequence[str]) -> int:
    """Runs ``recgoat features profile``.

    Args:
        name: of the encoder; None: not given.
        arguments: the other arguments.

    Returns:
        The exit code.
    """
    if name not in ENCODERS:
        found = "no --encoder" if name is None else f"the encoder '{name}'"
        raise UsageError(f"found {found}; expected --encoder with one of {', '.join(ENCODERS)}.")
    command = tyro.cli(
        LlmCommand if name == "llm" else StatisticalCommand,
        args=list(arguments),
        prog=f"recgoat features profile --encoder {name}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    if command.out.suffix != ".jsonl":
        raise UsageError(f"{command.out}: found the suffix '{command.out.suffix}'; expected .jsonl. Rename the file.")
    report = run_llm(command) if isinstance(command, LlmCommand) else run_statistical(command)
    if report is not None:
        print(as_json(command, report) if command.json else as_text(command, report))
    return 0


__all__ = ["ENCODERS", "LlmCommand", "LlmConfig", "ProfileCommand", "StatisticalCommand", "main"]
