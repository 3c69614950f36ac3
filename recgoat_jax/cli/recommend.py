"""``recgoat recommend``: items for users of a finished run, external ids in and out."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.serving.run import UserRecommendations, load_run


@dataclass(frozen=True)
class RecommendCommand:
    """Recommends items to users of a finished run, ranked over the whole catalogue."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    users: tuple[str, ...] = ()
    """External ids of users."""
    users_file: Path | None = None
    """Text file with one external user id a line, added to --users."""
    k: int = 10
    """Items a user; fewer are listed where exclusion leaves fewer."""
    exclude_seen: bool = True
    """Leave out what the user has in the prepared data: training, validation and test pairs."""
    exclude: tuple[str, ...] = ()
    """External ids of items that nobody is to get."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    json: bool = False
    """Print JSON instead of text."""


def users_of(command: RecommendCommand) -> list[str]:
    """The users asked for, in order.

    Raises:
        DataError: a users file that cannot be read.
        UsageError: no user at all.
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
    if not users:
        raise UsageError("no user given; expected --users ID ... or --users-file FILE.")
    return users


def run(command: RecommendCommand) -> list[UserRecommendations]:
    """Recommends what the command asks for."""
    return load_run(command.run, data=command.data).recommend(
        users_of(command), k=command.k, exclude_seen=command.exclude_seen, exclude=command.exclude
    )


def as_text(lists: Sequence[UserRecommendations]) -> str:
    """Lists for people: a heading a user, then place, score, id and title of each item."""
    lines = []
    for found in lists:
        lines.append(f"user {found.user}")
        for place, entry in enumerate(found.items, start=1):
            title = f"  {entry.title}" if entry.title else ""
            lines.append(f"{place:4d}  {entry.score:8.4f}  {entry.item}{title}")
        if not found.items:
            lines.append("      nothing is left after exclusion")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat recommend``; returns the exit code."""
    command = tyro.cli(RecommendCommand, args=list(arguments), prog="recgoat recommend")
    lists = run(command)
    print(json.dumps([asdict(found) for found in lists], ensure_ascii=False) if command.json else as_text(lists))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["RecommendCommand", "as_text", "main", "run", "users_of"]
