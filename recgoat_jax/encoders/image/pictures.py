"""Picture files, some of which are missing, broken or hostile: a picture or a reason, never an exception.

A reason is a few words that many pictures can share, so that a report can count them. Only the formats of `FORMATS` are
decoded: some of the others run a program of their own.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recgoat_jax.errors import MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
"""What is decoded."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Files of a folder that are taken for pictures, in any case of letters."""

ABSENT = "no such file"
"""Why a picture is missing: there is no file."""
OUTSIDE = "link out of the folder"
"""Why a picture is missing: a link that leaves the folder is not followed."""
EMPTY = "empty file"
FOREIGN = "not a picture"
DAMAGED = "truncated or damaged picture"
CLOSED = "file cannot be read"
"""Why a picture is missing: the system refuses to open the file."""


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
        problem = file_problem(path, self.root or path.parent)
        try:
            return EMPTY if problem is None and path.stat().st_size == 0 else problem
        except OSError:  # gone since
            return CLOSED


def file_problem(path: Path, root: Path) -> str | None:
    """Why a file is not opened.

    Args:
        path: the file.
        root: folder that the path, links followed, may not leave.

    Returns:
        The reason; None for a plain file within the folder, which a pipe or a folder is not.
    """
    try:
        # The root is resolved as well: it may lie behind a link itself.
        if not path.resolve().is_relative_to(root.resolve()):
            return OUTSIDE
        return None if path.is_file() else ABSENT
    except (OSError, ValueError, RuntimeError):  # no permission; a zero byte in the name; links in a circle
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


__all__ = ["ABSENT", "CLOSED", "FORMATS", "OUTSIDE", "SUFFIXES", "PictureReader", "file_problem", "quiet_decoding"]
