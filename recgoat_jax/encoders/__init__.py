"""Raw content in, `FeatureTable` out: text, relations, table columns, histories."""

from recgoat_jax.encoders.history import train_history
from recgoat_jax.encoders.relations import encode_relations
from recgoat_jax.encoders.standard import add_standard_features
from recgoat_jax.encoders.tabular import multi_hot, one_hot
from recgoat_jax.encoders.tfidf import TfidfSvd

__all__ = [
    "TfidfSvd",
    "add_standard_features",
    "encode_relations",
    "multi_hot",
    "one_hot",
    "train_history",
]
