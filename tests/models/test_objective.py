"""The ranking losses that models share, against sums over examples written out."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.models import Batch, BprMfConfig, LightGcnConfig, RecGoatConfig, build_model
from recgoat_jax.models.objective import popularity_of, ranking_terms
from tests.worlds import blocks

WORLD = blocks(cold=(3,))
ITEMS = [0, 1, 1, 9, 5]


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Item 1 comes twice; the last example is padding."""
    return Batch(*map(jnp.array, ([0, 1, 2, 7, 0], ITEMS, [9, 10, 11, 2, 4], [True, True, True, True, False])))


def terms_of(batch: Batch, ranking: Literal["bpr", "softmax"]) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(WORLD.num_users, 4)), rng.normal(size=(WORLD.num_items, 4))
    popularity = popularity_of(WORLD, ranking)
    terms = ranking_terms(
        batch,
        user_vectors=jnp.asarray(users, jnp.float32),
        item_vectors=jnp.asarray(items, jnp.float32),
        user_table=jnp.zeros((WORLD.num_users, 4)),
        item_table=jnp.zeros((WORLD.num_items, 4)),
        regularization="l2",
        weight=1.0,
        shard=None,
        log_popularity=None if popularity is None else popularity[...],
    )
    return {name: float(value) for name, value in terms.items()}, users, items


def test_softmax_weighs_the_items_of_the_batch_by_their_rarity(batch: Batch) -> None:
    terms, users, items = terms_of(batch, "softmax")
    share = np.bincount(WORLD.train.items, minlength=WORLD.num_items) / len(WORLD.train.items)
    losses = []
    for row in range(4):
        user, positive = users[int(batch.users[row])], ITEMS[row]
        chosen = np.exp(user @ items[positive]) / share[positive]
        others = sum(np.exp(user @ items[item]) / share[item] for item in ITEMS[:4] if item != positive)
        losses.append(np.log((chosen + others) / chosen))
    assert set(terms) == {"softmax", "regularization"}
    np.testing.assert_allclose(terms["softmax"], np.mean(losses), rtol=1e-5)


def test_bpr_compares_with_the_drawn_negative(batch: Batch) -> None:
    terms, users, items = terms_of(batch, "bpr")
    rows = [(int(batch.users[row]), ITEMS[row], int(batch.negatives[row])) for row in range(4)]
    margins = np.array([users[user] @ (items[positive] - items[negative]) for user, positive, negative in rows])
    assert set(terms) == {"bpr", "regularization"}
    np.testing.assert_allclose(terms["bpr"], np.mean(np.log1p(np.exp(-margins))), rtol=1e-5)


def test_items_without_pairs_have_the_popularity_of_one() -> None:
    popularity = popularity_of(WORLD, "softmax")
    assert popularity is not None
    np.testing.assert_allclose(popularity[3], -np.log(len(WORLD.train.items)), rtol=1e-6)
    assert popularity_of(WORLD, "bpr") is None
    assert build_model(LightGcnConfig(dim=4), WORLD, rngs=nnx.Rngs(0)).log_popularity is None


@pytest.mark.parametrize("config", [BprMfConfig, LightGcnConfig, RecGoatConfig])
def test_vectors_without_a_number_are_refused(config: type) -> None:
    with pytest.raises(ValueError, match=r"dim is 0; expected a width of one or more"):
        config(dim=0)
