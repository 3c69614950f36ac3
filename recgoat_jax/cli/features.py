"""``recgoat features text|image|profile``: features of a prepared directory, resumed where they were stopped."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import tyro

from recgoat_jax.cli import feature_profiles
from recgoat_jax.cli.feature_encoders import (
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    ImageEncoderConfig,
    TextEncoderConfig,
    image_encoder,
    text_encoder,
)
from recgoat_jax.data import read_dataset
from recgoat_jax.data.feature_writer import Precision, check_suffix
from recgoat_jax.encoders.feature_job import JobReport, missing_file
from recgoat_jax.encoders.item_features import item_pictures, make_image_features, make_text_features
from recgoat_jax.encoders.profile_features import make_profile_features
from recgoat_jax.encoders.profiles import read_profiles
from recgoat_jax.encoders.templates import ItemTemplate, usual_columns
from recgoat_jax.errors import UsageError
from recgoat_jax.progress import ProgressLine

Config = TypeVar("Config", bound=TextEncoderConfig)
ImageConfig = TypeVar("ImageConfig", bound=ImageEncoderConfig)


@dataclass(frozen=True)
class TextCommand(Generic[Config]):
    """Features of items from the texts of their table, or of users or items from their profiles."""

    dataset: tyro.conf.Positional[Path]
    """Prepared directory."""
    out: Path
    """Table to make: .npz or .parquet."""
    encoder: Config
    """Settings of the encoder."""
    profiles: Path | None = None
    """Table of profiles of users, or items, whose whole texts are encoded in the place of item columns."""
    columns: tuple[str, ...] | None = None
    """Item columns that make the text, in order; None: those of title, brand, category, description that are there."""
    labels: Literal["columns", "none"] | None = None
    """Whether the name of its column stands before each text; None: it does."""
    max_characters: int | None = None
    """Characters of a column at most; None: 2,000."""
    precision: Precision = "float32"
    """Number format of the table."""
    chunk_size: int = 512
    """Texts that are encoded and kept together: what a kill can cost."""
    json: bool = False
    """Print the report as JSON."""
    quiet: bool = False
    """No progress line."""


@dataclass(frozen=True)
class ImageCommand(Generic[ImageConfig]):
    """Features of items from a folder of pictures."""

    dataset: tyro.conf.Positional[Path]
    """Prepared directory."""
    pictures: Path
    """Folder of the pictures."""
    out: Path
    """Table to make: .npz or .parquet."""
    encoder: ImageConfig
    """Settings of the encoder."""
    column: str | None = None
    """Item column that names the files; None: they are named after the item ids."""
    precision: Precision = "float32"
    """Number format of the table."""
    chunk_size: int = 128
    """Pictures that are encoded and kept together: what a kill can cost."""
    json: bool = False
    """Print the report as JSON."""
    quiet: bool = False
    """No progress line."""


def run_text(command: TextCommand[Config]) -> JobReport:
    """Makes the table that the command asks for."""
    check_suffix(command.out)
    dataset = read_dataset(command.dataset)
    line = None if command.quiet else ProgressLine(command.out.name)
    if command.profiles is not None:
        for option, value in (
            ("--columns", command.columns),
            ("--labels", command.labels),
            ("--max-characters", command.max_characters),
        ):
            if value is not None:
                raise UsageError(f"found --profiles and {option}; expected one of them. Leave one out.")
        return make_profile_features(
            dataset,
            read_profiles(command.profiles),
            text_encoder(command.encoder),
            out=command.out,
            precision=command.precision,
            chunk_size=command.chunk_size,
            line=line,
        )
    name = f"{dataset.manifest.name}, item table"
    columns = command.columns or usual_columns(dataset.item_table, source=name)
    return make_text_features(
        dataset,
        text_encoder(command.encoder),
        template=ItemTemplate.of_columns(
            columns,
            labelled=command.labels != "none",
            max_characters=2_000 if command.max_characters is None else command.max_characters,
        ),
        out=command.out,
        precision=command.precision,
        chunk_size=command.chunk_size,
        line=line,
    )


def run_image(command: ImageCommand[ImageConfig]) -> JobReport:
    """Makes the table that the command asks for."""
    check_suffix(command.out)
    dataset = read_dataset(command.dataset)
    return make_image_features(
        dataset,
        image_encoder(command.encoder),
        pictures=item_pictures(dataset, command.pictures, column=command.column),
        out=command.out,
        precision=command.precision,
        chunk_size=command.chunk_size,
        line=None if command.quiet else ProgressLine(command.out.name),
    )


def as_text(report: JobReport) -> str:
    """The report for a reader."""
    lines = [f"{report.path}: {report.present:,} of {report.rows:,} {report.kind}s have features"]
    lines += [f"  missing: {count:,} {reason}" for reason, count in report.missing.items()]
    if report.missing:
        lines.append(f"  named in {missing_file(report.path)}")
    done = f"encoded {report.encoded:,}, from before {report.reused:,}"
    if report.damaged:
        done += f"; {report.damaged} damaged chunks were made again"
    lines.append(f"  {done}" if report.encoded else "  made before; nothing to do")
    return "\n".join(lines)


def split_encoder(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of ``--encoder``, None where it is not given, and the other arguments."""
    rest = list(arguments)
    for place, argument in enumerate(rest):
        if argument == "--encoder" and place + 1 < len(rest):
            return rest[place + 1], rest[:place] + rest[place + 2 :]
        if argument.startswith("--encoder="):
            return argument.partition("=")[2], rest[:place] + rest[place + 1 :]
    return None, rest


def usage() -> str:
    """The text of ``recgoat features --help``."""
    return "\n".join(
        [
            f"usage: recgoat features text DATASET --encoder {'|'.join(TEXT_ENCODERS)} --out FILE [OPTIONS]",
            f"       recgoat features image DATASET --encoder {'|'.join(IMAGE_ENCODERS)} --pictures FOLDER --out FILE"
            " [OPTIONS]",
            f"       recgoat features profile DATASET --encoder {'|'.join(feature_profiles.ENCODERS)} --out FILE"
            " [OPTIONS]",
            "",
            "recgoat features text --encoder NAME --help (or image, profile) shows every option.",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat features``; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    kind = arguments[0]
    if kind not in ("text", "image", "profile"):
        raise UsageError(f"unknown kind of features '{kind}'; expected text, image or profile.")
    name, rest = split_encoder(arguments[1:])
    if name is None and any(argument in ("-h", "--help") for argument in rest):
        print(usage())
        return 0
    if kind == "profile":
        return feature_profiles.main(name, rest)
    known = TEXT_ENCODERS if kind == "text" else IMAGE_ENCODERS
    if name not in known:
        found = "no --encoder" if name is None else f"the encoder '{name}'"
        raise UsageError(f"found {found}; expected --encoder with one of {', '.join(known)}.")
    kinds = TextCommand[TEXT_ENCODERS[name]] if kind == "text" else ImageCommand[IMAGE_ENCODERS[name]]  # type: ignore[misc]  # the type that the name stands for
    command = tyro.cli(
        kinds,
        args=rest,
        prog=f"recgoat features {kind} --encoder {name}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    report = run_text(command) if isinstance(command, TextCommand) else run_image(command)
    if command.json:
        print(json.dumps(report._asdict() | {"path": str(report.path), "missing": dict(report.missing)}))
    else:
        print(as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["ImageCommand", "TextCommand", "as_text", "main", "run_image", "run_text"]
