"""Where an experiment's data comes from: a closed union of recipes, each prepared on first use.

A recipe names a directory. Where the directory is there it is read and verified; where it is not, the recipe makes it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

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


DataConfig = PreparedData | ExampleData | AmazonBaby | MovielensSmall | GeneratedData
"""Any recipe; the class says which."""


@dataclass(frozen=True)
class Facts:
    """What is known of a recipe's data without reading it: enough to plan for it.

    Attributes:
        users: rows of the user vocabulary.
        items: rows of the item vocabulary.
        pairs: training pairs.
        item_features: name and width of each item modality with features.
        user_features: likewise of the users.
        item_neighbors: name and neighbours an item of each ready-made list.
        ratings: whether pairs have ratings.
    """

    users: int
    items: int
    pairs: int
    item_features: tuple[tuple[str, int], ...] = ()
    user_features: tuple[tuple[str, int], ...] = ()
    item_neighbors: tuple[tuple[str, int], ...] = ()
    ratings: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> "Facts":
        """The facts of a data set."""
        return cls(
            dataset.num_users,
            dataset.num_items,
            len(dataset.train),
            tuple((name, table.dim) for name, table in sorted(dataset.item_features.items())),
            tuple((name, table.dim) for name, table in sorted(dataset.user_features.items())),
            tuple(
                (name, round(len(listed.receivers) / listed.num_nodes))
                for name, listed in sorted(dataset.item_neighbors.items())
            ),
            dataset.train.ratings is not None,
        )


EXAMPLE_FACTS = Facts(943, 1349, 79790, (("knowledge", 64), ("text", 64)), (("profile", 50),), ratings=True)
BABY_FACTS = Facts(19445, 7050, 118551, (("image", 256), ("text", 256)), (), (("image", 10), ("text", 10)))
SMALL_FACTS = Facts(610, 3650, 72434, (("image", 1280), ("text", 64)), (("profile", 19),), ratings=True)


def facts_of(config: DataConfig) -> Facts | None:
    """What a recipe states of its data; None where only the data can tell."""
    match config:
        case PreparedData():
            return None
        case ExampleData():
            return EXAMPLE_FACTS
        case AmazonBaby():
            return BABY_FACTS
        case MovielensSmall():
            return SMALL_FACTS
        case GeneratedData():
            return Facts(
                config.num_users,
                config.num_items,
                round(0.8 * config.num_users * config.interactions_per_user),
                (("image", config.image), ("text", config.text)),
                (("profile", config.profile),),
                ratings=True,
            )


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
        case AmazonBaby() | MovielensSmall():
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
        case AmazonBaby(directory, root):
            seed = 0
            if not directory.exists():
                write_dataset(_amazon_baby(find_shared_data(root)), directory)
        case MovielensSmall(directory, root, seed):
            if not directory.exists():
                write_dataset(_movielens_small(find_shared_data(root), seed), directory)
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
    if isinstance(config, GeneratedData) and dataset.manifest.name != config.name:
        raise DataError.at(
            directory,
            found=f"the data set '{dataset.manifest.name}'",
            expected=f"'{config.name}'",
            action="Name another directory for data of this size, or delete this one.",
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
    "DataConfig",
    "ExampleData",
    "Facts",
    "GeneratedData",
    "LoadedData",
    "MovielensSmall",
    "PreparedData",
    "facts_of",
    "is_prepared",
    "load_data",
    "with_root",
]
