import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.evaluation import held_out_ranks, ranks_from_scores
from recgoat_jax.evaluation.ranking import prepare_ranking
from recgoat_jax.evaluation.scores import (
    _in_one_call,
    _one_by_one,
    default_block_size,
    in_tiles,
    scores_in_tiles,
    tile_size,
)
from tests.worlds import interactions


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("num_items", [1, 20, 64, 65, 1024, 1025, 7_050, 100_000])
def test_tiles_are_full_and_waste_little(num_items: int) -> None:
    tile = tile_size(num_items)
    num_tiles = -(-num_items // tile)
    assert tile % 64 == 0
    assert tile <= 1024
    assert num_tiles == -(-num_items // 1024)
    assert num_tiles * tile - num_items < 64 * num_tiles
    assert default_block_size(num_items) * num_tiles * tile <= max(2**20, 128 * num_tiles * tile)


@pytest.mark.parametrize("num_items", [63, 64, 65, 1023, 1024, 1025, 1153])
def test_padding_never_counts_and_ties_cross_tiles(num_items: int) -> None:
    # Scores are negative, so that padding, whose product is 0, would rank first; three values, so that ties are
    # everywhere. The targets stand on both sides of every border between tiles.
    rows = np.arange(num_items)
    values = -1.0 - rows % 3
    tile = tile_size(num_items)
    chosen = sorted({0, num_items - 1} | {i for i in (tile - 1, tile) if i < num_items})
    vectors = (np.ones((1, 1), np.float32), values.astype(np.float32)[:, None])
    found = held_out_ranks(vectors, interactions({(0, item) for item in chosen}))
    expected = [np.sum((values > values[i]) | ((values == values[i]) & (rows < i))) for i in chosen]
    assert found.tolist() == expected
    plan = prepare_ranking(interactions({(0, item) for item in chosen}), num_users=1, num_items=num_items)
    scores = values.astype(np.float32)[None]
    assert ranks_from_scores(plan, lambda rows: scores[rows]).tolist() == expected


# Wide enough that kernels differ from shape to shape: products of one tile and of several, for example.
@pytest.mark.parametrize(("tile", "dim"), [(64, 37), (320, 200)])
@pytest.mark.parametrize("batch", [1, 7, 144])
def test_a_score_does_not_depend_on_where_its_item_stands(tile: int, dim: int, batch: int) -> None:
    users, items = normal(batch, dim), normal(3 * tile, dim)
    order = np.random.default_rng(1).permutation(len(items))

    def scores(items: np.ndarray) -> np.ndarray:
        found = jax.jit(scores_in_tiles)(jnp.asarray(users), in_tiles(jnp.asarray(items), tile))
        return np.asarray(found).swapaxes(0, 1).reshape(batch, -1)[:, : len(items)]

    all_of_them = scores(items)
    np.testing.assert_allclose(all_of_them, users @ items.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scores(items[order]), all_of_them[:, order])
    for fewer in (1, tile - 1, tile, tile + 1, 2 * tile):
        np.testing.assert_array_equal(scores(items[:fewer]), all_of_them[:, :fewer])


@pytest.mark.parametrize("num_tiles", [1, 3])
def test_both_ways_to_multiply_give_the_same_bits(num_tiles: int) -> None:
    users, tiles = jnp.asarray(normal(7, 37)), jnp.asarray(normal(num_tiles, 64, 37))
    one_call, one_by_one = jax.jit(_in_one_call)(users, tiles), jax.jit(_one_by_one)(users, tiles)
    np.testing.assert_array_equal(np.asarray(one_call), np.asarray(one_by_one))
