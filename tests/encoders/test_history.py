import numpy as np

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.encoders.history import train_history


def pairs(users, items):
    return Interactions(np.array(users, np.int32), np.array(items, np.int32))


def test_a_user_is_the_direction_of_the_mean_of_the_items_that_have_features():
    features = FeatureTable(
        np.array([[3, 0], [0, 3], [9, 9], [-3, 0]], np.float32), np.array([True, True, False, True]), encoder="made"
    )
    table = train_history(pairs([0, 0, 0, 1, 3, 3], [0, 1, 2, 2, 0, 3]), features, 4)
    np.testing.assert_allclose(table.values[0], [0.5**0.5, 0.5**0.5], rtol=1e-6)
    # User 1 has only an item without features, user 2 none, and the items of user 3 cancel.
    assert table.present.tolist() == [True, False, False, False]
    assert not table.values[1:].any()
    assert table.encoder == "train-history:made"
