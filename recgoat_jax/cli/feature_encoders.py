"""Which encoders ``recgoat features`` knows: their settings, by name, and what is made of them."""

from recgoat_jax.encoders.image.efficientnet import EfficientNetImageConfig, EfficientNetImageEncoder
from recgoat_jax.encoders.image.torch_image import (
    ClipImageConfig,
    ClipImageEncoder,
    LlavaImageConfig,
    LlavaImageEncoder,
)
from recgoat_jax.encoders.protocols import ImageEncoder, TextEncoder
from recgoat_jax.encoders.text.bert import BertTextConfig, BertTextEncoder
from recgoat_jax.encoders.text.endpoint_text import EndpointTextConfig, EndpointTextEncoder
from recgoat_jax.encoders.text.torch_text import (
    SentenceTransformersConfig,
    SentenceTransformersEncoder,
    TransformersTextConfig,
    TransformersTextEncoder,
)
from recgoat_jax.encoders.tfidf import TfidfSvd

TextEncoderConfig = TfidfSvd | BertTextConfig | EndpointTextConfig | SentenceTransformersConfig | TransformersTextConfig
"""Settings of any text encoder; `text_encoder` has a case for each."""

TEXT_ENCODERS: dict[str, type[TextEncoderConfig]] = {
    "tfidf": TfidfSvd,
    "bert": BertTextConfig,
    "endpoint": EndpointTextConfig,
    "sentence-transformers": SentenceTransformersConfig,
    "transformers": TransformersTextConfig,
}
"""``--encoder`` of ``recgoat features text``."""

ImageEncoderConfig = EfficientNetImageConfig | ClipImageConfig | LlavaImageConfig
"""Settings of any image encoder; `image_encoder` has a case for each."""

IMAGE_ENCODERS: dict[str, type[ImageEncoderConfig]] = {
    "efficientnet": EfficientNetImageConfig,
    "clip": ClipImageConfig,
    "llava": LlavaImageConfig,
}
"""``--encoder`` of ``recgoat features image``."""


def text_encoder(config: TextEncoderConfig) -> TfidfSvd | TextEncoder:
    """The encoder of some settings."""
    match config:
        case TfidfSvd():
            return config
        case BertTextConfig():
            return BertTextEncoder(config)
        case EndpointTextConfig():
            return EndpointTextEncoder(config)
        case SentenceTransformersConfig():
            return SentenceTransformersEncoder(config)
        case TransformersTextConfig():
            return TransformersTextEncoder(config)


def image_encoder(config: ImageEncoderConfig) -> ImageEncoder:
    """The encoder of some settings."""
    match config:
        case EfficientNetImageConfig():
            return EfficientNetImageEncoder(config)
        case ClipImageConfig():
            return ClipImageEncoder(config)
        case LlavaImageConfig():
            return LlavaImageEncoder(config)


__all__ = [
    "IMAGE_ENCODERS",
    "TEXT_ENCODERS",
    "ImageEncoderConfig",
    "TextEncoderConfig",
    "image_encoder",
    "text_encoder",
]
