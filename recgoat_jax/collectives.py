"""Collectives that must not be the platform's own everywhere; for `jax.shard_map` and `jax.pmap`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

AxisNames = str | tuple[str, ...]
"""One mapped axis, or several."""


def sum_scattered(x: Any, axis_name: AxisNames, *, axis: int = 0) -> Any:
    """The sum over devices, of which each device keeps its equal part: `jax.lax.psum_scatter`, tiled.

    On CPU the parts are exchanged and added by the device that keeps them, in the order of the devices. Between
    processes the CPU's own reduce-scatter is a form of Gloo that, over more than two devices, never returns when a
    large sum runs beside it (JAX 0.10; not 0.12). Elsewhere it is the platform's.

    Args:
        x: an array of each device, its axis a multiple of the number of devices.
        axis_name: mapped axis, or axes.
        axis: the axis of x that is divided.

    Returns:
        The part of this device, an n-th of x along the axis; its gradient is that of the sum.
    """
    return _scattered(x, axis_name, axis)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _scattered(x: Any, axis_name: AxisNames, axis: int) -> Any:
    return jax.lax.platform_dependent(
        x,
        cpu=lambda x: _exchanged(x, axis_name, axis),
        default=lambda x: jax.lax.psum_scatter(x, axis_name, scatter_dimension=axis, tiled=True),
    )


def _forward(x: Any, axis_name: AxisNames, axis: int) -> tuple[Any, None]:
    return _scattered(x, axis_name, axis), None


def _backward(axis_name: AxisNames, axis: int, _: None, gradient: Any) -> tuple[Any]:
    # Automatic differentiation would keep the choice of the platform as a branch at run time. What is exchanged within
    # a branch is not ordered with what is exchanged outside, and between CPU processes the two wait for each other.
    return (jax.lax.all_gather(gradient, axis_name, axis=axis, tiled=True),)


_scattered.defvjp(_forward, _backward)


def _exchanged(x: Any, axis_name: AxisNames, axis: int) -> Any:
    devices = jax.lax.psum(1, axis_name)
    parts = x.reshape(*x.shape[:axis], devices, x.shape[axis] // devices, *x.shape[axis + 1 :])
    received = jax.lax.all_to_all(parts, axis_name, split_axis=axis, concat_axis=axis)
    return jnp.sum(received, axis=axis, dtype=x.dtype)


def varying_alike(*arrays: Any) -> tuple[Any, ...]:
    """Arrays that differ, for `jax.shard_map`, along the same mapped axes: those of any of them.

    A loop that adds up one under the mask of another needs them so. Outside of a mapped function nothing changes.

    Args:
        arrays: arrays of this device.

    Returns:
        The same values.
    """
    varying = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    every = frozenset[str]().union(*varying)
    return tuple(
        jax.lax.pcast(array, tuple(every - axes), to="varying") if every - axes else array
        for array, axes in zip(arrays, varying, strict=True)
    )


__all__ = ["AxisNames", "sum_scattered", "varying_alike"]
