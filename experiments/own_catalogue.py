"""A shop that is made up: two tables and a folder of pictures, as someone with data of his own would have them.

Everything is drawn from a seed. A user likes two kinds, two colours and one pattern, and mostly buys what he likes. The
kind is in text and picture, the pattern in the description and in the picture, the colour in the picture alone. As in
real data, something is missing: one picture was never taken, one file was cut short, one item has no description.

Command:  python -m experiments.own_catalogue FOLDER
"""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.own_pictures import COLOURS, KINDS, PATTERNS, draw_picture
from recgoat_jax.errors import UsageError
from recgoat_jax.files import write_atomically

NUM_ITEMS, NUM_USERS = 200, 400
LIKED_KIND, LIKED_COLOUR, LIKED_PATTERN = 2.5, 2.5, 0.8
"""What a liked property adds to a score; the Gumbel noise of a choice has a standard deviation of about 1.28."""
POPULARITY = 0.5
"""Standard deviation of the part of a score that all users share."""
FEWEST, MOST = 8, 20
"""Interactions of a user."""

CATEGORIES = {
    "mug": "kitchen",
    "plate": "kitchen",
    "vase": "living room",
    "lamp": "living room",
    "cushion": "living room",
    "clock": "living room",
    "bag": "on the way",
    "umbrella": "on the way",
}
BRANDS = ("North Quay", "Kiln & Loom", "Old Orchard", "Lantern Lane", "Five Gulls", "Meadow Works")
SERIES = ("Harbour", "Orchard", "Sunday", "Pebble", "Lighthouse", "Meadow", "Winter", "Market", "Terrace", "Drizzle")
MATERIALS = {
    "mug": ("stoneware", "porcelain"),
    "plate": ("stoneware", "porcelain"),
    "vase": ("glass", "stoneware"),
    "lamp": ("linen and oak", "paper and steel"),
    "cushion": ("cotton", "wool"),
    "clock": ("plywood", "aluminium"),
    "bag": ("canvas", "recycled nylon"),
    "umbrella": ("pongee silk", "recycled nylon"),
}
LOOKS = {
    "plain": "One even tone, nothing to distract",
    "striped": 'Broad stripes, what our weavers call "deck chair"',
    "dotted": "Round dots in staggered rows",
    "checked": "A soft check, like a picnic cloth",
}

NO_PICTURE, CUT_PICTURE, NO_DESCRIPTION = 5, 17, 29
"""Items (by number, from 0) whose picture is not there, whose picture is half a file, and that are not described."""


class Item(NamedTuple):
    """A thing for sale.

    Attributes:
        item: id, digits with leading zeros.
        kind: one of `KINDS`.
        colour: one of `COLOURS`; no text says it.
        pattern: one of `PATTERNS`.
        title: what it is called.
        brand: one of `BRANDS`.
        description: a sentence or two, or "".
        image: name of its picture.
    """

    item: str
    kind: str
    colour: str
    pattern: str
    title: str
    brand: str
    description: str
    image: str


class Catalogue(NamedTuple):
    """What is on disk afterwards.

    Attributes:
        interactions: table of purchases.
        items: table of items.
        pictures: folder.
        users: ids of the users.
    """

    interactions: Path
    items: Path
    pictures: Path
    users: tuple[str, ...]


def draw_items(num_items: int = NUM_ITEMS, *, seed: int = 0) -> list[Item]:
    """Chooses the things of the shop: no two of one kind, colour and pattern.

    Args:
        num_items: how many, at most as many as there are combinations.
        seed: of the choice.

    Returns:
        The items, in the order of their ids.

    Raises:
        UsageError: too many.
    """
    combinations = [(kind, colour, pattern) for kind in KINDS for colour in COLOURS for pattern in PATTERNS]
    if not 1 <= num_items <= len(combinations):
        raise UsageError(f"{num_items} items; expected 1 to {len(combinations)}, as many as can be drawn apart.")
    rng = np.random.default_rng([seed, 0])
    items = []
    for number, chosen in enumerate(rng.permutation(len(combinations))[:num_items].tolist()):
        kind, colour, pattern = combinations[chosen]
        series, brand = SERIES[rng.integers(len(SERIES))], BRANDS[rng.integers(len(BRANDS))]
        material = MATERIALS[kind][rng.integers(2)]
        article = "An" if kind == "umbrella" else "A"
        described = f"{LOOKS[pattern]}. {article} {kind} of {material} by {brand}."
        items.append(
            Item(
                item=f"{number + 1:04d}",
                kind=kind,
                colour=colour,
                pattern=pattern,
                title=f"{series} {kind}",
                brand=brand,
                description="" if number == NO_DESCRIPTION else described,
                image=f"{kind}-{colour}-{pattern}.png",
            )
        )
    return items


