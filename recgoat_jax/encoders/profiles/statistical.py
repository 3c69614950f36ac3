"""Profiles in words without a language model: what a user's training items have in common, counted.

The sentences follow one pattern, so that two users with the same tastes get nearly the same text: a text encoder sees
the difference in tastes and not in style. Nothing is sent anywhere, and equal data gives equal texts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.encoders.as_data import as_data
from recgoat_jax.encoders.item_features import item_column
from recgoat_jax.encoders.profiles.profile_table import ProfileTable, profile_table
from recgoat_jax.encoders.standard import TAG_COLUMNS
from recgoat_jax.encoders.tabular import split_tags
from recgoat_jax.encoders.tfidf import tokenize
from recgoat_jax.errors import UsageError

_WORD_COLUMN = "title"
_TAG_LIMIT = 60
_MARGIN = 0.25
"""Share of a standard deviation of all ratings that a user's mean may be off before it is called higher or lower."""


@dataclass(frozen=True)
class StatisticalConfig:
    """What a profile tells."""

    tag_columns: tuple[str, ...] | None = None
    """Item columns of tags, each told in a sentence; None: those of genres, categories, tags that are there."""
    word_column: str | None = None
    """Item column whose words are counted; None: title, where it is there."""
    most_tags: int = 5
    """Tags of each column."""
    most_words: int = 8
    """Words."""

    def __post_init__(self) -> None:
        if min(self.most_tags, self.most_words) < 0:
            raise UsageError("statistical profiles: found a number below 0; expected 0 or more tags and words.")


def statistical_profiles(dataset: Dataset, config: StatisticalConfig = StatisticalConfig()) -> ProfileTable:
    """Profiles of all users from their training pairs.

    Each tells the number of items, the most frequent tags with their counts, the words that set the user's items apart
    (in two of them or more), and how the user rates. Words are ordered by how many standard deviations their count is
    above n p, the count of n items drawn at random, where a share p of all items has the word; from one on they count.

    Args:
        dataset: the prepared data set; only ``train`` of its pairs is read.
        config: what is told.

    Returns:
        The table; every user with a training pair has a row.

    Raises:
        DataError: no user has a training pair, or a named column is not in the item table.
    """
    columns = _columns(dataset)
    for name in (*(config.tag_columns or ()), *(() if config.word_column is None else (config.word_column,))):
        item_column(dataset, name)
    tag_columns, word_column = _chosen(config)
    tags = {name: _tags(columns[name]) for name in tag_columns if any(columns.get(name, ()))}
    words = [set(tokenize(cell or "")) for cell in columns.get(word_column, ())]
    document_frequency = Counter(word for row in words for word in row)
    share = {word: count / len(words) for word, count in document_frequency.items()}
    train, offsets = dataset.train, dataset.train.offsets(dataset.num_users)
    texts = {}
    for row, user in enumerate(dataset.users.ids):
        part = slice(int(offsets[row]), int(offsets[row + 1]))
        items = train.items[part].tolist()
        if not items:
            continue
        sentences = [f"Chose {len(items)} item{'s' if len(items) > 1 else ''}."]
        for name, tags_of in tags.items():
            most = _most_frequent((tag for item in items for tag in tags_of[item]), config.most_tags)
            sentences += [f"Favourite {name}: {_listed(most)}."] if most else []
        if words:
            counts = Counter(word for item in items for word in words[item])
            telling = _telling(counts, share, drawn=len(items), most=config.most_words)
            sentences += [f"Words of several of these items: {_listed(telling)}."] if telling else []
        if train.ratings is not None:
            sentences.append(_rating_sentence(train.ratings[part], train.ratings))
        texts[user] = " ".join(sentences)
    return profile_table(dataset, texts, kind="user", encoder="statistical", revision=_revision(config))


def _columns(dataset: Dataset) -> dict[str, list[str | None]]:
    table = dataset.item_table
    return {} if table is None else {name: table.column(name).to_pylist() for name in table.column_names}


def _tags(cells: Sequence[str | None]) -> list[list[str]]:
    return [[as_data(tag, limit=_TAG_LIMIT) for tag in dict.fromkeys(row)] for row in split_tags(cells)]


def _most_frequent(tags: Iterable[str], most: int) -> list[tuple[str, int]]:
    """Tags and counts, most frequent first, ties in alphabetical order."""
    return sorted(Counter(tags).items(), key=lambda entry: (-entry[1], entry[0]))[:most]


def _telling(counts: Mapping[str, int], share: Mapping[str, float], *, drawn: int, most: int) -> list[tuple[str, int]]:
    """Words of two items or more that as many items drawn at random would have less often, the rarest case first."""

    def above_chance(word: str) -> float:
        deviation = np.sqrt(drawn * share[word] * (1 - share[word]))
        return float((counts[word] - drawn * share[word]) / deviation) if deviation > 0 else 0.0

    several = [word for word, count in counts.items() if count > 1 and len(word) > 2 and above_chance(word) >= 1]
    return [(word, counts[word]) for word in sorted(several, key=lambda word: (-above_chance(word), word))[:most]]


def _listed(entries: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in entries)


def _rating_sentence(own: np.ndarray, everyones: np.ndarray) -> str:
    mean, usual = float(own.mean(dtype=np.float64)), float(everyones.mean(dtype=np.float64))
    margin = _MARGIN * float(everyones.std(dtype=np.float64))
    tendency = "higher than" if mean > usual + margin else "lower than" if mean < usual - margin else "about as"
    return f"Rates {tendency} most: {mean:.1f} on average, others {usual:.1f}."


def _chosen(config: StatisticalConfig) -> tuple[tuple[str, ...], str]:
    tags, words = config.tag_columns, config.word_column
    return TAG_COLUMNS if tags is None else tags, _WORD_COLUMN if words is None else words


def _revision(config: StatisticalConfig) -> str:
    tag_columns, word_column = _chosen(config)
    return (
        f"tags={','.join(tag_columns)};words={word_column};most_tags={config.most_tags};most_words={config.most_words}"
    )


__all__ = ["StatisticalConfig", "statistical_profiles"]
