"""``recgoat prepare SOURCE``: raw tables in, a prepared directory out, whole or not at all."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from recgoat_jax.data import Dataset, ProtocolName, describe, write_dataset
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.schema import RawTables
from recgoat_jax.data.sources import amazon, mmrec, movielens, recbole, synthetic, table, userlist
from recgoat_jax.encoders.example import prepare_example
from recgoat_jax.encoders.standard import add_standard_features
from recgoat_jax.errors import UsageError

FilesByModality = tuple[tuple[str, Path], ...]
NamesByModality = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SplitOptions:
    """How interactions become train, validation and test."""

    protocol: ProtocolName = "per_user_811"
    """Split rule; "given" reads the split that the source carries."""
    seed: int = 0
    """Seed of the split."""
    k_core: int = 5
    """Least interactions of every user and item, by repeated removal; 0 keeps all."""
    min_rating: float | None = None
    """Least rating that counts as positive; None: every rating does."""
    valid_fraction: float | None = None
    """Validation part: of all pairs ("global_time"), or of train where the given split has none; None: 0.1."""
    test_fraction: float | None = None
    """Test part of all pairs ("global_time"); None: 0.1."""
    cold_fraction: float | None = None
    """Items held out of train ("cold_items"); None: 0.1."""


@dataclass(frozen=True)
class Target:
    """What is made, and where."""

    out: Path
    """Directory to make."""
    name: str | None = None
    """Name of the data set; None: that of the directory."""
    text_columns: tuple[str, ...] | None = None
    """Item columns that make the text modality; None: every one."""
    json: bool = False
    """Print the manifest as JSON."""


Flat = tyro.conf.arg(name="")


@dataclass(frozen=True)
class TableCommand:
    """Two tables of your own (CSV, TSV, JSON lines, Parquet): interactions, and items with titles."""

    interactions: Path
    """Table with the columns user, item and, where there are, rating, timestamp, split."""
    target: Annotated[Target, Flat]
    items: Path | None = None
    """Table with the columns item, title, ..."""
    users: Path | None = None
    """Table with the columns user, ..."""
    item_features: FilesByModality = ()
    """Features made elsewhere: pairs of a modality and a file (.npz, or .npy with ids beside it)."""
    user_features: FilesByModality = ()
    """The same for users."""
    split: Annotated[SplitOptions, Flat] = SplitOptions(k_core=0)

    def read(self) -> RawTables:
        """Reads the tables."""
        return table.read(
            self.interactions,
            items=self.items,
            users=self.users,
            item_features=dict(self.item_features),
            user_features=dict(self.user_features),
        )


@dataclass(frozen=True)
class MmrecCommand:
    """A data set of the multimodal toolbox: NAME.inter with x_label, .npy features."""

    directory: Path
    """Folder of the files."""
    file: str
    """Name of the .inter file, without the suffix."""
    target: Annotated[Target, Flat]
    split: Annotated[SplitOptions, Flat] = SplitOptions(protocol="given", k_core=0)

    def read(self) -> RawTables:
        """Reads the folder."""
        return mmrec.read(self.directory, name=self.file)


@dataclass(frozen=True)
class UserlistCommand:
    """Lists "user item item ..." with a published split: train.txt, test.txt, valid.txt."""

    directory: Path
    """Folder of the files."""
    target: Annotated[Target, Flat]
    item_features: NamesByModality = ()
    """Pairs of a modality and a .npy file of the folder."""
    item_neighbors: NamesByModality = ()
    """Pairs of a modality and a .npz neighbour list of the folder."""
    split: Annotated[SplitOptions, Flat] = SplitOptions(protocol="given", k_core=0)

    def read(self) -> RawTables:
        """Reads the folder."""
        return userlist.read(
            self.directory, item_features=dict(self.item_features), item_neighbors=dict(self.item_neighbors)
        )


@dataclass(frozen=True)
class RecboleCommand:
    """A data set of RecBole's atomic files: .inter, .item, .user, .kg, .link."""

    directory: Path
    """Folder of the files."""
    target: Annotated[Target, Flat]
    split: Annotated[SplitOptions, Flat] = SplitOptions()

    def read(self) -> RawTables:
        """Reads the folder."""
        return recbole.read(self.directory)


@dataclass(frozen=True)
class MovielensCommand:
    """A MovieLens release: 100K, 1M, latest-small, 25M."""

    directory: Path
    """The unpacked release."""
    target: Annotated[Target, Flat]
    image_features: str | None = None
    """File of the folder with poster features: an .npz with movieId and feat."""
    timestamps: Literal["read", "leave_out"] = "read"
    """Whether times are read; protocols that split by time need them."""
    split: Annotated[SplitOptions, Flat] = SplitOptions()

    def read(self) -> RawTables:
        """Reads the folder."""
        return movielens.read(self.directory, image_features=self.image_features, timestamps=self.timestamps)


