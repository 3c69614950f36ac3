"""Which file of a folder is the picture of which item, and the hashes of what is in them."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.encoders.chunks import JobInputs
from recgoat_jax.encoders.image.pictures import ABSENT, CLOSED, SUFFIXES, file_problem
from recgoat_jax.errors import DataError

NO_NAME = "no picture named"
"""Why an item has no picture: its cell is empty."""
NO_PICTURE = "no picture in the folder"
"""Why an item has no picture: no file is called after it."""
SEVERAL = "several pictures of that name"
"""Why an item has no picture; see also `file_problem`."""


class NamedPictures(NamedTuple):
    """Files of items.

    Attributes:
        paths: one an item; None where there is none.
        problems: why there is none; None where there is one.
    """

    paths: tuple[Path | None, ...]
    problems: tuple[str | None, ...]


def find_pictures(folder: Path, ids: Sequence[str]) -> NamedPictures:
    """Matches the files of a folder to ids by their names without the suffix: ``B00ABC.jpg`` is the item ``B00ABC``.

    Args:
        folder: its files are looked at, and not those of folders within it.
        ids: external ids.

    Returns:
        Paths and problems in the order of the ids. An id with two files, ``1.jpg`` and ``1.png``, has none.

    Raises:
        DataError: no such folder, or no file of it is the picture of an id.
    """
    _check_folder(folder)
    named: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            named[path.stem].append(path)
    if named.keys().isdisjoint(ids):
        example = next(iter(named), None)
        raise DataError.at(
            folder,
            found=f"{len(named)} pictures, none named by an item" + (f" ('{example}' is no item)" if example else ""),
            expected=f"files named by item ids, such as '{next(iter(ids), 'ID')}.jpg'",
            action="Rename the files, or give the folder that holds the pictures, or the item column with their names.",
        )
    found = [named.get(one, []) for one in ids]
    return NamedPictures(
        paths=tuple(paths[0] if len(paths) == 1 else None for paths in found),
        problems=tuple({0: NO_PICTURE, 1: None}.get(len(paths), SEVERAL) for paths in found),
    )


def pictures_by_name(folder: Path, names: Sequence[str | None]) -> NamedPictures:
    """The files that an item column names.

    Args:
        folder: the folder.
        names: file of each item, relative to the folder; None where it has none.

    Returns:
        Paths and problems. A name or a symbolic link that leads out of the folder is not followed.

    Raises:
        DataError: no such folder, or not one of the files in it.
    """
    _check_folder(folder)
    problems = tuple(file_problem(folder / name, folder) if name else NO_NAME for name in names)
    if all(problem in (NO_NAME, ABSENT) for problem in problems):
        raise DataError.at(
            folder,
            found="none of the files that the column names",
            expected=f"files such as {next(filter(None, names), '')!r}",
            action="Give the folder that the names are relative to, or another column.",
        )
    paths = (None if problem or not name else folder / name for name, problem in zip(names, problems, strict=True))
    return NamedPictures(tuple(paths), problems)


def picture_inputs(ids: Sequence[str], pictures: NamedPictures) -> JobInputs[Path]:
    """Pictures as the inputs of a feature job.

    Args:
        ids: external ids.
        pictures: one an id.

    Returns:
        The inputs, each with the hash of the bytes of its file; a file that cannot be read is a problem.
    """
    contents, hashes, problems = [], [], []
    for path, problem in zip(pictures.paths, pictures.problems, strict=True):
        digest = ""
        if path is not None:
            problem, digest = _hashed(path)
        contents.append(None if problem else path)
        hashes.append(digest)
        problems.append(problem)
    return JobInputs(tuple(ids), tuple(contents), tuple(hashes), tuple(problems))


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError.at(
            folder, found="no such folder", expected="a folder of pictures", action="Check the path for a mistake."
        )


def _hashed(path: Path) -> tuple[str | None, str]:
    """Problem and hash of a file; what is no plain file (a pipe would keep its reader waiting) is not opened."""
    if not path.is_file():
        return ABSENT, ""
    try:
        with path.open("rb") as file:
            return None, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return CLOSED, ""


__all__ = [
    "NO_NAME",
    "NO_PICTURE",
    "SEVERAL",
    "NamedPictures",
    "find_pictures",
    "picture_inputs",
    "pictures_by_name",
]
