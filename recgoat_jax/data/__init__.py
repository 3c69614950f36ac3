"""Data: raw tables in, a prepared data set out, in vocabulary rows.

A source reads files (`recgoat_jax.data.sources`), `recgoat_jax.data.prepare.prepare` makes the data set, and
`write_dataset` and `read_dataset` keep it on disk. Importing this package loads no data-frame library: what needs
one is imported where it is used, ``from recgoat_jax.data.prepare import prepare``.
"""

from recgoat_jax.data.content import content_hash, with_features
from recgoat_jax.data.dataset import Dataset, Interactions, Manifest, NeighborList, ProtocolName, SplitName
from recgoat_jax.data.describe import describe
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.data.schema import RawFeatures, RawNeighbors, RawTables
from recgoat_jax.data.storage import read_dataset, write_dataset
from recgoat_jax.data.vocabulary import Vocabulary

__all__ = [
    "Dataset",
    "FeatureTable",
    "Interactions",
    "Manifest",
    "NeighborList",
    "ProtocolName",
    "RawFeatures",
    "RawNeighbors",
    "RawTables",
    "SplitName",
    "Vocabulary",
    "content_hash",
    "describe",
    "find_shared_data",
    "read_dataset",
    "with_features",
    "write_dataset",
]
