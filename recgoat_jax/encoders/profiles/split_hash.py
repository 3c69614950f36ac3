"""The identity of a training split, by external ids."""

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_card import train_pairs_hash


def split_hash(dataset: Dataset) -> str:
    """The hash of a data set's training pairs, named by external ids, as cards of feature files have it.

    Two data sets that differ in features, texts, ratings or the order of their vocabularies have the same hash; one
    more or one other training pair gives another.

    Args:
        dataset: any data set.

    Returns:
        64 hexadecimal digits.
    """
    return train_pairs_hash(dataset.users, dataset.items, dataset.train)


__all__ = ["split_hash"]
