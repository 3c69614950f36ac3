"""Recommendations as one HTML page: what each user had and what is recommended, with the pictures of the items.

The page loads nothing: styles and pictures are within it. Ids and titles are data that strangers may have written; they
are escaped, and the page forbids itself scripts and everything from elsewhere.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.encoders.image.folder import NamedPictures
from recgoat_jax.encoders.image.pictures import PictureReader, quiet_decoding
from recgoat_jax.errors import UsageError
from recgoat_jax.report.page_style import html_page
from recgoat_jax.serving.lists import PastItem, Recommendation, UserRecommendations
from recgoat_jax.serving.run import Run

THUMBNAIL = 240
"""Pixels of the longer side of a picture on the page."""

NO_PICTURE = "no picture"
"""What stands in the tile of an item without a picture."""


class Page(NamedTuple):
    """The page and what is not on it.

    Attributes:
        html: the whole page.
        without_picture: id to the reason, for items on the page that have no picture; empty where none was asked for.
    """

    html: str
    without_picture: dict[str, str]


class _Thumbnails(NamedTuple):
    """Pictures of items by id.

    Attributes:
        addresses: id to a data URI.
        problems: id to why there is none.
    """

    addresses: dict[str, str]
    problems: dict[str, str]


def recommendations_page(
    run: Run,
    lists: Sequence[UserRecommendations],
    *,
    pictures: NamedPictures | None = None,
    folder: Path | None = None,
    past_items: int = 8,
) -> Page:
    """Makes the page.

    Args:
        run: the run that recommended.
        lists: its lists, see `Run.recommend`.
        pictures: file of each item in the order of the vocabulary; None: a page without pictures.
        folder: what links of these files may not leave; None: the folder of each file.
        past_items: items that a user has, shown at most; the newest where the data has times.

    Returns:
        The page. An item without a picture that can be read has a neutral tile.

    Raises:
        UsageError: a user that the run does not know, or a negative number of past items.
        DataError: the data of the run is gone or has changed.
        MissingExtraError: pictures are asked for and Pillow is not installed.
    """
    if past_items < 0:
        raise UsageError(f"past_items is {past_items}; expected 0 or more.")
    pasts = {one.user: run.past(one.user) for one in lists}
    shown = dict.fromkeys(item.item for one in lists for item in (*pasts[one.user][:past_items], *one.items))
    found = _Thumbnails({}, {})
    if pictures is not None:
        found = _thumbnails(run, list(shown), pictures, PictureReader(root=folder))
    # One rule an item: a picture that many users are shown is on the page once.
    classes = {item: f"p{number}" for number, item in enumerate(found.addresses)}
    rules = "\n".join(
        f".{classes[item]}{{background-image:url({address})}}" for item, address in found.addresses.items()
    )
    layout = _Layout(classes, pictures is not None, past_items, timed=run.dataset.train.timestamps is not None)
    sections = "\n".join(layout.section(one, pasts[one.user]) for one in lists)
    data = run.result.get("dataset_name", "")
    about = f"{run.name} on {data}: {len(lists):,} {'user' if len(lists) == 1 else 'users'}"
    footer = "Scores of one user compare with each other, not with those of another user."
    html = html_page("Recommendations", about=about, main=sections, footer=footer, rules=rules)
    return Page(html, found.problems)


class _Layout(NamedTuple):
    """How users and items become HTML.

    Attributes:
        classes: id to the class that has its picture.
        with_pictures: whether the page has pictures.
        past_items: items of the past, shown at most.
        timed: whether the first of them are the newest.
    """

    classes: dict[str, str]
    with_pictures: bool
    past_items: int
    timed: bool

    def tile(self, item: PastItem | Recommendation, *, note: str) -> str:
        """One list entry; the title, or the id where there is none, stands below the picture."""
        name = escape(item.title or item.item)
        picture = ""
        if self.with_pictures and item.item in self.classes:
            picture = f'<div class="picture {self.classes[item.item]}" role="img" aria-label="{name}"></div>'
        elif self.with_pictures:
            picture = f'<div class="picture none">{NO_PICTURE}</div>'
        return (
            f'<li>{picture}<p class="title" dir="auto" title="{name}">{name}</p>'
            f'<p class="note"><bdi>{escape(item.item)}</bdi>{note}</p></li>'
        )

    def section(self, found: UserRecommendations, past: Sequence[PastItem]) -> str:
        """Heading, past and recommendations of one user."""
        shown = past[: self.past_items]
        counted = f"{len(past):,}"
        if len(shown) < len(past):
            counted = f"{'the newest ' if self.timed else ''}{len(shown):,} of {counted}"
        had = "".join(self.tile(one, note="" if one.rating is None else f" · rated {one.rating:g}") for one in shown)
        got = "".join(self.tile(one, note=f" · {one.score:.3g}") for one in found.items)
        kind = "pictured" if self.with_pictures else "plain"
        empty = '<p class="empty">nothing is left after exclusion</p>'
        return (
            f"<section><h2>User <bdi>{escape(found.user)}</bdi></h2>"
            + (f"<h3>Had <span>{counted}</span></h3><ul>{had}</ul>" if shown else "")
            + "<h3>Recommended <span>best first, with score</span></h3>"
            + (f'<ol class="{kind}">{got}</ol>' if got else empty)
            + "</section>"
        )


def _thumbnails(run: Run, items: Sequence[str], pictures: NamedPictures, reader: PictureReader) -> _Thumbnails:
    """Small copies of the pictures of some items."""
    found = _Thumbnails({}, {})
    with quiet_decoding():
        for item, row in zip(items, run.dataset.items.rows(items).tolist(), strict=True):
            path = pictures.paths[row]
            picture = pictures.problems[row] or NO_PICTURE if path is None else reader.read(path)
            if isinstance(picture, str):
                found.problems[item] = picture
                continue
            picture.thumbnail((THUMBNAIL, THUMBNAIL))
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=85)
            found.addresses[item] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return found


__all__ = ["NO_PICTURE", "THUMBNAIL", "Page", "recommendations_page"]
