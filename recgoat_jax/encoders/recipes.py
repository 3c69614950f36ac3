"""Where an experiment's data comes from: a closed union of recipes, each prepared on first use.

A recipe names a directory. Where the directory is there it is read and verified; where it is not, the recipe makes it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from recgoat_jax.data import Dataset, find_shared_data, read_dataset, write_dataset
from recgoat_jax.encoders.attach import AttachedFeatures, FilesByModality, attach_features
from recgoat_jax.errors import DataError, UsageError


@dataclass(frozen=True)
class PreparedData:
    """A directory that ``recgoat prepare`` made."""

    directory: Path = Path("prepared")
    """The directory."""
    item_features: FilesByModality = ()
    """Features of items from files, such as ``recgoat features`` makes: pairs of a modality and a file."""
    user_features: FilesByModality = ()
    """The same for users."""


@dataclass(frozen=True)
class ExampleData:
    """The example set: MovieLens-100K, 5-core, all ratings positive, ``per_user_811``, text and knowledge."""

    directory: Path = Path("prepared/ml-100k")
    """Where the prepared data lies, or will."""
    split_seed: int = 0
    """Seed of the split."""


@dataclass(frozen=True)
class AmazonBaby:
    """The published Baby split with real neighbour lists and spectral stand-in features (shared research data)."""

    directory: Path = Path("prepared/amazon-baby")
    """Where the prepared data lies, or will."""
    root: Path | None = None
    """Root of the shared research data; None: RECGOAT_DATA, else ../shared/data."""


@dataclass(frozen=True)
class MovielensSmall:
    """MovieLens ml-latest-small, 5-core, ``per_user_811``: titles with genres, posters (shared research data)."""

    directory: Path = Path("prepared/movielens-small")
    """Where the prepared data lies, or will."""
    root: Path | None = None
    """Root of the shared research data; None: RECGOAT_DATA, else ../shared/data."""
    split_seed: int = 0
    """Seed of the split."""


@dataclass(frozen=True)
class GeneratedData:
    """A generated data set with planted factors (`recgoat_jax.data.sources.synthetic`), ``per_user_811``."""

    directory: Path = Path("prepared/generated")
    """Where the prepared data lies, or will."""
    num_users: int = 2_000
    """Users."""
    num_items: int = 500
    """Items."""
    interactions_per_user: int = 20
    """Mean number of items of a user, validation and test included."""
    text: int = 24
    """Width of the item modality "text"."""
    image: int = 16
    """Width of the item modality "image"."""
    profile: int = 12
    """Width of the user features."""
    seed: int = 0
    """Seed of the data and of its split."""

    @property
    def name(self) -> str:
        """Name of the data set, with its sizes."""
        return f"generated-{self.num_users}-{self.num_items}-{self.interactions_per_user}"


@dataclass(frozen=True)
class LastFm:
    """HetRec Last.fm: an LLM's paragraphs of artists and listeners, through MiniLM (shared research data)."""

    directory: Path = Path("prepared/lastfm")
    """Where the prepared data lies, or will."""
    root: Path | None = None
    """Root of the shared research data; None: RECGOAT_DATA, else ../shared/data."""
    split_seed: int = 0
    """Seed of the validation part."""


@dataclass(frozen=True)
class Movielens1m:
    """MovieLens-1M: an LLM's paragraphs of films through MiniLM, and posters (shared research data)."""

    directory: Path = Path("prepared/movielens-1m")
    """Where the prepared data lies, or will."""
    root: Path | None = None
    """Root of the shared research data; None: RECGOAT_DATA, else ../shared/data."""
    protocol: Literal["given", "cold_items"] = "given"
    """The published split with a validation part cut from train, or a tenth of the films held out of train."""
    split_seed: int = 0
    """Seed of the split, or of the validation part."""


@dataclass(frozen=True)
class AmazonScientific:
    """Amazon 2018 Industrial & Scientific, 5-core: full texts of products through MiniLM (shared research data)."""

    directory: Path = Path("prepared/amazon-scientific")
    """Where the prepared data lies, or will."""
    root: Path | None = None
    """Root of the shared research data; None: RECGOAT_DATA, else ../shared/data."""
    protocol: Literal["leave_last_out", "cold_items"] = "leave_last_out"
    """The last product of each user tested, or a tenth of the products held out of train."""
    split_seed: int = 0
    """Seed of the split; leaving the last out draws nothing."""


SharedData = AmazonBaby | MovielensSmall | LastFm | Movielens1m | AmazonScientific
"""What is made from the shared research data."""

DataConfig = PreparedData | ExampleData | SharedData | GeneratedData
"""Any recipe; the class says which."""


def is_prepared(config: DataConfig) -> bool:
    """Whether the data lies ready, or is made in a moment; generated data may be large."""
    return config.directory.exists() or not isinstance(config, GeneratedData)


