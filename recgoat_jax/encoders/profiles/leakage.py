"""The leak guard: do profiles name items that the split holds out?

For each split the share of its (user, item) pairs whose title stands in the user's profile is set beside the share
among controls: items that the user has in no split. Were the profiles blind to the split, its pairs and the controls
would be alike, so that which is which could be shuffled within each user; the number of named pairs of the split would
then be hypergeometric, given how many of the user's pairs and controls are named at all. Draws of the sum of these over
users give the p value of a permutation test (one-sided: named more often than by chance).

A model that knows the world names, now and then, an item that suits a taste and happens to be held out; over many users
that is significant and no leak. So there is a second number: what share of the held-out pairs the profiles must have
been told of to name this many, where pairs that they were told of are named as often as training pairs are:
``(rate - control rate) / (training rate - control rate)``.

A title that stands in the title of one of the user's training items ("Toy Story" where "Toy Story 2" was trained) tells
nothing and is left out, of pairs and controls. Titles and profiles are compared as lower-cased words without accents
and punctuation; of titles, a closing bracket such as ``(1995)`` is left out and ``Saint, The`` becomes ``The Saint``. A
work told in other words is not found, so a clean report is no proof.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from recgoat_jax.data.dataset import Dataset, SplitName
from recgoat_jax.encoders.profiles.profile_table import ProfileTable
from recgoat_jax.errors import DataError, UsageError

_WORD = re.compile(r"[^\W_]+")
_CLOSING_BRACKET = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_ARTICLE_LAST = re.compile(r"^(.*), (the|an?|der|die|das|les?|la|el|il)$", re.IGNORECASE)
_SHORTEST = 3
_SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class LeakConfig:
    """How profiles are searched for held-out items."""

    controls_per_pair: int = 10
    """Control items drawn for each pair, without repeats within a user."""
    controls: Literal["popularity", "uniform"] = "popularity"
    """How controls are drawn: by training count plus one, since held-out items are popular ones and a profile may name
    what everyone knows; or each item alike."""
    permutations: int = 9_999
    """Draws of the test."""
    alpha: float = 0.001
    """A split leaks where its p value is at most this, and"""
    tolerated_share: float = 0.02
    """the share of its pairs that profiles seem to have been told of is above this."""
    seed: int = 0
    """Seed of controls and draws."""

    def __post_init__(self) -> None:
        if self.controls_per_pair < 1 or self.permutations < 1 or not 0 < self.alpha < 1:
            raise UsageError(
                f"leak guard: found controls_per_pair={self.controls_per_pair}, permutations={self.permutations}, "
                f"alpha={self.alpha}; expected 1 or more, 1 or more, and a number between 0 and 1."
            )


class SplitLeak(NamedTuple):
    """How often profiles name the items of one split.

    Attributes:
        pairs: pairs whose user has a profile and whose item a title that can be searched for.
        named: of these, pairs whose title stands in the profile.
        rate: named pairs, of all.
        control_rate: the same among items that the user has in no split; None for the training split.
        p: of the permutation test; None for the training split, whose items profiles may name.
        share: of the pairs, that the profiles seem to have been told of; None for the training split.
        examples: up to five named pairs, external user id and title.
    """

    pairs: int
    named: int
    rate: float
    control_rate: float | None = None
    p: float | None = None
    share: float | None = None
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LeakReport:
    """The rates of each split that has pairs, and the limits that say whether a held-out one leaks."""

    splits: Mapping[SplitName, SplitLeak]
    alpha: float
    tolerated_share: float

    @property
    def leaking(self) -> tuple[SplitName, ...]:
        """Held-out splits that profiles know."""
        return tuple(
            name
            for name, leak in self.splits.items()
            if leak.p is not None and leak.share is not None
            if leak.p <= self.alpha and leak.share > self.tolerated_share
        )

    @property
    def text(self) -> str:
        """The report, for people."""
        lines = []
        for name, leak in self.splits.items():
            line = f"{name:<6} {leak.named:>7,} of {leak.pairs:>9,} pairs named: {leak.rate:8.3%}"
            if leak.control_rate is not None:
                line += f", controls {leak.control_rate:.3%}, p {leak.p:.4f}, share told {leak.share:.1%}"
            lines.append(line)
        for name in self.leaking:
            shown = "; ".join(f"user {user!r}: {title!r}" for user, title in self.splits[name].examples)
            lines.append(f"LEAK: profiles name items of '{name}', for example {shown}")
        return "\n".join(lines if self.leaking else [*lines, "no leak found"])


def leak_report(
    dataset: Dataset,
    profiles: ProfileTable,
    *,
    titles: Sequence[str | None] | None = None,
    config: LeakConfig = LeakConfig(),
) -> LeakReport:
    """Searches the profiles of users for the items of each split.

    Args:
        dataset: the data set whose valid and test pairs must not be known to the profiles.
        profiles: profiles of its users; tables of another split are searched too.
        titles: ``items``, what an item is called; None: the column ``title`` of the item table.
        config: the settings.

    Returns:
        The report.

    Raises:
        DataError: profiles of items, no titles, or none of the profiles' users in the data set.
    """
    if profiles.kind != "user":
        raise DataError("leak guard: found profiles of items; expected those of users.")
    searched = _searchable(dataset, titles)
    texts = [f" {_words(text)} " if (text := profiles.texts.get(user)) else "" for user in dataset.users.ids]
    if not any(texts):
        raise DataError("leak guard: found no profile of a user of the data set; expected some. Check the ids.")
    rng = np.random.default_rng(config.seed)
    draw = _Controls(dataset, config, rng)
    splits: dict[SplitName, SplitLeak] = {}
    for name in _SPLITS:
        pairs = dataset.split(name)
        offsets = pairs.offsets(dataset.num_users)
        found = []
        for user, text in enumerate(texts):
            own = pairs.items[offsets[user] : offsets[user + 1]].tolist()
            if not text or not own:
                continue
            trained, controls = "", []
            if name != "train":
                trained = draw.trained_titles(user, searched)
                controls = draw.of(user, config.controls_per_pair * len(own))
            own, controls = (
                [item for item in some if searched[item] and f" {searched[item]} " not in trained]
                for some in (own, controls)
            )
            named, named_controls = (
                [item for item in some if f" {searched[item]} " in text] for some in (own, controls)
            )
            found.append(_Found(user, len(own), len(controls), named, len(named_controls)))
        if any(one.pairs for one in found):
            examples = [(dataset.users.ids[one.user], searched[one.named[0]]) for one in found if one.named]
            train_rate = splits["train"].rate if "train" in splits else 0.0
            summary = _rates(found) if name == "train" else _tested(found, train_rate, config, rng)
            splits[name] = summary._replace(examples=tuple(examples[:5]))
    return LeakReport(splits, config.alpha, config.tolerated_share)


class _Found(NamedTuple):
    """One user: pairs and controls searched for, and those that stand in the profile."""

    user: int
    pairs: int
    controls: int
    named: list[int]
    named_controls: int


class _Controls:
    """Draws items that a user has in no split."""

    def __init__(self, dataset: Dataset, config: LeakConfig, rng: np.random.Generator) -> None:
        self.splits = [(dataset.split(name), dataset.split(name).offsets(dataset.num_users)) for name in _SPLITS]
        popular = config.controls == "popularity"
        self.bounds = np.cumsum(1.0 + dataset.item_counts if popular else np.ones(dataset.num_items))
        self.rng = rng

    def of(self, user: int, size: int) -> list[int]:
        """Up to ``size`` rows without repeats: draws in turn, those left out that came before or are the user's."""
        own = {item for part in range(len(self.splits)) for item in self._items(user, part)}
        # Four draws for one row make a shortage rare; it costs the test a little power and nothing else.
        points = self.rng.random(4 * size + 16) * np.nextafter(self.bounds[-1], 0)
        drawn = dict.fromkeys(np.searchsorted(self.bounds, points, side="right").tolist())
        return [item for item in drawn if item not in own][:size]

    def trained_titles(self, user: int, searched: Sequence[str]) -> str:
        """Words of the titles of the user's training items, titles kept apart."""
        return "|".join(f" {searched[item]} " for item in self._items(user, 0))

    def _items(self, user: int, part: int) -> list[int]:
        pairs, offsets = self.splits[part]
        return pairs.items[offsets[user] : offsets[user + 1]].tolist()


