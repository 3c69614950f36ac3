"""Pictures to vectors by torch: CLIP, SigLIP, and the vision tower and projector of LLaVA-1.5.

None of these models is at hand where this library is tested without a network: the code was run on small models with
random weights only, which shows that it runs and which layer it reads, not the vectors of the published ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recgoat_jax.encoders.features_extra import features_package, model_loading, model_name
from recgoat_jax.encoders.image.pictures import PictureReader, quiet_decoding
from recgoat_jax.encoders.protocols import Encoded
from recgoat_jax.nn.transformer import Precision


@dataclass(frozen=True)
class ClipImageConfig:
    """A model with a picture side of its own vectors.

    Attributes:
        model: id of the hub, such as ``"google/siglip-base-patch16-224"``, or a directory.
        hub_revision: branch, tag or commit; None: the main branch.
        precision: number format of weights and products.
        device: such as ``"cuda"``.
        batch_size: pictures that are computed at once.
        reader: how files are opened.
    """

    model: str | Path = "openai/clip-vit-large-patch14"
    hub_revision: str | None = None
    precision: Precision = "float32"
    device: str = "cpu"
    batch_size: int = 16
    reader: PictureReader = field(default_factory=PictureReader)


LlavaPooling = Literal["projector_mean", "tower_mean", "tower_cls"]
"""Mean of the patches after the projector, mean of the patches before it, or the tower's class token."""


@dataclass(frozen=True)
class LlavaImageConfig:
    """The picture side of a LLaVA model (Liu et al., 2024).

    Attributes:
        model: id of the hub, or a directory.
        hub_revision: branch, tag or commit; None: the main branch.
        layer: hidden state of the vision tower that is read; -2, the last but one, is what the model was trained on.
        pooling: how the vectors of patches become one.
        precision: number format of weights and products.
        device: such as ``"cuda"``.
        batch_size: pictures that are computed at once.
        reader: how files are opened.
    """

    model: str | Path = "llava-hf/llava-1.5-7b-hf"
    hub_revision: str | None = None
    layer: int = -2
    pooling: LlavaPooling = "projector_mean"
    precision: Precision = "bfloat16"
    device: str = "cuda"
    batch_size: int = 8
    reader: PictureReader = field(default_factory=PictureReader)


class ClipImageEncoder:
    """A `recgoat_jax.encoders.protocols.ImageEncoder` on CLIP, SigLIP and models built like them.

    Args:
        config: what to load.

    Raises:
        MissingExtraError: the extra ``features`` is not installed.
        DataError: no such model.
    """

    def __init__(self, config: ClipImageConfig) -> None:
        self.config = config
        self._torch = features_package("torch")
        self._model, self._processor = _load(features_package("transformers").AutoModel, config)

    @property
    def name(self) -> str:
        """The id, or the name of the directory."""
        return model_name(self.config.model)

    @property
    def revision(self) -> str:
        """Revision on the hub, and what else changes the values."""
        return f"{self.config.hub_revision or 'main'}; precision={self.config.precision}"

    @property
    def pooling(self) -> str:
        """The model's own."""
        return "model"

    def encode(self, images: Sequence[Path]) -> Encoded:
        """One row a file."""
        return _encode(self.config, self._processor, self._embed, images)

    def _embed(self, pixels: Any) -> np.ndarray:
        with self._torch.inference_mode():
            found = self._model.get_image_features(pixel_values=pixels)
        # From transformers 5 on the vectors come within an output object.
        return getattr(found, "pooler_output", found).float().cpu().numpy()


class LlavaImageEncoder:
    """A `recgoat_jax.encoders.protocols.ImageEncoder` on the vision tower and projector of LLaVA.

    Args:
        config: what to load. The language model is loaded with the rest, and dropped.

    Raises:
        MissingExtraError: the extra ``features`` is not installed.
        DataError: no such model.
    """

    def __init__(self, config: LlavaImageConfig) -> None:
        self.config = config
        self._torch = features_package("torch")
        kind = features_package("transformers").LlavaForConditionalGeneration
        model, self._processor = _load(kind, config)
        self._tower, self._projector = model.model.vision_tower, model.model.multi_modal_projector

    @property
    def name(self) -> str:
        """The id, or the name of the directory."""
        return model_name(self.config.model)

    @property
    def revision(self) -> str:
        """Revision on the hub, and what else changes the values."""
        c = self.config
        return f"{c.hub_revision or 'main'}; layer={c.layer}; precision={c.precision}"

    @property
    def pooling(self) -> str:
        """As chosen."""
        return self.config.pooling

    def encode(self, images: Sequence[Path]) -> Encoded:
        """One row a file."""
        return _encode(self.config, self._processor, self._embed, images)

    def _embed(self, pixels: Any) -> np.ndarray:
        with self._torch.inference_mode():
            state = self._tower(pixels, output_hidden_states=True).hidden_states[self.config.layer]
            match self.config.pooling:
                case "projector_mean":
                    pooled = self._projector(state[:, 1:]).mean(1)
                case "tower_mean":
                    pooled = state[:, 1:].mean(1)
                case "tower_cls":
                    pooled = state[:, 0]
        return pooled.float().cpu().numpy()


def _load(kind: Any, config: ClipImageConfig | LlavaImageConfig) -> tuple[Any, Any]:
    """The model, ready to be called, and what prepares pictures for it."""
    processors = features_package("transformers").AutoImageProcessor
    source, revision = str(config.model), config.hub_revision or "main"
    with model_loading(config.model, kind="image"):
        processor = processors.from_pretrained(source, revision=revision)
        model = kind.from_pretrained(source, revision=revision, torch_dtype=_dtype(config.precision))
    return model.eval().to(config.device), processor


def _encode(config: Any, processor: Any, embed: Any, images: Sequence[Path]) -> Encoded:
    """Reads and computes batch by batch; a row without a picture is zero."""

    def vectors_of(pictures: list[Any]) -> np.ndarray:
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        return embed(pixels.to(device=config.device, dtype=_dtype(config.precision)))

    problems: list[str | None] = []
    parts = []
    with quiet_decoding():
        for start in range(0, len(images), config.batch_size):
            found = [config.reader.read(path) for path in images[start : start + config.batch_size]]
            problems += [one if isinstance(one, str) else None for one in found]
            pictures = [one for one in found if not isinstance(one, str)]
            if pictures:
                parts.append(vectors_of(pictures))
    # Where no file gave a picture, a blank one tells the width.
    blank = features_package("PIL.Image").new("RGB", (8, 8))
    width = (parts[0] if parts else vectors_of([blank])).shape[1]
    values = np.zeros((len(images), width), np.float32)
    values[[problem is None for problem in problems]] = np.concatenate([np.zeros((0, width), np.float32), *parts])
    return Encoded(values, problems)


def _dtype(precision: Precision) -> Any:
    return getattr(features_package("torch"), precision)


__all__ = ["ClipImageConfig", "ClipImageEncoder", "LlavaImageConfig", "LlavaImageEncoder", "LlavaPooling"]
