"""``recgoat recommend``: items for users of a finished run, external ids in and out."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from recgoat_jax.cli.output_file import check_output_file
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.serving.lists import UserRecommendations
from recgoat_jax.serving.run import Run, load_run
from recgoat_jax.serving.scoring import Scoring


@dataclass(frozen=True)
class RecommendCommand:
    """Recommends items to users of a finished run, ranked over the whole catalogue."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    users: tuple[str, ...] = ()
    """External ids of users."""
    users_file: Path | None = None
    """Text file with one external user id a line, added to --users."""
    history: tuple[str, ...] = ()
    """External ids of the items of somebody who is no user of the data: a list for that person, too."""
    k: int = 10
    """Items a user; fewer are listed where exclusion leaves fewer."""
    exclude_seen: bool = True
    """Leave out what the user has in the prepared data: training, validation and test pairs."""
    exclude: tuple[str, ...] = ()
    """External ids of items that nobody is to get."""
    scoring: Scoring = "dot"
    """How items score: as trained, or by direction alone (cosine, centred), which brings new and rare items forward."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    json: bool = False
    """Print JSON instead of text."""
    html: Path | None = None
    """Page to write beside: what each user had and is recommended; one file that loads nothing."""
    pictures: Path | None = None
    """Folder of the pictures of the items, for the page."""
    picture_column: str | None = None
    """Item column that names the files; None: they are named after the item ids."""
    past_items: int = 8
    """Items that a user has, shown on the page at most; the newest where the data has times."""


def users_of(command: RecommendCommand) -> list[str]:
    """The users asked for, in order.

    Raises:
        DataError: a users file that cannot be read.
        UsageError: no user at all, and no history.
    """
    users = list(command.users)
    if command.users_file is not None:
        try:
            # Lines end at \\n alone: an id may hold any other character.
            lines = command.users_file.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError.at(
                command.users_file,
                found=f"an unreadable file ({error})",
                expected="UTF-8 text, one user id a line",
                action="Check the path and the encoding.",
            ) from error
        users += [line for line in lines if line]
    if not users and not command.history:
        raise UsageError("no user given; expected --users ID ..., --users-file FILE or --history ITEM ....")
    return users


def run(command: RecommendCommand) -> list[UserRecommendations]:
    """Recommends what the command asks for; writes the page where one is named."""
    _check_page(command)
    finished = load_run(command.run, data=command.data)
    options = {name: getattr(command, name) for name in ("k", "exclude_seen", "exclude", "scoring")}
    lists = finished.recommend(users_of(command), **options)
    if command.history:
        lists += finished.recommend_histories([command.history], **options)
    if command.html is not None:
        _write_page(command, command.html, finished, lists)
    return lists


def _check_page(command: RecommendCommand) -> None:
    """Says before any work what is wrong with the options of the page."""
    if command.html is not None and command.history:
        raise UsageError("--history was given with --html; expected users of the data alone on the page.")
    if command.html is None and command.pictures is not None:
        raise UsageError("--pictures was given without a page; expected --html FILE with it.")
    check_output_file(command.html)
    if command.picture_column is not None and command.pictures is None:
        raise UsageError("--picture-column was given without pictures; expected --pictures FOLDER with it.")


def _write_page(command: RecommendCommand, out: Path, finished: Run, lists: Sequence[UserRecommendations]) -> None:
    # What draws figures takes a second to import, and lists alone need none of it.
    from recgoat_jax.encoders.item_features import item_pictures
    from recgoat_jax.report.recommendations_page import recommendations_page

    folder = command.pictures
    pictures = None if folder is None else item_pictures(finished.dataset, folder, column=command.picture_column)
    page = recommendations_page(finished, lists, pictures=pictures, folder=folder, past_items=command.past_items)
    write_atomically(out, page.html)
    for reason, count in Counter(page.without_picture.values()).most_common():
        first = next(item for item, one in page.without_picture.items() if one == reason)
        print(f"{out}: {count:,} without a picture: {reason} (such as item '{first}')", file=sys.stderr)


def as_text(lists: Sequence[UserRecommendations]) -> str:
    """Lists for people: a heading a user, then place, score, id and title of each item."""
    lines = []
    for found in lists:
        lines.append(f"user {found.user}")
        for place, entry in enumerate(found.items, start=1):
            title = f"  {' '.join(entry.title.split())}" if entry.title else ""
            lines.append(f"{place:4d}  {entry.score:8.4f}  {entry.item}{title}")
        if not found.items:
            lines.append("      nothing is left after exclusion")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat recommend``; returns the exit code."""
    command = tyro.cli(RecommendCommand, args=list(arguments), prog="recgoat recommend")
    lists = run(command)
    if command.json:
        print(json.dumps([asdict(found) for found in lists], ensure_ascii=False))
        return 0
    print(as_text(lists))
    if command.html is not None:
        print(f"page written to {command.html}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["RecommendCommand", "as_text", "main", "run", "users_of"]