class LoadedData(NamedTuple):
    """A data set and the directory that holds it.

    Attributes:
        directory: the prepared directory.
        dataset: the data set, with features from files where the recipe names any.
        attached: what is to be told of those files.
    """

    directory: Path
    dataset: Dataset
    attached: AttachedFeatures | None = None


def with_root(config: DataConfig, root: Path) -> DataConfig:
    """The recipe with another place for what it reads.

    Args:
        config: the recipe.
        root: root of the shared research data; for `PreparedData` the prepared directory itself.

    Returns:
        The recipe.

    Raises:
        UsageError: the example set has no root: it comes from the package index.
    """
    match config:
        case PreparedData():
            return replace(config, directory=root)
        case AmazonBaby() | MovielensSmall() | LastFm() | Movielens1m() | AmazonScientific():
            return replace(config, root=root)
        case ExampleData():
            raise UsageError(
                "--data was given, but the example set comes from the package index; expected no --data. "
                "Use --data.directory to say where its prepared form lies."
            )
        case GeneratedData():
            raise UsageError(
                "--data was given, but the data is generated; expected no --data. "
                "Use --data.directory to say where its prepared form lies."
            )


def load_data(config: DataConfig) -> LoadedData:
    """Reads a recipe's directory, after making it where it is not there.

    Args:
        config: the recipe.

    Returns:
        The directory and the data set.

    Raises:
        DataError: what the recipe reads is absent, the directory changed or holds another split, or a feature file does
            not belong to it.
    """
    match config:
        case PreparedData(directory, item_features, user_features):
            dataset = read_dataset(directory)
            if not (item_features or user_features):
                return LoadedData(directory, dataset)
            attached = attach_features(dataset, item_features=item_features, user_features=user_features)
            return LoadedData(directory, attached.dataset, attached)
        case ExampleData(directory, seed):
            if not directory.exists():
                from recgoat_jax.encoders.example import prepare_example

                prepare_example(directory, seed=seed)
        case AmazonBaby() | MovielensSmall() | LastFm() | Movielens1m() | AmazonScientific():
            directory, seed = config.directory, 0 if isinstance(config, AmazonBaby) else config.split_seed
            if not directory.exists():
                write_dataset(_from_shared_data(config), directory)
        case GeneratedData(directory, seed=seed):
            if not directory.exists():
                write_dataset(_generated(config), directory)
    dataset = read_dataset(directory)
    if dataset.manifest.seed != seed:
        raise DataError.at(
            directory,
            found=f"a split with seed {dataset.manifest.seed}",
            expected=f"seed {seed}",
            action="Name another directory for this split, or delete this one.",
        )
    if isinstance(config, Movielens1m | AmazonScientific) and dataset.manifest.protocol != config.protocol:
        raise DataError.at(
            directory,
            found=f"the protocol '{dataset.manifest.protocol}'",
            expected=f"'{config.protocol}'",
            action="Name another directory for this split, or delete this one.",
        )
    if isinstance(config, GeneratedData) and dataset.manifest.name != config.name:
        raise DataError.at(
            directory,
            found=f"the data set '{dataset.manifest.name}'",
            expected=f"'{config.name}'",
            action="Name another directory for data of this size, or delete this one.",
        )
    return LoadedData(directory, dataset)


def _from_shared_data(config: SharedData) -> Dataset:
    from recgoat_jax.encoders import shared_sets

    root, encoded = find_shared_data(config.root), config.directory.parent / "encoded"
    match config:
        case AmazonBaby():
            return shared_sets.amazon_baby(root)
        case MovielensSmall(split_seed=seed):
            return shared_sets.movielens_small(root, seed=seed)
        case LastFm(split_seed=seed):
            return shared_sets.lastfm(root, seed=seed, encoded=encoded)
        case Movielens1m(protocol=protocol, split_seed=seed):
            return shared_sets.movielens_1m(root, protocol=protocol, seed=seed, encoded=encoded)
        case AmazonScientific(protocol=protocol, split_seed=seed):
            return shared_sets.amazon_scientific(root, protocol=protocol, seed=seed, encoded=encoded)


def _generated(config: GeneratedData) -> Dataset:
    from recgoat_jax.data.prepare import prepare
    from recgoat_jax.data.sources import synthetic

    made = synthetic.generate(
        config.num_users,
        config.num_items,
        modalities={"text": config.text, "image": config.image},
        user_modality=config.profile,
        interactions_per_user=config.interactions_per_user,
        seed=config.seed,
    )
    return prepare(made.raw, name=config.name, protocol="per_user_811", seed=config.seed)


__all__ = [
    "AmazonBaby",
    "AmazonScientific",
    "DataConfig",
    "ExampleData",
    "GeneratedData",
    "LastFm",
    "LoadedData",
    "Movielens1m",
    "MovielensSmall",
    "PreparedData",
    "is_prepared",
    "load_data",
    "with_root",
]
