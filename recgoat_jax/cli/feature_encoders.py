"""Which encoders ``recgoat features`` knows: their settings, by name, and what is made of them."""

from recgoat_jax.encoders.protocols import TextEncoder
from recgoat_jax.encoders.tfidf import TfidfSvd

TextEncoderConfig = TfidfSvd
"""Settings of any text encoder; `text_encoder` has a case for each."""

TEXT_ENCODERS: dict[str, type[TextEncoderConfig]] = {
    "tfidf": TfidfSvd,
}


def text_encoder(config: TextEncoderConfig) -> TfidfSvd | TextEncoder:
    """The encoder of some settings."""
    match config:
        case TfidfSvd():
            return config


__all__ = ["TEXT_ENCODERS", "TextEncoderConfig", "text_encoder"]