def _rates(found: Sequence[_Found]) -> SplitLeak:
    pairs, named = sum(one.pairs for one in found), sum(len(one.named) for one in found)
    return SplitLeak(pairs, named, named / pairs)


def _tested(found: Sequence[_Found], train_rate: float, config: LeakConfig, rng: np.random.Generator) -> SplitLeak:
    """The rates with those of the controls, the p value and the share."""
    leak = _rates(found)
    control_rate = sum(one.named_controls for one in found) / max(1, sum(one.controls for one in found))
    drawn = np.zeros(config.permutations, np.int64)
    for one in found:
        good = len(one.named) + one.named_controls
        if good and one.pairs:
            drawn += rng.hypergeometric(good, one.pairs + one.controls - good, one.pairs, config.permutations)
    excess = max(0.0, leak.rate - control_rate)
    # Profiles that name held-out items more often than training items can have been told of all of them.
    share = excess / max(train_rate - control_rate, excess) if excess else 0.0
    p = float((1 + np.count_nonzero(drawn >= leak.named)) / (1 + config.permutations))
    return leak._replace(control_rate=control_rate, p=p, share=share)


def _searchable(dataset: Dataset, titles: Sequence[str | None] | None) -> list[str]:
    """Words of each title; empty where they are too few characters to be told from other words."""
    table = dataset.item_table
    if titles is None and table is not None and "title" in table.column_names:
        titles = table.column("title").to_pylist()
    words = [_words(_spoken(title or "")) for title in titles or ()]
    searched = [title if len(title) >= _SHORTEST else "" for title in words]
    if len(searched) != dataset.num_items or not any(searched):
        raise DataError(
            f"leak guard: found {sum(map(bool, searched)):,} titles of {_SHORTEST} letters or more in a list of "
            f"{len(searched):,}; expected titles of the {dataset.num_items:,} items of '{dataset.manifest.name}'. Give "
            "titles, or an item table with the column 'title'."
        )
    return searched


def _spoken(title: str) -> str:
    """A title as a text would name it."""
    shorter = _CLOSING_BRACKET.sub("", title) or title
    return _ARTICLE_LAST.sub(r"\2 \1", shorter)


def _words(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(_WORD.findall(plain.replace("&", " and ").casefold()))


__all__ = ["LeakConfig", "LeakReport", "SplitLeak", "leak_report"]
