"""Costs between the feature axes of two representations of the same rows, in memory of ``source x target``.

Axis j of the source and axis k of the target are two columns with one entry a row. Every cost comes from the
moments of the columns and their centred products, which are summed over blocks of rows: no array of ``rows x dim``
is made beside the input, far less one of ``rows x source x target``.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.collectives import varying_alike
from recgoat_jax.losses.reduction import AxisName, summed_over_devices, valid_count, widened

# Rows that one product takes: large enough for a fast product, small beside the input.
_BLOCK_ROWS = 512

# A column whose variance is below this share of its squared mean is constant as far as float32 can tell.
_CONSTANT = 1e-12

_Carry = TypeVar("_Carry")


class AxisMoments(NamedTuple):
    """Moments of the columns of both sides, over the valid rows of all devices.

    Attributes:
        num_rows: number of valid rows, at least 1.
        source_mean: ``source``.
        target_mean: ``target``.
        source_variance: ``source``, biased.
        target_variance: ``target``, biased.
        covariance: ``source x target``, biased.
    """

    num_rows: Float[Array, ""]
    source_mean: Float[Array, " source"]
    target_mean: Float[Array, " target"]
    source_variance: Float[Array, " source"]
    target_variance: Float[Array, " target"]
    covariance: Float[Array, "source target"]

    def scales(self) -> tuple[Float[Array, " source"], Float[Array, " target"]]:
        """1 / standard deviation of each column of both sides; 0 for a constant one, with a zero gradient."""
        return (
            _inverse_deviation(self.source_mean, self.source_variance),
            _inverse_deviation(self.target_mean, self.target_variance),
        )


def axis_moments(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    *,
    where: Bool[Array, " rows"] | None,
    axis_name: AxisName | None,
) -> AxisMoments:
    """Moments in two passes over the rows; memory beside the input is that of the result.

    The second moments are differentiated with the means held fixed. That is exact: centred columns sum to zero.
    """
    kept = jnp.ones(source.shape[0], bool) if where is None else where
    source, target, kept = varying_alike(source, target, kept)
    num_rows = jnp.maximum(valid_count(source.shape[0], where, axis_name), 1.0)
    sums = _column_sums(source, kept), _column_sums(target, kept)
    means = tuple(summed_over_devices(column, axis_name) / num_rows for column in sums)
    fixed = tuple(jax.lax.stop_gradient(mean) for mean in means)
    products = _centred_products(source, target, *fixed, kept)
    return AxisMoments(num_rows, *means, *(summed_over_devices(product, axis_name) / num_rows for product in products))


def correlation_cost(moments: AxisMoments) -> Float[Array, "source target"]:
    """``C_jk = 1 - corr(x_j, y_k)``, in [0, 2]; 1 where either column is constant."""
    source_scale, target_scale = moments.scales()
    return 1.0 - moments.covariance * source_scale[:, None] * target_scale


def squared_cost(moments: AxisMoments) -> Float[Array, "source target"]:
    """``C_jk = 100 mean_i (x_ij - y_ik)^2``, of the columns as they are: the cost of RecGOAT's published program."""
    spread = moments.source_variance[:, None] + moments.target_variance - 2.0 * moments.covariance
    return 100.0 * (jnp.maximum(spread, 0.0) + jnp.square(moments.source_mean[:, None] - moments.target_mean))


def absolute_cost(
    source: Float[Array, "rows source"],
    target: Float[Array, "rows target"],
    moments: AxisMoments,
    *,
    where: Bool[Array, " rows"] | None,
    axis_name: AxisName | None,
) -> Float[Array, "source target"]:
    """``C_jk = mean_i |x_ij - y_ik|`` of z-scored columns, in [0, 2]; it takes the rows one by one."""
    source_scale, target_scale = moments.scales()

    def distance(x: Float[Array, " source"], y: Float[Array, " target"]) -> Float[Array, "source target"]:
        x = (widened(x) - moments.source_mean) * source_scale
        y = (widened(y) - moments.target_mean) * target_scale
        return jnp.abs(x[:, None] - y)

    return summed_over_devices(sum_over_rows(distance, source, target, where=where), axis_name) / moments.num_rows


