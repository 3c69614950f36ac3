"""How every loss treats masks, means, number types and device axes: decided once, here.

* A masked row is replaced by zeros before anything is computed from it, so that padding may hold anything, NaN
  included, and receives a gradient of exactly zero.
* A mean over no valid row is 0 with a zero gradient: an all-padding batch neither moves a model nor stops a run.
* Arithmetic is float32 at least, whatever the arrays are stored in.
* With an ``axis_name`` sums and counts run over all devices of that axis, so every device returns the value of the
  whole batch. What this means for gradients is said in `mapped`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

AxisName = str | tuple[str, ...]
"""Name of the mapped axis (or axes) of `jax.pmap` or `jax.shard_map` over which the rows of a batch are spread."""

Scalar = float | Float[Array, ""]
"""A number, or a traced or learned scalar."""


def check_axis(axis_name: AxisName | None) -> None:
    """Refuses an axis that no map around the call has.

    Raises:
        ValueError: such an axis.
    """
    names = (axis_name,) if isinstance(axis_name, str) else axis_name or ()
    for name in names:
        try:
            jax.lax.axis_size(name)
        except NameError:
            raise ValueError(
                f"axis_name is {name!r}, but the loss is not called inside a map over an axis of that name. "
                "Map it with shard_map_loss or pmap_loss, which pass the axis on; for one device leave axis_name out."
            ) from None


def widened(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The array in float32, or as it is where it is wider already."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def alike(
    x: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Both arrays in the wider of their types."""
    dtype = jnp.promote_types(x.dtype, y.dtype)
    return x.astype(dtype), y.astype(dtype)


def matmul_precision(x: Float[Array, "*shape"]) -> jax.lax.Precision:
    """Full float32 products for float32 input on every platform; the platform's default for narrower input."""
    return jax.lax.Precision.DEFAULT if jnp.finfo(x.dtype).bits < 32 else jax.lax.Precision.HIGHEST


def valid_rows(x: Float[Array, "batch ..."], where: Bool[Array, " batch"] | None) -> Float[Array, "batch ..."]:
    """`widened` rows, the masked ones zero."""
    if where is None:
        return widened(x)
    return jnp.where(where.reshape(where.shape + (1,) * (x.ndim - 1)), widened(x), 0.0)


def both(first: Bool[Array, " batch"] | None, second: Bool[Array, " batch"] | None) -> Bool[Array, " batch"] | None:
    """Rows that both masks hold; None is all rows."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def valid_count(num_rows: int, where: Bool[Array, " batch"] | None, axis_name: AxisName | None) -> Float[Array, ""]:
    """Number of valid rows, over all devices of ``axis_name``; may be 0."""
    if where is None:
        return jnp.asarray(float(num_rows if axis_name is None else num_rows * jax.lax.psum(1, axis_name)))
    return summed_over_devices(jnp.sum(where, dtype=jnp.float32), axis_name)


def summed_over_devices(x: Float[Array, "*shape"], axis_name: AxisName | None) -> Float[Array, "*shape"]:
    """Entry by entry, the sum over the devices of ``axis_name``; ``x`` itself without an axis."""
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def masked_mean(
    values: Float[Array, " batch"], *, where: Bool[Array, " batch"] | None, axis_name: AxisName | None
) -> Float[Array, ""]:
    """Mean over the valid rows of the whole batch; 0 where none is valid."""
    count = valid_count(values.shape[0], where, axis_name)
    return summed_over_devices(jnp.sum(valid_rows(values, where)), axis_name) / jnp.maximum(count, 1.0)


def gathered(x: Shaped[Array, "batch ..."], axis_name: AxisName | None) -> Shaped[Array, "all_rows ..."]:
    """The rows of all devices of ``axis_name``, in device order; ``x`` itself without an axis."""
    return x if axis_name is None else jax.lax.all_gather(x, axis_name, tiled=True)


__all__ = [
    "AxisName",
    "Scalar",
    "both",
    "check_axis",
    "gathered",
    "masked_mean",
    "matmul_precision",
    "summed_over_devices",
    "valid_count",
    "valid_rows",
    "widened",
]
