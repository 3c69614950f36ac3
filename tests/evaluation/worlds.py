"""What ranks are compared with."""

import numpy as np

from recgoat_jax.data import Dataset, Interactions


def reference_ranks(scores: np.ndarray, targets: Interactions, excluded: list[Interactions]) -> np.ndarray:
    """The definition, written as loops: sort a user's candidates, find the target."""
    out = []
    for user, item in zip(targets.users, targets.items, strict=True):
        banned = {int(i) for pairs in excluded for u, i in zip(pairs.users, pairs.items, strict=True) if u == user}
        candidates = [i for i in range(scores.shape[1]) if i not in banned]
        out.append(sorted(candidates, key=lambda i: (-scores[user, i], i)).index(item))
    return np.array(out)


def integer_vectors(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Small integers: products are exact and full of ties."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(-2, 3, (dataset.num_users, 2)), rng.integers(-2, 3, (dataset.num_items, 2))
    return users.astype(np.float32), items.astype(np.float32)