def sum_over_rows(
    term: Callable[[Float[Array, " source"], Float[Array, " target"]], Float[Array, "source target"]],
    x: Float[Array, "rows source"],
    y: Float[Array, "rows target"],
    *,
    where: Bool[Array, " rows"] | None,
) -> Float[Array, "source target"]:
    """``sum_i term(x_i, y_i)`` over the valid rows, in the memory of one term, forwards and backwards.

    Args:
        term: from a row of x and a row of y to a ``source x target`` array.
        x: ``rows x source``.
        y: ``rows x target``.
        where: valid rows; None: all.

    Returns:
        ``source x target``.
    """
    kept = jnp.ones(x.shape[0], bool) if where is None else where

    @jax.checkpoint
    def one(
        x_row: Float[Array, " source"], y_row: Float[Array, " target"], keep: Bool[Array, ""]
    ) -> Float[Array, "source target"]:
        return term(jnp.where(keep, x_row, 0.0), jnp.where(keep, y_row, 0.0)) * keep

    def add(
        summed: Float[Array, "source target"],
        row: tuple[Float[Array, " source"], Float[Array, " target"], Bool[Array, ""]],
    ) -> tuple[Float[Array, "source target"], None]:
        return summed + one(*row), None

    start = jnp.broadcast_to(_zero(x) + _zero(y), (x.shape[1], y.shape[1]))
    return jax.lax.scan(add, start, (x, y, kept))[0]


def _inverse_deviation(mean: Float[Array, " dim"], variance: Float[Array, " dim"]) -> Float[Array, " dim"]:
    varies = variance > _CONSTANT * jnp.square(jax.lax.stop_gradient(mean)) + _CONSTANT**2
    return jnp.where(varies, jax.lax.rsqrt(jnp.where(varies, variance, 1.0)), 0.0)


@jax.custom_vjp
def _column_sums(x: Float[Array, "rows dim"], where: Bool[Array, " rows"]) -> Float[Array, " dim"]:
    """Sum of each column over the valid rows; a plain masked sum makes XLA on CPU copy the whole input."""

    def add(first: Int[Array, ""], fresh: Bool[Array, " block"], summed: Float[Array, " dim"]) -> Float[Array, " dim"]:
        keep = _block(where, first) & fresh
        return summed + jnp.sum(jnp.where(keep[:, None], widened(_block(x, first)), 0.0), axis=0)

    return _over_blocks(add, jnp.broadcast_to(_zero(x), x.shape[1:]), x.shape[0])


def _column_sums_forward(
    x: Float[Array, "rows dim"], where: Bool[Array, " rows"]
) -> tuple[Float[Array, " dim"], tuple[Float[Array, "0 dim"], Bool[Array, " rows"]]]:
    return _column_sums(x, where), (x[:0], where)


def _column_sums_backward(
    saved: tuple[Float[Array, "0 dim"], Bool[Array, " rows"]], cotangent: Float[Array, " dim"]
) -> tuple[Float[Array, "rows dim"], None]:
    like, where = saved
    return jnp.where(where[:, None], cotangent, 0.0).astype(like.dtype), None


_column_sums.defvjp(_column_sums_forward, _column_sums_backward)

_Products = tuple[Float[Array, " source"], Float[Array, " target"], Float[Array, "source target"]]


@jax.custom_vjp
def _centred_products(
    x: Float[Array, "rows source"],
    y: Float[Array, "rows target"],
    x_mean: Float[Array, " source"],
    y_mean: Float[Array, " target"],
    where: Bool[Array, " rows"],
) -> _Products:
    """Over the valid rows, with centred columns: sums of squares of x and of y, and ``x^T y``.

    The means count as constants.
    """

    def add(first: Int[Array, ""], fresh: Bool[Array, " block"], summed: _Products) -> _Products:
        keep = (_block(where, first) & fresh)[:, None]
        left = jnp.where(keep, widened(_block(x, first)) - x_mean, 0.0)
        right = jnp.where(keep, widened(_block(y, first)) - y_mean, 0.0)
        return (
            summed[0] + jnp.sum(jnp.square(left), axis=0),
            summed[1] + jnp.sum(jnp.square(right), axis=0),
            summed[2] + jnp.matmul(left.T, right, precision=jax.lax.Precision.HIGHEST),
        )

    zero = _zero(x) + _zero(y)
    shapes = (x.shape[1:], y.shape[1:], (x.shape[1], y.shape[1]))
    starts = jnp.broadcast_to(zero, shapes[0]), jnp.broadcast_to(zero, shapes[1]), jnp.broadcast_to(zero, shapes[2])
    return _over_blocks(add, starts, x.shape[0])


