"""Pictures of items by the names that a table gives them, and the hashes of what is in them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.encoders.chunks import JobInputs
from recgoat_jax.errors import DataError

NO_NAME = "no picture named"
ABSENT = "no such file"
OUTSIDE = "link out of the folder"
CLOSED = "file cannot be read"
"""Why an item has no picture."""


class NamedPictures(NamedTuple):
    """Files of items.

    Attributes:
        paths: one an item; None where there is none.
        problems: why there is none; None where there is one.
    """

    paths: tuple[Path | None, ...]
    problems: tuple[str | None, ...]


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
    if not folder.is_dir():
        raise DataError.at(
            folder, found="no such folder", expected="a folder of pictures", action="Check the path for a mistake."
        )
    root = folder.resolve()
    problems = tuple(_problem(folder / name, root) if name else NO_NAME for name in names)
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


def _problem(path: Path, root: Path) -> str | None:
    try:
        real = path.resolve()
        if not real.is_relative_to(root):
            return OUTSIDE
        return None if real.is_file() else ABSENT
    except (OSError, ValueError, RuntimeError):  # no permission; a zero byte in the name; links in a circle
        return CLOSED


def _hashed(path: Path) -> tuple[str | None, str]:
    """Problem and hash of a file; what is no plain file (a pipe would keep its reader waiting) is not opened."""
    if not path.is_file():
        return ABSENT, ""
    try:
        with path.open("rb") as file:
            return None, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return CLOSED, ""


__all__ = ["ABSENT", "CLOSED", "NO_NAME", "OUTSIDE", "NamedPictures", "picture_inputs", "pictures_by_name"]
