"""Scores of all items for a block of users, as products of one shape whatever the number of devices.

A matrix product of another shape adds up in another order, so that last bits, and with them ranks, would depend on how
many items a device holds. Items are therefore padded to whole tiles, whose size depends on the catalogue alone, and
every tile is a product of the same shape. Where an item stands in its tile, and what stands beside it, changes nothing.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

_LARGEST_TILE, _TILE_MULTIPLE = 1024, 64
"""Items of a tile, at most: smaller products leave cores idle. And the multiple: full tiles of the kernels."""

_CPU_SCORES, _CPU_USERS, _MOST_CPU_SCORES = 2**20, 128, 2**25
"""Scores held at once on CPU: what fits its cache; more, up to 128 MiB, so that products keep cores busy."""

_ACCELERATOR_SCORES = 2**27
"""Scores held at once elsewhere: half a gibibyte."""


def tile_size(num_items: int) -> int:
    """Items scored by one product, the same on one device and on every mesh.

    Args:
        num_items: rows of the item vocabulary.

    Returns:
        A multiple of 64, at most 1024, that leaves fewer than 64 items of padding in each tile of one device. Measured
        on CPU with 7,050 items: a validation with tiles of 1024 takes 0.8 to 0.95 times as long as with one product of
        all items; of 512 and 256 up to 1.6 and 1.7 times on two free cores, which small products cannot share.
    """
    num_tiles = max(1, _parts(num_items, _LARGEST_TILE))
    return _TILE_MULTIPLE * max(1, _parts(num_items, num_tiles * _TILE_MULTIPLE))


def default_block_size(num_items: int, *, backend: str | None = None) -> int:
    """Users scored at once, so that a block of scores has a bounded size whatever the catalogue.

    Args:
        num_items: rows of the item vocabulary.
        backend: kind of the devices; None: those of this process.

    Returns:
        A multiple of 8. Measured on CPU with 7,050 items: 96 to 256 users are equally fast; smaller blocks lose in
        the product, larger ones leave the cache. With 100,000 items blocks of 8, which the cache would hold, take
        three times as long as blocks of 128.
    """
    tile = tile_size(num_items)
    columns = max(1, _parts(num_items, tile)) * tile
    if (backend or jax.default_backend()) == "cpu":
        size = max(_CPU_SCORES // columns, min(_CPU_USERS, _MOST_CPU_SCORES // columns))
    else:
        size = _ACCELERATOR_SCORES // columns
    return max(8, size // 8 * 8)


def in_tiles(x: Shaped[Array, "slots ..."], tile: int, *, padding: int = 0) -> Shaped[Array, "tiles tile ..."]:
    """Rows of items as whole tiles, the last one filled up with padding."""
    missing = (0, -len(x) % tile)
    filled = jnp.pad(x, (missing, *((0, 0) for _ in x.shape[1:])), constant_values=padding)
    return filled.reshape(-1, tile, *x.shape[1:])


def scores_in_tiles(
    users: Float[Array, "batch dim"], tiles: Float[Array, "tiles tile dim"]
) -> Float[Array, "tiles batch tile"]:
    """Scores of items in tiles, in full float32: what accelerators round by default would reorder items.

    Args:
        users: user vectors.
        tiles: item vectors, by `in_tiles`.

    Returns:
        ``tiles x batch x tile``: equal to the last bit for equal vectors, in whichever tile and place an item is.
    """
    # A GPU may choose its kernel by the number of products in a call, and devices hold different numbers of tiles.
    return jax.lax.platform_dependent(users, tiles, cpu=_in_one_call, default=_one_by_one)


def _in_one_call(users: Float[Array, "batch dim"], tiles: Float[Array, "tiles tile dim"]) -> Array:
    """Nothing is copied: on CPU a third faster. There, the products of a call are the same as one by one."""
    each = jnp.broadcast_to(users, (len(tiles), *users.shape))
    # The last axis of both is contracted: a transpose would be folded into the product of several tiles, but not of
    # one, and another form of the product has other last bits.
    return jax.lax.dot_general(each, tiles, (((2,), (2,)), ((0,), (0,))), precision=jax.lax.Precision.HIGHEST)


def _one_by_one(users: Float[Array, "batch dim"], tiles: Float[Array, "tiles tile dim"]) -> Array:
    return jax.lax.map(lambda items: all_scores(users, items), tiles)


def all_scores(
    user_vectors: Float[Array, "batch dim"], item_vectors: Float[Array, "items dim"]
) -> Float[Array, "batch items"]:
    """Scores ``batch x items`` by one product, for lists: in last bits it may differ from `scores_in_tiles`."""
    return jnp.matmul(user_vectors, item_vectors.T, precision=jax.lax.Precision.HIGHEST)


def _parts(number: int, size: int) -> int:
    """Parts of a size that hold a number."""
    return -(-number // size)


__all__ = ["all_scores", "default_block_size", "in_tiles", "scores_in_tiles", "tile_size"]