_Saved = tuple[
    Float[Array, "rows source"],
    Float[Array, "rows target"],
    Float[Array, " source"],
    Float[Array, " target"],
    Bool[Array, " rows"],
]


def _centred_products_forward(
    x: Float[Array, "rows source"],
    y: Float[Array, "rows target"],
    x_mean: Float[Array, " source"],
    y_mean: Float[Array, " target"],
    where: Bool[Array, " rows"],
) -> tuple[_Products, _Saved]:
    return _centred_products(x, y, x_mean, y_mean, where), (x, y, x_mean, y_mean, where)


def _centred_products_backward(
    saved: _Saved, cotangents: _Products
) -> tuple[Float[Array, "rows source"], Float[Array, "rows target"], None, None, None]:
    x, y, x_mean, y_mean, where = saved
    of_x_squares, of_y_squares, of_products = cotangents

    def write(
        first: Int[Array, ""],
        fresh: Bool[Array, " block"],
        gradients: tuple[Float[Array, "rows source"], Float[Array, "rows target"]],
    ) -> tuple[Float[Array, "rows source"], Float[Array, "rows target"]]:
        del fresh  # Rows that two blocks share are written twice, with the same values.
        keep = _block(where, first)[:, None]
        left = widened(_block(x, first)) - x_mean
        right = widened(_block(y, first)) - y_mean
        highest = jax.lax.Precision.HIGHEST
        to_left = 2.0 * left * of_x_squares + jnp.matmul(right, of_products.T, precision=highest)
        to_right = 2.0 * right * of_y_squares + jnp.matmul(left, of_products, precision=highest)
        return (
            _write_block(gradients[0], jnp.where(keep, to_left, 0.0), first),
            _write_block(gradients[1], jnp.where(keep, to_right, 0.0), first),
        )

    starts = jnp.where(False, x, 0.0), jnp.where(False, y, 0.0)
    return *_over_blocks(write, starts, x.shape[0]), None, None, None


_centred_products.defvjp(_centred_products_forward, _centred_products_backward)


def _over_blocks(
    step: Callable[[Int[Array, ""], Bool[Array, " block"], _Carry], _Carry], carry: _Carry, num_rows: int
) -> _Carry:
    """Folds ``step(first row of the block, rows not seen before, carry)`` over blocks of rows, all of one size.

    The last block starts early enough to be full, so it may repeat rows of the one before.
    """
    block_rows = min(_BLOCK_ROWS, num_rows)

    def body(block: Int[Array, ""], carry: _Carry) -> _Carry:
        first = jnp.minimum(block * block_rows, num_rows - block_rows)
        return step(first, first + jnp.arange(block_rows) >= block * block_rows, carry)

    return jax.lax.fori_loop(0, -(-num_rows // block_rows), body, carry)


def _block(x: Array, first: Int[Array, ""]) -> Array:
    return jax.lax.dynamic_slice_in_dim(x, first, min(_BLOCK_ROWS, x.shape[0]))


def _write_block(x: Array, block: Array, first: Int[Array, ""]) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(x, block.astype(x.dtype), first, axis=0)


def _zero(x: Float[Array, "rows dim"]) -> Float[Array, ""]:
    """Where a sum over rows starts: a zero made from the rows, which varies over the devices that they vary over."""
    return jnp.where(False, widened(x[0, 0]), 0.0)


__all__ = ["AxisMoments", "absolute_cost", "axis_moments", "correlation_cost", "squared_cost", "sum_over_rows"]
