"""The catalogue that is made up: the same from the same seed, with the tastes and the gaps that it promises."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.own_catalogue import (
    CUT_PICTURE,
    FEWEST,
    MOST,
    NO_DESCRIPTION,
    NO_PICTURE,
    draw_interactions,
    draw_items,
    write_catalogue,
)
from experiments.own_pictures import COLOURS, KINDS, draw_picture
from recgoat_jax.errors import UsageError


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    contents = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        found = write_catalogue(tmp_path / name, num_items=20, num_users=5, seed=seed)
        files = [found.interactions, found.items, *sorted(found.pictures.iterdir())]
        contents.append({file.name: file.read_bytes() for file in files})
    assert contents[0] == contents[1]
    assert contents[0]["interactions.csv"] != contents[2]["interactions.csv"]
    assert len(contents[0]) == 2 + 19


def test_what_is_drawn_is_not_drawn_again(tmp_path: Path) -> None:
    found = write_catalogue(tmp_path, num_items=20, num_users=2)
    pictures = sorted(found.pictures.iterdir())
    pictures[0].write_bytes(b"touched")
    pictures[1].unlink()
    write_catalogue(tmp_path, num_items=20, num_users=2)
    assert pictures[0].read_bytes() == b"touched"
    with Image.open(pictures[1]) as drawn:
        assert drawn.size == (240, 240)


def test_tables_have_the_columns_and_the_gaps(tmp_path: Path) -> None:
    found = write_catalogue(tmp_path, num_items=32, num_users=9)
    items, pairs = rows_of(found.items), rows_of(found.interactions)
    assert list(items[0]) == ["item", "title", "category", "brand", "description", "image"]
    assert list(pairs[0]) == ["user", "item", "rating", "timestamp"]
    assert [place for place, row in enumerate(items) if not row["description"]] == [NO_DESCRIPTION]
    there = [(found.pictures / row["image"]).exists() for row in items]
    assert [place for place, file in enumerate(there) if not file] == [NO_PICTURE]
    with Image.open(found.pictures / items[CUT_PICTURE]["image"]) as cut, pytest.raises(OSError, match="truncated"):
        cut.load()
    counts = Counter(row["user"] for row in pairs)
    assert list(found.users) == list(counts)
    assert all(FEWEST <= count <= MOST for count in counts.values())
    assert len({(row["user"], row["item"]) for row in pairs}) == len(pairs)
    assert {row["item"] for row in pairs} <= {row["item"] for row in items}
    assert {row["rating"] for row in pairs} <= set("12345")


def test_the_colour_is_in_the_picture_alone() -> None:
    items = draw_items(60)
    assert len({(one.kind, one.colour, one.pattern) for one in items}) == 60
    for one in items:
        assert one.colour not in f"{one.title} {one.brand} {one.description}"
        assert one.kind in one.title
    for colour, value in COLOURS.items():
        pixels = np.asarray(draw_picture(kind="bag", colour=colour, pattern="plain")).reshape(-1, 3)
        assert (pixels == value).all(1).mean() > 0.2, colour


def test_every_kind_and_pattern_looks_its_own() -> None:
    plain = {kind: draw_picture(kind=kind, colour="blue", pattern="plain").tobytes() for kind in KINDS}
    assert len(set(plain.values())) == len(KINDS)
    patterns = ("plain", "striped", "dotted", "checked")
    assert len({draw_picture(kind="bag", colour="blue", pattern=one).tobytes() for one in patterns}) == 4


def test_users_buy_what_they_like() -> None:
    """Two of eight colours: by chance a user's two most frequent colours hold about half of what he buys, here more."""
    items = {one.item: one for one in draw_items()}
    rows = draw_interactions(list(items.values()), 60)
    shares = []
    for user in {row[0] for row in rows}:
        colours = Counter(items[row[1]].colour for row in rows if row[0] == user)
        shares.append(sum(count for _, count in colours.most_common(2)) / sum(colours.values()))
    assert np.mean(shares) > 0.65


def test_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(UsageError, match="257 items; expected 1 to 256"):
        draw_items(257)
