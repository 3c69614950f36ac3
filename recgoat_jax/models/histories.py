"""Histories as a matrix of users by items, which rankers that remember pairs of items score."""

import numpy as np
import scipy.sparse as sp

from recgoat_jax.data.dataset import Interactions


def history_matrix(pairs: Interactions, *, num_users: int, num_items: int) -> sp.csr_array:
    """1 where a user has an item, float32.

    Args:
        pairs: users and their items.
        num_users: rows.
        num_items: columns.

    Example:
        >>> pairs = Interactions(np.array([0, 1], np.int32), np.array([2, 0], np.int32))
        >>> print(history_matrix(pairs, num_users=2, num_items=3).toarray())
        [[0. 0. 1.]
         [1. 0. 0.]]
    """
    return sp.csr_array((np.ones(len(pairs), np.float32), (pairs.users, pairs.items)), shape=(num_users, num_items))


__all__ = ["history_matrix"]
