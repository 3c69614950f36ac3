"""Pictures of a folder, some of which are missing, broken or hostile: a picture or a reason, never an exception.

A reason is a few words that many pictures can share, so that a report can count them. Only the formats of `FORMATS` are
decoded: some of the others run a program of their own.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recgoat_jax.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
"""What is decoded."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Files of a folder that are taken for pictures, in any case of letters."""

NO_PICTURE = "no picture in the folder"
SEVERAL = "several pictures of that name"
ABSENT = "no such file"
LINK = "link out of the folder"
EMPTY = "empty file"
FOREIGN = "not a picture"
DAMAGED = "truncated or damaged picture"
CLOSED = "file cannot be read"


@dataclass(frozen=True)
class PictureReader:
    """How files are opened.

    Attributes:
        root: folder that links may not leave; None: the folder of each picture.
        max_side: pixels of a side; a larger picture is not decoded.
        max_pixels: pixels in all; a larger picture is not decoded. A small file can hold a picture that fills the
            memory.
    """

    root: Path | None = None
    max_side: int = 10_000
    max_pixels: int = 50_000_000

    def read(self, path: Path) -> "Image | str":
        """Reads a picture.

        CMYK, greys and palettes are converted, transparent parts are laid on white, and the orientation that a camera
        noted is applied. Of an animation it is the first frame.

        Args:
            path: the file.

        Returns:
            The picture, RGB, or the reason why there is none.

        Raises:
            MissingExtraError: Pillow is not installed.
        """
        try:
            from PIL import Image, ImageOps, UnidentifiedImageError
        except ImportError as error:
            raise MissingExtraError.of("pillow", extra="image") from error
        problem = self._unreadable(path)
        if problem is not None:
            return problem
        try:
            with Image.open(path, formats=FORMATS) as image:
                if max(image.size) > self.max_side or image.width * image.height > self.max_pixels:
                    return self.too_large
                image.load()
                return _rgb(ImageOps.exif_transpose(image))
        except Image.DecompressionBombError:
            return self.too_large
        except UnidentifiedImageError:
            return FOREIGN
        except PermissionError:
            return CLOSED
        # A broken file surfaces as whatever its decoder trips over.
        except Exception:
            return DAMAGED

    @property
    def too_large(self) -> str:
        """The reason of a picture over the caps."""
        return f"too large (over {self.max_side} pixels a side or {self.max_pixels} in all)"

    def _unreadable(self, path: Path) -> str | None:
        """What can be told without decoding."""
        try:
            # The root is resolved as well: it may lie behind a link itself.
            if not path.resolve().is_relative_to((self.root or path.parent).resolve()):
                return LINK
            if not path.is_file():
                return ABSENT
            return EMPTY if path.stat().st_size == 0 else None
        except (OSError, RuntimeError):
            return CLOSED


def _rgb(image: "Image") -> "Image":
    from PIL import Image

    if image.mode.startswith("I"):
        # 16 bits a pixel: the conversion would cut at 255, and all but the darkest parts would be white.
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Within it Pillow does not warn: what it warns of is a reason here, or no matter. Not to be entered by threads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            from PIL.Image import DecompressionBombWarning
        except ImportError as error:
            raise MissingExtraError.of("pillow", extra="image") from error
        warnings.simplefilter("ignore", DecompressionBombWarning)
        yield


class FolderPictures(NamedTuple):
    """The pictures of items.

    Attributes:
        paths: one an id; None where there is none.
        problems: why there is none; None where there is one.
        unused: files whose name is no id.
    """

    paths: tuple[Path | None, ...]
    problems: tuple[str | None, ...]
    unused: tuple[str, ...]


def find_pictures(folder: Path, ids: Sequence[str]) -> FolderPictures:
    """Matches the files of a folder to ids by their names without the suffix: ``B00ABC.jpg`` is the item ``B00ABC``.

    Args:
        folder: its files are looked at, and not those of folders within it.
        ids: external ids.

    Returns:
        Paths and reasons in the order of the ids. An id with two files, ``1.jpg`` and ``1.png``, has none.

    Raises:
        DataError: no such folder, or no file of it is the picture of an id.
    """
    if not folder.is_dir():
        raise DataError.at(
            folder, found="no such folder", expected="a folder of pictures", action="Check the path for a mistake."
        )
    named: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            named[path.stem].append(path)
    known = set(ids)
    if known.isdisjoint(named):
        example = next(iter(named), None)
        raise DataError.at(
            folder,
            found=f"{len(named)} pictures, none named by an item" + (f" ('{example}' is no item)" if example else ""),
            expected=f"files named by item ids, such as '{next(iter(ids), 'ID')}.jpg'",
            action="Rename the files, or give the folder that holds the pictures.",
        )
    found = [named.get(one, []) for one in ids]
    return FolderPictures(
        paths=tuple(paths[0] if len(paths) == 1 else None for paths in found),
        problems=tuple({0: NO_PICTURE, 1: None}.get(len(paths), SEVERAL) for paths in found),
        unused=tuple(path.name for stem, paths in named.items() if stem not in known for path in paths),
    )


def by_problem(names: Sequence[str], problems: Sequence[str | None]) -> Mapping[str, tuple[str, ...]]:
    """What is missing, for a report.

    Args:
        names: one an input.
        problems: one an input, None where there is none.

    Returns:
        Reason to the names that it befell, the most frequent reason first.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name, problem in zip(names, problems, strict=True):
        if problem is not None:
            found[problem].append(name)
    return {problem: tuple(found[problem]) for problem in sorted(found, key=lambda one: (-len(found[one]), one))}


__all__ = [
    "FORMATS",
    "SUFFIXES",
    "FolderPictures",
    "PictureReader",
    "by_problem",
    "find_pictures",
    "quiet_decoding",
]
