"""What is known of a data set without reading it: enough to plan for it, and to build a stand-in of its models."""

from dataclasses import dataclass

from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import (
    AmazonBaby,
    AmazonScientific,
    DataConfig,
    ExampleData,
    GeneratedData,
    LastFm,
    Movielens1m,
    MovielensSmall,
    PreparedData,
)


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
        untrained_items: whether some items have no training pair.
    """

    users: int
    items: int
    pairs: int
    item_features: tuple[tuple[str, int], ...] = ()
    user_features: tuple[tuple[str, int], ...] = ()
    item_neighbors: tuple[tuple[str, int], ...] = ()
    ratings: bool = False
    untrained_items: bool = False

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
            bool((dataset.item_counts == 0).any()),
        )


EXAMPLE_FACTS = Facts(943, 1349, 79790, (("knowledge", 64), ("text", 64)), (("profile", 50),), ratings=True)
"""Of `ExampleData`."""
BABY_FACTS = Facts(
    19445, 7050, 118551, (("image", 256), ("text", 256)), (), (("image", 10), ("text", 10)), untrained_items=True
)
"""Of `AmazonBaby`."""
SMALL_FACTS = Facts(610, 3650, 72434, (("image", 1280), ("text", 64)), (("profile", 19),), ratings=True)
"""Of `MovielensSmall`."""


def facts_of(config: DataConfig) -> Facts | None:
    """What a recipe states of its data; None where only the data can tell."""
    match config:
        case PreparedData() | LastFm() | Movielens1m() | AmazonScientific():
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


__all__ = ["BABY_FACTS", "EXAMPLE_FACTS", "SMALL_FACTS", "Facts", "facts_of"]
