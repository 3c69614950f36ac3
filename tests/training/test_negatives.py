import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.training.negatives import NegativeTable, sample_negatives
from tests.worlds import blocks, interactions


@pytest.fixture(scope="module")
def table() -> NegativeTable:
    return NegativeTable.from_dataset(blocks())


def test_draws_are_uniform_over_the_complement(table: NegativeTable) -> None:
    world = blocks()
    draws = sample_negatives(jax.random.key(0), jnp.full(40_000, 3, jnp.int32), table)
    owned = set(world.train.items[world.train.users == 3].tolist())
    allowed = sorted(set(world.train.items.tolist()) - owned)
    counts = np.bincount(np.asarray(draws.items), minlength=world.num_items)
    assert set(np.flatnonzero(counts)) == set(allowed)
    expected = 40_000 / len(allowed)
    # Five standard deviations of a binomial count.
    assert np.abs(counts[allowed] - expected).max() < 5 * expected**0.5
    assert bool(draws.valid.all())


def test_every_user_is_kept_from_its_own_items(table: NegativeTable) -> None:
    world = blocks()
    users = jnp.repeat(jnp.arange(world.num_users, dtype=jnp.int32), 200)
    draws = np.asarray(sample_negatives(jax.random.key(1), users, table).items)
    owned = set(zip(world.train.users.tolist(), world.train.items.tolist(), strict=True))
    assert not owned & set(zip(np.asarray(users).tolist(), draws.tolist(), strict=True))


def test_items_absent_from_training_are_never_drawn() -> None:
    from dataclasses import replace

    world = replace(blocks(), train=interactions({(0, 2), (0, 9), (1, 4), (2, 15)}))
    draws = sample_negatives(jax.random.key(2), jnp.zeros(500, jnp.int32), NegativeTable.from_dataset(world))
    assert set(np.asarray(draws.items).tolist()) == {4, 15}


def test_a_user_with_every_item_is_marked() -> None:
    from dataclasses import replace

    world = replace(blocks(), train=interactions({(0, 2), (0, 9), (1, 2)}))
    draws = sample_negatives(jax.random.key(2), jnp.array([0, 1, 5], jnp.int32), NegativeTable.from_dataset(world))
    assert np.asarray(draws.valid).tolist() == [False, True, True]
    assert int(draws.items[1]) == 9