@dataclass(frozen=True)
class AmazonCommand:
    """Amazon reviews of 2014, 2018 or 2023: JSON lines of reviews and of metadata, plain or .gz."""

    reviews: Path
    """File of reviews."""
    target: Annotated[Target, Flat]
    metadata: Path | None = None
    """File of metadata, of the same year: titles, brands, categories, descriptions, picture addresses."""
    picture: amazon.Picture = "large"
    """Size of the pictures whose addresses are taken."""
    max_characters: int = 10_000
    """Characters of a text at most."""
    split: Annotated[SplitOptions, Flat] = SplitOptions()

    def read(self) -> RawTables:
        """Reads the files."""
        return amazon.read(
            self.reviews, metadata=self.metadata, picture=self.picture, max_characters=self.max_characters
        )


@dataclass(frozen=True)
class SyntheticCommand:
    """Generated data with planted factors and modalities, of any size."""

    target: Annotated[Target, Flat]
    users: int = 500
    """Users."""
    items: int = 300
    """Items."""
    interactions_per_user: int = 20
    """Mean interactions of a user."""
    noise: float = 0.5
    """Noise of the modalities."""
    missing_rate: float = 0.1
    """Rows without a modality."""
    data_seed: int = 0
    """Seed of the data."""
    split: Annotated[SplitOptions, Flat] = SplitOptions()

    def read(self) -> RawTables:
        """Generates the tables."""
        return synthetic.generate(
            self.users,
            self.items,
            interactions_per_user=self.interactions_per_user,
            noise=self.noise,
            missing_rate=self.missing_rate,
            seed=self.data_seed,
        ).raw


@dataclass(frozen=True)
class ExampleCommand:
    """The example set: MovieLens-100K, from the recbole wheel or GroupLens."""

    out: Path = Path("prepared/ml-100k")
    """Directory to make."""
    seed: int = 0
    """Seed of the split."""
    json: bool = False
    """Print the manifest as JSON."""


SourceCommand = (
    TableCommand | MmrecCommand | UserlistCommand | RecboleCommand | MovielensCommand | AmazonCommand | SyntheticCommand
)
"""Commands that read files and prepare them."""

SOURCES: dict[str, type[SourceCommand] | type[ExampleCommand]] = {
    "table": TableCommand,
    "mmrec": MmrecCommand,
    "userlist": UserlistCommand,
    "recbole": RecboleCommand,
    "movielens": MovielensCommand,
    "amazon": AmazonCommand,
    "synthetic": SyntheticCommand,
    "example": ExampleCommand,
}
"""Subcommands of ``recgoat prepare``."""


def prepare_source(command: SourceCommand) -> tuple[Dataset, bool]:
    """Reads, prepares, adds features, writes.

    Args:
        command: a source with its options.

    Returns:
        The data set, and whether it was written (False: the directory held it already).
    """
    raw, target, split = command.read(), command.target, command.split
    dataset = prepare(
        raw,
        name=target.name or target.out.resolve().name,
        protocol=split.protocol,
        seed=split.seed,
        k_core=split.k_core,
        min_rating=split.min_rating,
        valid_fraction=split.valid_fraction,
        test_fraction=split.test_fraction,
        cold_fraction=split.cold_fraction,
    )
    dataset = add_standard_features(dataset, raw, text_columns=target.text_columns)
    return dataset, write_dataset(dataset, target.out)


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat prepare``; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        lines = [f"  {name:<10} {(kind.__doc__ or '').strip()}" for name, kind in SOURCES.items()]
        print("\n".join(["usage: recgoat prepare SOURCE [OPTIONS]", "", "sources:", *lines]))
        return 0 if arguments else 2
    if arguments[0] not in SOURCES:
        raise UsageError(f"unknown source '{arguments[0]}'; expected one of {', '.join(SOURCES)}.")
    command = tyro.cli(SOURCES[arguments[0]], args=list(arguments[1:]), prog=f"recgoat prepare {arguments[0]}")
    if isinstance(command, ExampleCommand):
        out, as_json = command.out, command.json
        made = not out.exists()
        dataset = prepare_example(out, seed=command.seed)
    else:
        out, as_json = command.target.out, command.target.json
        dataset, made = prepare_source(command)
    if as_json:
        manifest = dataset.manifest
        print(
            json.dumps(
                {
                    "directory": str(out),
                    "name": manifest.name,
                    "protocol": manifest.protocol,
                    "seed": manifest.seed,
                    "hash": manifest.hash,
                    "counts": dict(manifest.counts),
                }
            )
        )
    else:
        print(describe(dataset))
        print(f"{'written to' if made else 'already in'} {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["SOURCES", "SourceCommand", "SplitOptions", "Target", "main", "prepare_source"]
