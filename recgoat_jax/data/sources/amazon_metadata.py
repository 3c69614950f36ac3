"""The items of Amazon reviews, from their metadata: texts and the address of a picture (see `sources.amazon`)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from recgoat_jax.data.markup import plain_text
from recgoat_jax.data.records import bad_field, read_records
from recgoat_jax.data.unicode import valid_unicode
from recgoat_jax.errors import DataError

Year = Literal["2014", "2018", "2023"]
"""Release of the data, told by its fields."""

Picture = Literal["thumb", "large", "hi_res"]
"""Which size of a product's picture is named."""
"""Size of the pictures whose addresses are taken; where an item has none of this size, another that it has."""

TEXT_COLUMNS = ("title", "brand", "category", "description")
"""Item columns that are text."""

_ONLY_2014 = frozenset({"imUrl", "categories", "salesRank"})
_ONLY_2018 = frozenset({"category", "imageURL", "imageURLHighRes", "main_cat", "also_view", "similar_item", "tech1"})
_SIZES: Mapping[Picture, tuple[Picture, ...]] = {
    "thumb": ("thumb", "large", "hi_res"),
    "large": ("large", "hi_res", "thumb"),
    "hi_res": ("hi_res", "large", "thumb"),
}
_MARKUP_SHARE = 8
"""Characters of markup that are read for one of text, at most."""

_COUNTED: tuple[str, ...] = (
    *("metadata_rows", "metadata_of_other_items", "metadata_repeated"),
    *("texts_cut", "titles_of_page_code"),
)

_PAGE_CODE = "getTime("
"""Some titles of 2018 are a script of the page."""


class _Fields(NamedTuple):
    """Fields of an item; of several names the first that says something counts."""

    item: str
    brand: str
    category: tuple[str, ...]


_FIELDS: Mapping[Year, _Fields] = {
    "2014": _Fields("asin", "brand", ("categories",)),
    "2018": _Fields("asin", "brand", ("category", "main_cat")),
    "2023": _Fields("parent_asin", "store", ("categories", "main_category")),
}


def read_items(
    path: Path, *, year: Year, wanted: set[str], picture: Picture, max_characters: int
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Reads a file of metadata.

    Args:
        path: the file.
        year: of the reviews.
        wanted: items to keep.
        picture: which picture addresses are taken.
        max_characters: characters of a text at most.

    Returns:
        Columns ``item``, those of `TEXT_COLUMNS` and ``image``, one row an item that is wanted and there; and counts.

    Raises:
        DataError: a file that cannot be read, a line of another year, a field of another kind.
    """
    fields = _FIELDS[year]
    counts = dict.fromkeys(_COUNTED, 0)
    rows: dict[str, tuple[str | None, ...]] = {}
    for line, record in read_records(path):
        found = _year_of_item(record)
        if found is not None and found != year:
            raise mixed_years(path, line, found, year)
        item = record.get(fields.item)
        if type(item) is not str or not item or item.isspace():
            raise bad_field(path, line, record, fields.item, "an id, as text")
        counts["metadata_rows"] += 1
        if item not in wanted:
            counts["metadata_of_other_items"] += 1
        elif item in rows:
            counts["metadata_repeated"] += 1
        else:
            cells = _Cells(path, line, record)
            title = cells.text("title")
            if title is not None and _PAGE_CODE in title:
                counts["titles_of_page_code"] += 1
                title = None
            category = next((found for name in fields.category if (found := cells.text(name, between="|"))), None)
            texts = (title, cells.text(fields.brand), category, cells.text("description"))
            plain = [None if text is None else _plain(text, max_characters, counts) for text in texts]
            rows[item] = (*plain, cells.address(year, picture))
    columns = zip(*rows.values(), strict=True) if rows else [()] * (len(TEXT_COLUMNS) + 1)
    named = dict(zip(("item", *TEXT_COLUMNS, "image"), (list(rows), *columns), strict=True))
    return pl.DataFrame({name: pl.Series(cells, dtype=pl.String) for name, cells in named.items()}), counts


def mixed_years(path: Path, line: int, found: Year, year: Year) -> DataError:
    """The error for a record of another year than that of the first review."""
    return DataError.at(
        path,
        row=line,
        found=f"a record of {found}",
        expected=f"records of {year}, as the reviews start",
        action="Give files of one year; they cannot be mixed, since fields and ids differ.",
    )


def _year_of_item(record: Mapping[str, Any]) -> Year | None:
    """The year that a record tells by its fields; None where it has only those that several years have."""
    if "parent_asin" in record:
        return "2023"
    if not _ONLY_2014.isdisjoint(record):
        return "2014"
    return None if _ONLY_2018.isdisjoint(record) else "2018"


def _plain(text: str, limit: int, counts: dict[str, int]) -> str | None:
    """Plain text, cut at the limit; None where there is none."""
    plain = plain_text(valid_unicode(text)[: limit * _MARKUP_SHARE])
    if len(plain) > limit or len(text) > limit * _MARKUP_SHARE:
        counts["texts_cut"] += 1
    return plain[:limit].rstrip() or None


class _Cells(NamedTuple):
    """One record and its place."""

    path: Path
    line: int
    record: Mapping[str, Any]

    def text(self, name: str, *, between: str = " ") -> str | None:
        """Text, or the parts of a list (of lists) of text, each once, in their order."""
        parts = dict.fromkeys(part.strip() for part in self._parts(name, self.record.get(name)))
        plain = (part for part in parts if part and (between == " " or plain_text(part)))
        return between.join(plain) or None

    def _parts(self, name: str, value: Any) -> Iterator[str]:
        match value:
            case None:
                return
            case str():
                yield value
            case list() | tuple():
                for part in value:
                    yield from self._parts(name, part)
            case _:
                raise bad_field(self.path, self.line, self.record, name, "text, or a list of text")

    def address(self, year: Year, picture: Picture) -> str | None:
        """Address of the first picture, in the size asked for or the next that there is."""
        match year:
            case "2014":
                return next(self._parts("imUrl", self.record.get("imUrl")), None) or None
            case "2018":
                names = ("imageURL", "imageURLHighRes") if picture == "thumb" else ("imageURLHighRes", "imageURL")
                found = (next(self._parts(name, self.record.get(name)), None) for name in names)
                return next((address for address in found if address), None)
            case "2023":
                return self._first_image(picture)

    def _first_image(self, picture: Picture) -> str | None:
        """Of a list of pictures with their sizes, or of sizes with their lists."""
        images = self.record.get("images")
        if not images:
            return None
        sizes = images[0] if isinstance(images, list) else images
        if not isinstance(sizes, dict):
            raise bad_field(self.path, self.line, self.record, "images", "pictures, each with thumb, large, hi_res")
        for size in _SIZES[picture]:
            for address in self._parts("images", sizes.get(size)):
                if address:
                    return address
        return None


__all__ = ["TEXT_COLUMNS", "Picture", "Year", "mixed_years", "read_items"]
