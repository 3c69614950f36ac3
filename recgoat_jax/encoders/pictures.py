"""Which file is the picture of which item."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.encoders.feature_job import JobInputs
from recgoat_jax.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of picture files, in any case; of several files of one item the first in this order counts."""

NO_FILE = "no file"
OUTSIDE = "outside the folder"
UNREADABLE = "file cannot be read"
"""Why an item has no picture."""


def find_pictures(folder: Path, items: Vocabulary, *, names: Sequence[str | None] | None = None) -> JobInputs[Path]:
    """The pictures of a folder, by item.

    Args:
        folder: the folder.
        items: item vocabulary.
        names: file of each item, relative to the folder, such as a column of the item table; None: the files are
            named after the ids, with one of `SUFFIXES`.

    Returns:
        A file an item, with the hash of its bytes; or the problem: `NO_FILE`, `UNREADABLE`, or `OUTSIDE` for a name or
        a symbolic link that leads out of the folder, which is not followed.

    Raises:
        DataError: no such folder, or not one picture of an item in it.
    """
    if not folder.is_dir():
        raise DataError.at(
            folder, found="no such folder", expected="a folder of pictures", action="Check the path of the pictures."
        )
    files = _by_id(folder, items) if names is None else [folder / name if name else None for name in names]
    root = folder.resolve()
    contents: list[Path | None] = []
    hashes: list[str] = []
    problems: list[str | None] = []
    for path in files:
        problem, digest = _checked(path, root)
        contents.append(None if problem else path)
        hashes.append(digest)
        problems.append(problem)
    if all(problem == NO_FILE for problem in problems):
        wanted = f"'{items.ids[0]}{SUFFIXES[0]}'" if names is None else repr(next(filter(None, names), ""))
        raise DataError.at(
            folder,
            found="no picture of any item",
            expected=f"files such as {wanted}",
            action="Name the files after the item ids, or name the item column that holds the names of the files.",
        )
    return JobInputs(items.ids, tuple(contents), tuple(hashes), tuple(problems))


def _by_id(folder: Path, items: Vocabulary) -> list[Path | None]:
    """The file named after each id. Only names that lie in the folder itself are looked at."""
    found: dict[str, Path] = {}
    with os.scandir(folder) as entries:
        names = [Path(entry.name) for entry in entries]
    ranked = [name for name in names if name.suffix.lower() in SUFFIXES]
    for name in sorted(ranked, key=lambda name: (SUFFIXES.index(name.suffix.lower()), name.name)):
        found.setdefault(name.stem, folder / name)
    return [found.get(external) for external in items.ids]


def _checked(path: Path | None, root: Path) -> tuple[str | None, str]:
    """The problem of a file, and its hash."""
    if path is None:
        return NO_FILE, ""
    try:
        real = path.resolve()
        if not real.is_relative_to(root):
            return OUTSIDE, ""
        if not real.is_file():
            return NO_FILE, ""
        with real.open("rb") as file:
            return None, hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, RuntimeError):  # no permission; a zero byte in the name; links in a circle
        return UNREADABLE, ""


__all__ = ["NO_FILE", "OUTSIDE", "SUFFIXES", "UNREADABLE", "find_pictures"]
