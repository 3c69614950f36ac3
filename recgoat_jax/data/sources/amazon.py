"""Amazon reviews of 2014, 2018 and 2023: one review a line, and metadata, one item a line; plain or ``.gz``.

======  ======================================================  =======================================================
year    review                                                  metadata
======  ======================================================  =======================================================
2014    reviewerID, asin, overall, unixReviewTime (s)           asin, title, brand, categories, description, imUrl
2018    the same, and verified                                  asin, title, brand, category, description, imageURL(...)
2023    user_id, parent_asin, rating, timestamp (ms)            parent_asin, title, store, categories, description,
                                                                images
======  ======================================================  =======================================================

The first review tells the year; a line of another year is an error. Lines may be Python literals instead of JSON, as
the metadata of 2014 are. Items of 2023 are ``parent_asin``, which is what its metadata is keyed by: the variants
(colours, sizes) of a product are one item.

Of several reviews of one user and item the latest counts (`recgoat_jax.data.prepare`). The texts of reviews are not
read: they tell of the very pairs that are held out. An item without metadata stays, its texts missing.

Both files are read line by line. Memory holds the four columns of the reviews, some 60 bytes a review, and the texts
of the items that have one.

Licence: none is stated by those who distribute the data; research use, cite McAuley et al. (2015), Ni et al. (2019) or
Hou et al., "Bridging Language and Items for Retrieval and Recommendation", 2024. A category of files is named by its
owners; the hash of a prepared data set is in its manifest.
"""

import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recgoat_jax.data.records import bad_field, read_records
from recgoat_jax.data.schema import RawTables
from recgoat_jax.data.sources.amazon_metadata import TEXT_COLUMNS, Picture, Year, mixed_years, read_items
from recgoat_jax.data.unicode import valid_unicode
from recgoat_jax.errors import DataError, UsageError

LICENCE = "Amazon review data (McAuley Lab): no licence stated; research use, cite the papers of its year."
"""Terms of use, in the words to print when the data is prepared."""

_EARLIEST, _LATEST = 631_152_000, 4_102_444_800
"""Start of 1990 and of 2100 in seconds: what lies outside is another unit."""

_BATCH = 100_000
"""Reviews that are collected as Python objects before they become columns."""


class _Names(NamedTuple):
    """Fields of a review, and how many units of its time are a second."""

    user: str
    item: str
    rating: str
    time: str
    units: int


_OLDER = _Names("reviewerID", "asin", "overall", "unixReviewTime", 1)
_NAMES: Mapping[Year, _Names] = {
    "2014": _OLDER,
    "2018": _OLDER,
    "2023": _Names("user_id", "parent_asin", "rating", "timestamp", 1000),
}


def read(
    reviews: Path, *, metadata: Path | None = None, picture: Picture = "large", max_characters: int = 10_000
) -> RawTables:
    """Reads the files of one category.

    Args:
        reviews: file of reviews.
        metadata: file of items, of the same year; None: there are no texts.
        picture: which picture addresses are taken.
        max_characters: characters of a text at most; what is longer is cut, and counted.

    Returns:
        The tables: ratings and times (seconds) of every review; items, where there is metadata, with `TEXT_COLUMNS`
        and ``image``, the address of the first picture. Parts of ``category`` are separated by ``|``; entities and
        tags are made plain. ``counts``: ``reviews``, ``metadata_rows``, ``metadata_of_other_items``,
        ``metadata_repeated`` (of several rows of an item the first counts), ``items_without_metadata``, ``texts_cut``,
        ``titles_of_page_code`` (2018: titles that are scripts of the page; missing).

    Raises:
        UsageError: ``max_characters`` below 1.
        DataError: a file that cannot be read, a line of another year, a field that is missing or of another kind;
            file, line and field are named.
    """
    if max_characters < 1:
        raise UsageError(f"max_characters is {max_characters}; expected 1 or more.")
    year, interactions = _read_reviews(reviews)
    counts = {"reviews": interactions.height}
    items = None
    if metadata is not None:
        seen = set(interactions["item"].unique())
        items, found = read_items(metadata, year=year, wanted=seen, picture=picture, max_characters=max_characters)
        counts |= found | {"items_without_metadata": len(seen) - items.height}
    return RawTables(
        source=f"amazon-{year}:" + ",".join(path.name for path in (reviews, metadata) if path is not None),
        interactions=interactions,
        items=items,
        licence=LICENCE,
        counts=counts,
    )


def _read_reviews(path: Path) -> tuple[Year, pl.DataFrame]:
    year: Year | None = None
    frames: list[pl.DataFrame] = []
    users: list[str] = []
    items: list[str] = []
    ratings, times = array("d"), array("q")

    def keep() -> None:
        columns = {"user": users, "item": items, "rating": ratings, "timestamp": times}
        frames.append(
            pl.DataFrame(
                columns, schema={"user": pl.String, "item": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
            )
        )
        for column in columns.values():
            del column[:]

    for line, record in read_records(path):
        found = _year_of_review(record)
        if year is None:
            year = found or _unknown(path, line, record)
        if found is not None and found != year and not (found == "2014" and _may_be_2018(record, year)):
            raise mixed_years(path, line, found, year)
        names = _NAMES[year]
        users.append(_id(path, line, record, names.user))
        items.append(_id(path, line, record, names.item))
        ratings.append(_rating(path, line, record, names.rating))
        times.append(_seconds(path, line, record, names))
        if len(users) == _BATCH:
            keep()
    keep()
    assert year is not None  # a file without a record is an error of `read_records`
    return year, pl.concat(frames)


def _year_of_review(record: Mapping[str, Any]) -> Year | None:
    if "parent_asin" in record or "user_id" in record:
        return "2023"
    if "reviewerID" in record:
        return "2018" if "verified" in record else "2014"
    return None


def _may_be_2018(record: Mapping[str, Any], year: Year) -> bool:
    """Without "verified" a review is of 2014 or of 2018, unless it has what 2014 alone has."""
    return year == "2018" and "helpful" not in record


def _unknown(path: Path, line: int, record: Mapping[str, Any]) -> Year:
    raise DataError.at(
        path,
        row=line,
        found=f"the fields {', '.join(list(record)[:10]) or '(none)'}",
        expected="a review of 2014 or 2018 (reviewerID, asin, overall, unixReviewTime) "
        "or of 2023 (user_id, parent_asin, rating, timestamp)",
        action="Give the file of reviews, not the one of metadata.",
    )


def _id(path: Path, line: int, record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if type(value) is not str or not value or value.isspace() or valid_unicode(value) != value:
        raise bad_field(path, line, record, name, "an id, as text")
    return value


def _rating(path: Path, line: int, record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    if not isinstance(value, float | int) or isinstance(value, bool) or not 0 <= value <= 5:
        raise bad_field(path, line, record, name, "a number from 0 to 5")
    return float(value)


def _seconds(path: Path, line: int, record: Mapping[str, Any], names: _Names) -> int:
    value = record.get(names.time)
    if not isinstance(value, float | int) or isinstance(value, bool):
        value = math.nan
    seconds = value / names.units
    if not _EARLIEST <= seconds < _LATEST:
        unit = "seconds" if names.units == 1 else "milliseconds"
        raise bad_field(path, line, record, names.time, f"{unit} since 1970, between the years 1990 and 2100")
    return math.floor(seconds)


__all__ = ["LICENCE", "TEXT_COLUMNS", "Picture", "read"]
