"""Where an experiment's data comes from: a closed union of recipes, each prepared on first use.

A recipe names a directory. Where the directory is there it is read and verified; where it is not, the recipe makes it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.data import Dataset, find_shared_data, read_dataset, write_dataset
from recgoat_jax.errors import DataError, UsageError


@dataclass(frozen=True)
class PreparedData:
    """A directory that ``recgoat prepare`` made."""

    directory: Path = Path("prepared")
    """The directory."""


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


DataConfig = PreparedData | ExampleData | AmazonBaby | MovielensSmall
"""Any recipe; the class says which."""


class LoadedData(NamedTuple):
    """A data set and the directory that holds it."""

    directory: Path
    dataset: Dataset


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
            return PreparedData(root)
        case AmazonBaby() | MovielensSmall():
            return replace(config, root=root)
        case ExampleData():
            raise UsageError(
                "--data was given, but the example set comes from the package index; expected no --data. "
                "Use --data.directory to say where its prepared form lies."
            )


def load_data(config: DataConfig) -> LoadedData:
    """Reads a recipe's directory, after making it where it is not there.

    Args:
        config: the recipe.

    Returns:
        The directory and the data set.

    Raises:
        DataError: what the recipe reads is absent, or the directory changed or holds another split.
    """
    match config:
        case PreparedData(directory):
            return LoadedData(directory, read_dataset(directory))
        case ExampleData(directory, seed):
            if not directory.exists():
                from recgoat_jax.encoders.example import prepare_example

                prepare_example(directory, seed=seed)
        case AmazonBaby(directory, root):
            seed = 0
            if not directory.exists():
                write_dataset(_amazon_baby(find_shared_data(root)), directory)
        case MovielensSmall(directory, root, seed):
            if not directory.exists():
                write_dataset(_movielens_small(find_shared_data(root), seed), directory)
    dataset = read_dataset(directory)
    if dataset.manifest.seed != seed:
        raise DataError.at(
            directory,
            found=f"a split with seed {dataset.manifest.seed}",
            expected=f"seed {seed}",
            action="Name another directory for this split, or delete this one.",
        )
    return LoadedData(directory, dataset)


def _amazon_baby(root: Path) -> Dataset:
    from recgoat_jax.data.prepare import prepare
    from recgoat_jax.data.sources import userlist

    raw = userlist.read(
        root / "amazon-baby",
        item_features={"text": "text_feat_spectral256.npy", "image": "image_feat_spectral256.npy"},
        item_neighbors={"text": "text_adj_10.npz", "image": "image_adj_10.npz"},
        licence="Amazon product data 2014, category Baby: research use; not redistributed here.",
    )
    return prepare(raw, name="amazon-baby", protocol="given")


def _movielens_small(root: Path, seed: int) -> Dataset:
    from recgoat_jax.data.prepare import prepare
    from recgoat_jax.data.sources import movielens
    from recgoat_jax.encoders.standard import add_standard_features

    # The split needs no times, and one cell of the shared copy (ratings.csv, line 4) is not a time.
    raw = movielens.read(root / "movielens-small", image_features="poster_effnetlite0.npz", timestamps="leave_out")
    dataset = prepare(raw, name="movielens-small", protocol="per_user_811", seed=seed, k_core=5)
    return add_standard_features(dataset, raw)


__all__ = [
    "AmazonBaby",
    "DataConfig",
    "ExampleData",
    "LoadedData",
    "MovielensSmall",
    "PreparedData",
    "load_data",
    "with_root",
]
