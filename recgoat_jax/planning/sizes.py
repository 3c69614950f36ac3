"""How large the data of a plan is, and a small data set of the same structure."""

from dataclasses import dataclass
from typing import NamedTuple

from recgoat_jax.data import Dataset
from recgoat_jax.encoders.facts import Facts, facts_of
from recgoat_jax.encoders.recipes import DataConfig, is_prepared, load_data
from recgoat_jax.encoders.stand_in import small_data
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


__all__ = ["Planned", "Sizes", "planned_data"]
