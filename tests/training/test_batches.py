import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.training.batches import TrainingPairs, bijective_order, epoch_order, make_batch
from recgoat_jax.training.keys import Tag, tagged_key
from tests.worlds import blocks


def test_an_epoch_holds_every_pair_once_and_pads_the_rest() -> None:
    order = np.asarray(epoch_order(jax.random.key(0), num_pairs=60, batch_size=16))
    assert order.shape == (4, 16)
    assert sorted(order.ravel().tolist()) == [*range(60), 60, 60, 60, 60]
    other = np.asarray(epoch_order(jax.random.key(1), num_pairs=60, batch_size=16))
    assert not np.array_equal(order, other)


def test_padding_is_masked_and_pairs_are_the_training_pairs() -> None:
    world = blocks()
    pairs = TrainingPairs.from_dataset(world, batch_size=16)
    batch = make_batch(pairs, jnp.array([0, 7, 60, 59]), key=jax.random.key(0))
    assert np.asarray(batch.mask).tolist() == [True, True, False, True]
    for row, number in ((0, 0), (1, 7), (3, 59)):
        assert int(batch.users[row]) == world.train.users[number]
        assert int(batch.positives[row]) == world.train.items[number]


def test_tags_and_counters_never_share_a_key() -> None:
    root = jax.random.key(5)
    keys = {
        tuple(np.asarray(jax.random.key_data(tagged_key(root, tag, counter))).tolist())
        for tag in Tag
        for counter in range(20)
    }
    assert len(keys) == 20 * len(Tag)


def test_more_pairs_than_their_numbers_hold_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found 2,147,483,648 pairs; expected fewer"):
        bijective_order(jax.random.key(0), jnp.int32(0), steps=1, num_pairs=2**31, batch_size=4)
