"""User features from what a user took: the mean of the features of the items of the TRAINING pairs.

Held-out pairs are never read: a profile that knew them would give the test away.
"""

import numpy as np
import scipy.sparse as sp

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.data.feature_table import FeatureTable


def train_history(train: Interactions, item_features: FeatureTable, num_users: int) -> FeatureTable:
    """Mean feature vector of each user's training items.

    Items without features are left out of the mean.

    Args:
        train: training pairs, and no others.
        item_features: features aligned with the item vocabulary.
        num_users: rows of the user vocabulary.

    Returns:
        ``users x feature``, each row scaled to unit length; a user is missing who has no training item with
        features, or whose mean is zero.
    """
    covered = item_features.present[train.items]
    users, items = train.users[covered], train.items[covered]
    shape = (num_users, item_features.num_rows)
    taken = sp.csr_matrix((np.ones(len(users)), (users, items)), shape=shape)
    # The scale to unit length makes the sum as good as the mean.
    values, present = unit_rows(taken @ item_features.values.astype(np.float64))
    encoder = f"train-history:{item_features.encoder}"
    return FeatureTable(values, present, encoder=encoder, revision=item_features.revision)


def unit_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows scaled to unit Euclidean length in float32, and the mask of the rows that are not zero."""
    lengths = np.linalg.norm(values, axis=1)
    present = lengths > 1e-6
    scaled = np.zeros(values.shape, np.float32)
    scaled[present] = values[present] / lengths[present, None]
    return scaled, present


__all__ = ["train_history", "unit_rows"]
