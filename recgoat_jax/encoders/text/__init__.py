"""Texts to vectors."""

from recgoat_jax.encoders.text.bert import BertTextConfig, BertTextEncoder

__all__ = ["BertTextConfig", "BertTextEncoder"]
