"""The identity of a training split, by external ids."""

import hashlib

import numpy as np

from recgoat_jax.data.dataset import Dataset


def split_hash(dataset: Dataset) -> str:
    """SHA-256 over the training pairs of a data set, named by external ids.

    Two data sets that differ in features, texts, ratings or the order of their vocabularies have the same hash; one
    more or one other training pair gives another.

    Args:
        dataset: any data set.

    Returns:
        64 hexadecimal digits.
    """
    users, items = np.array(dataset.users.ids, object), np.array(dataset.items.ids, object)
    train = dataset.train
    digest = hashlib.sha256()
    for user, item in sorted(zip(users[train.users].tolist(), items[train.items].tolist(), strict=True)):
        # Lengths keep "a", "bc" apart from "ab", "c", whatever ids hold.
        for part in (user.encode("utf-8", "surrogatepass"), item.encode("utf-8", "surrogatepass")):
            digest.update(f"{len(part)}:".encode())
            digest.update(part)
    return digest.hexdigest()


__all__ = ["split_hash"]