def draw_interactions(items: Sequence[Item], num_users: int = NUM_USERS, *, seed: int = 0) -> list[tuple[str, ...]]:
    """Lets users with tastes buy.

    Args:
        items: what is for sale, more than `MOST`.
        num_users: how many buy.
        seed: of tastes and choices.

    Returns:
        Rows of user, item, rating (1 to 5) and time (unix seconds), user by user in the order of time.
    """
    rng = np.random.default_rng([seed, 1])
    popularity = rng.normal(scale=POPULARITY, size=len(items))
    rows = []
    for number in range(num_users):
        kinds, colours = rng.choice(list(KINDS), 2, replace=False), rng.choice(list(COLOURS), 2, replace=False)
        pattern = rng.choice(PATTERNS)
        liking = np.array(
            [
                LIKED_KIND * (one.kind in kinds)
                + LIKED_COLOUR * (one.colour in colours)
                + LIKED_PATTERN * (one.pattern == pattern)
                for one in items
            ]
        )
        # The largest scores with Gumbel noise are a draw without replacement from their softmax.
        bought = np.argsort(-(liking + popularity + rng.gumbel(size=len(items))))[: rng.integers(FEWEST, MOST + 1)]
        ratings = np.clip(np.rint(2.5 + 0.4 * liking[bought] + rng.normal(scale=0.7, size=len(bought))), 1, 5)
        times = 1_700_000_000 + np.sort(rng.integers(0, 60_000_000, size=len(bought)))
        order = rng.permutation(len(bought))
        for place, rating, time in zip(bought[order].tolist(), ratings[order].tolist(), times.tolist(), strict=True):
            rows.append((f"u{number + 1:03d}", items[place].item, f"{rating:.0f}", str(time)))
    return rows


def write_catalogue(
    folder: Path, *, num_items: int = NUM_ITEMS, num_users: int = NUM_USERS, seed: int = 0
) -> Catalogue:
    """Writes the tables and draws the pictures; what is there already is not drawn again.

    Args:
        folder: made when missing.
        num_items: items for sale.
        num_users: users.
        seed: of everything.

    Returns:
        Where it all is.

    Raises:
        UsageError: more items than can be drawn apart.
    """
    items = draw_items(num_items, seed=seed)
    rows = draw_interactions(items, num_users, seed=seed)
    found = Catalogue(
        folder / "interactions.csv", folder / "items.csv", folder / "pictures", tuple(dict.fromkeys(r[0] for r in rows))
    )
    found.pictures.mkdir(parents=True, exist_ok=True)
    write_atomically(found.interactions, _csv(["user", "item", "rating", "timestamp"], rows))
    write_atomically(
        found.items,
        _csv(
            ["item", "title", "category", "brand", "description", "image"],
            [(one.item, one.title, CATEGORIES[one.kind], one.brand, one.description, one.image) for one in items],
        ),
    )
    for number, one in enumerate(items):
        path = found.pictures / one.image
        if number != NO_PICTURE and not path.exists():
            content = _png(one)
            write_atomically(path, content[: len(content) // 2] if number == CUT_PICTURE else content)
    return found


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _png(item: Item) -> bytes:
    file = io.BytesIO()
    draw_picture(kind=item.kind, colour=item.colour, pattern=item.pattern).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m experiments.own_catalogue FOLDER")
    for path in write_catalogue(Path(sys.argv[1]))[:3]:
        print(path)

__all__ = ["Catalogue", "Item", "draw_interactions", "draw_items", "write_catalogue"]
