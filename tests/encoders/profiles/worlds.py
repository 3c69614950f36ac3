"""A small shop whose items have titles, genres and times."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from recgoat_jax.data import Dataset
from recgoat_jax.data.dataset import Interactions
from recgoat_jax.encoders.profiles import PromptSet, user_prompts
from tests import worlds

WORDS = ["amber", "birch", "cedar", "daisy", "elder", "fern", "ginger", "hazel", "iris", "jasmine", "kelp", "laurel"]


def titles(count: int) -> list[str]:
    """Titles of two words, none within another."""
    return [f"{WORDS[i % 12]} {WORDS[(i // 12 + i + 1) % 12]} no{i}" for i in range(count)]


def shop(**options: int) -> Dataset:
    """Users like one of two blocks of items; each pair has a time, later for a smaller item row."""
    plain = worlds.blocks(missing=False, **options)
    table = pa.table(
        {
            "title": titles(plain.num_items),
            "genres": [["drama|war", "comedy"][i % 2] for i in range(plain.num_items)],
        }
    )
    timed = {name: _timed(plain.split(name)) for name in ("train", "valid", "test")}
    return replace(plain, **timed, item_table=table, item_features={})


def _timed(pairs: Interactions) -> Interactions:
    return Interactions(pairs.users, pairs.items, pairs.ratings, 1_000_000 - pairs.items.astype(np.int64))


def texts(dataset: Dataset) -> list[str | None]:
    """The titles, as item texts."""
    assert dataset.item_table is not None
    return dataset.item_table["title"].to_pylist()


def prompts_of(dataset: Dataset, count: int) -> PromptSet:
    """Prompts of the first users."""
    every = user_prompts(dataset, texts(dataset))
    return every.only(list(every.messages)[:count])
