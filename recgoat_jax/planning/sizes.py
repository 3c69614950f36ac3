"""How large the data of a plan is, and a small data set of the same structure."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recgoat_jax.data import Dataset, FeatureTable, Interactions, Manifest, NeighborList, Vocabulary
from recgoat_jax.encoders.recipes import DataConfig, Facts, facts_of, is_prepared, load_data
from recgoat_jax.errors import DataError, UsageError


@dataclass(frozen=True)
class Sizes:
    """What a plan is for.

    Attributes:
        users: rows of the user vocabulary.
        items: rows of the item vocabulary.
        pairs: training pairs.
        batch: examples of one step, over all devices.
        origin: where the numbers come from.
    """

    users: int
    items: int
    pairs: int
    batch: int
    origin: str

    def __post_init__(self) -> None:
        for name in ("users", "items", "pairs", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 1 or more.")


class Planned(NamedTuple):
    """What a plan is made of.

    Attributes:
        sizes: how large it is.
        dataset: data of that size; or, where sizes are given, small data whose structure is scaled up.
        exact: whether the data has those sizes itself.
    """

    sizes: Sizes
    dataset: Dataset
    exact: bool


def planned_data(config: DataConfig, *, users: int | None, items: int | None, pairs: int | None, batch: int) -> Planned:
    """Finds out how large the data is.

    Args:
        config: the recipe of the experiment.
        users: users, or None.
        items: items, or None.
        pairs: training pairs, or None.
        batch: examples of a step.

    Returns:
        Sizes and structure: of the data itself where no size is given and the data is there; else the sizes given, the
        rest as the recipe states it.

    Raises:
        UsageError: nothing says what a size is.
    """
    given = (users, items, pairs)
    facts = facts_of(config)
    dataset = _loaded_or_none(config)
    if dataset is not None and all(size is None for size in given):
        sizes = Sizes(dataset.num_users, dataset.num_items, len(dataset.train), batch, "the data itself")
        return Planned(sizes, dataset, exact=True)
    if facts is None:
        facts = Facts(0, 0, 0) if dataset is None else Facts.of(dataset)
    if dataset is None and facts.users == 0 and any(size is None for size in given):
        raise UsageError("expected --users, --items and --edges: the data is not here, and nothing states its sizes.")
    users, items, pairs = (
        stated if size is None else size
        for size, stated in zip(given, (facts.users, facts.items, facts.pairs), strict=True)
    )
    origin = "flags" if all(size is not None for size in given) else "flags, and what the recipe states"
    if all(size is None for size in given):
        origin = "what the recipe states; the data is not here"
    return Planned(Sizes(users, items, pairs, batch, origin), small_data(facts), exact=False)


def _loaded_or_none(config: DataConfig) -> Dataset | None:
    """The data where it is here; nothing large is made for a plan."""
    if not is_prepared(config):
        return None
    try:
        return load_data(config).dataset
    except DataError:
        return None


def small_data(facts: Facts, *, users: int = 48, items: int = 64, pairs_of_user: int = 6) -> Dataset:
    """Random data with the modalities of a recipe: the model that it makes has the arrays of the real one, but small.

    Args:
        facts: names and widths of the modalities.
        users: users.
        items: items; more than the neighbours of an item.
        pairs_of_user: training pairs of each user.

    Returns:
        The data set.
    """
    rng = np.random.default_rng(0)

    def pairs(first: int, count: int) -> Interactions:
        # Each user has the items from a place of its own on, in three parts that do not meet.
        found = (np.arange(users)[:, None] * 7 + first + np.arange(count)) % items
        rows = np.repeat(np.arange(users), count)
        order = np.lexsort((found.ravel(), rows))
        ratings = np.full(users * count, 3.0, np.float32) if facts.ratings else None
        return Interactions(rows.astype(np.int32), found.ravel()[order].astype(np.int32), ratings)

    def table(rows: int, width: int) -> FeatureTable:
        return FeatureTable(rng.normal(size=(rows, width)).astype(np.float32), np.ones(rows, bool), "random")

    def neighbors(k: int) -> NeighborList:
        receivers = np.repeat(np.arange(items), k)
        senders = (receivers + np.tile(1 + 5 * np.arange(k), items)) % items
        return NeighborList(
            receivers.astype(np.int32), senders.astype(np.int32), np.ones(len(receivers), np.float32), items, "random"
        )

    return Dataset(
        users=Vocabulary(map(str, range(users)), kind="user"),
        items=Vocabulary(map(str, range(items)), kind="item"),
        train=pairs(0, pairs_of_user),
        valid=pairs(pairs_of_user, 1),
        test=pairs(pairs_of_user + 1, 1),
        manifest=Manifest("small", "random", "given", 0, {}, {}, hash="small"),
        item_features={name: table(items, width) for name, width in facts.item_features},
        user_features={name: table(users, width) for name, width in facts.user_features},
        item_neighbors={name: neighbors(k) for name, k in facts.item_neighbors},
    )


__all__ = ["Planned", "Sizes", "planned_data", "small_data"]
