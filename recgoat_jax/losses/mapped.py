"""Losses over many devices, with the right value and the right gradient.

The contract: **differentiate the mapped loss, do not map the differentiated loss.** A loss with an ``axis_name``
returns on every device the value of the whole batch. Differentiated outside of the mapped function its gradients are
those of one device that holds all rows. Inside ``pmap``, or inside ``shard_map`` with ``check_vma=False``, the
transpose of the sum over devices counts the gradient once a device: it would be n times too large, and no factor mends
the gradients of spread rows and of shared weights alike. The two functions here map a loss so that the contract holds.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from recgoat_jax.losses.reduction import AxisName


def shard_map_loss(
    loss: Callable[..., Any], mesh: Mesh, *, axis_name: AxisName = "data", replicated: Sequence[int | str] = ()
) -> Callable[..., Any]:
    """A loss over the devices of a mesh, by ``jax.shard_map``.

    Args:
        loss: a loss of this package, or any function that takes ``axis_name`` and returns the same on every device.
        mesh: the devices.
        axis_name: axis, or axes, of the mesh that the rows are spread over.
        replicated: arguments that every device gets whole, by position or by name, such as weights.

    Returns:
        A function of the arguments of ``loss`` without ``axis_name``. Arrays with a leading axis are spread over the
        devices by rows, in pytrees too; numbers, scalars, random keys, strings and None go to every device as they
        are. The result is that of the whole batch. To be jitted and differentiated from outside.

    Raises:
        ValueError: an axis that the mesh does not have; when called, rows that the devices do not divide, a name in
            ``replicated`` that no argument has, a result that differs between devices.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np
        >>> from recgoat_jax.losses import info_nce, shard_map_loss
        >>> mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
        >>> over_devices = shard_map_loss(info_nce, mesh)
        >>> rows = jnp.eye(8 * jax.device_count())
        >>> value, gradient = jax.value_and_grad(over_devices)(rows, rows, temperature=0.5, collective="ring")
        >>> print(jnp.allclose(value, info_nce(rows, rows, temperature=0.5)), gradient.shape == rows.shape)
        True True
    """
    names = (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)
    if missing := [name for name in names if name not in mesh.shape]:
        raise ValueError(f"the mesh has no axis {missing[0]!r}; its axes are {dict(mesh.shape)}")
    num_devices = 1
    for name in names:
        num_devices *= mesh.shape[name]

    def mapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(loss, args, kwargs, axis_name, replicated)
        call.check_rows(num_devices)
        return call.over(mesh)(*call.arrays)

    return mapped


def pmap_loss(
    loss: Callable[..., Any],
    *,
    axis_name: str = "data",
    replicated: Sequence[int | str] = (),
    devices: Sequence[Any] | None = None,
) -> Callable[..., Any]:
    """A loss over devices by ``jax.pmap``: as `shard_map_loss`, for code that still maps in this way.

    Args:
        loss: as in `shard_map_loss`.
        axis_name: name of the mapped axis.
        replicated: as in `shard_map_loss`.
        devices: the devices; None: all.

    Returns:
        As `shard_map_loss`: arrays come whole, ``rows x ...``, and are cut here.

    Raises:
        ValueError: when called, as `shard_map_loss`.

    Example:
        >>> import jax.numpy as jnp
        >>> from recgoat_jax.losses import bpr_loss, pmap_loss
        >>> scores = jnp.zeros(2 * jax.device_count())
        >>> print(f"{pmap_loss(bpr_loss)(scores, scores):.4f}")  # log 2
        0.6931
    """
    mesh = Mesh(np.array(jax.devices() if devices is None else devices), (axis_name,))
    num_devices = mesh.size

    def mapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(loss, args, kwargs, axis_name, replicated)
        call.check_rows(num_devices)
        # Copies that differ would go unseen below; shard_map knows when it traces.
        jax.eval_shape(call.over(mesh), *call.arrays)
        arrays = [
            array.reshape(num_devices, -1, *array.shape[1:]) if spread else array
            for array, spread in zip(call.arrays, call.spread, strict=True)
        ]
        in_axes = tuple(0 if spread else None for spread in call.spread)
        copies = jax.pmap(call.local, axis_name=axis_name, in_axes=in_axes, devices=devices)(*arrays)
        return jax.tree.map(lambda copy: copy[0], copies)

    return mapped


class _Call:
    """The arguments of one call, taken apart into arrays and the rest."""

    def __init__(
        self,
        loss: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        axis_name: AxisName,
        replicated: Sequence[int | str],
    ) -> None:
        self._loss, self._axis_name = loss, axis_name
        # Positions as text: no keyword can be named so, and a mapping is sorted by its keys.
        arguments = {str(position): value for position, value in enumerate(args)} | kwargs
        leaves, self._structure = jax.tree.flatten(arguments)
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(arguments)[0]]
        self._is_array = [hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves]
        self._others = [None if is_array else leaf for leaf, is_array in zip(leaves, self._is_array, strict=True)]
        kept = [(leaf, path) for leaf, path, is_array in zip(leaves, paths, self._is_array, strict=True) if is_array]
        self.arrays = [leaf for leaf, _ in kept]
        self.names = [jax.tree_util.keystr(path) for _, path in kept]
        if "axis_name" in kwargs:
            raise ValueError(
                f"axis_name was given to the mapped loss; it passes on {axis_name!r} itself. Leave it out."
            )
        whole = {str(name) for name in replicated}
        if unknown := sorted(whole - set(arguments)):
            raise ValueError(
                f"replicated names {unknown}; the arguments of this call are {list(arguments)}, numbers being "
                "positions. Name each as it is passed."
            )
        self.spread = [leaf.ndim > 0 and path[0].key not in whole for leaf, path in kept]

    def check_rows(self, num_devices: int) -> None:
        """Refuses rows that the devices do not divide."""
        for array, name, spread in zip(self.arrays, self.names, self.spread, strict=True):
            if spread and array.shape[0] % num_devices:
                wanted = -(-array.shape[0] // num_devices) * num_devices
                raise ValueError(
                    f"argument {name} has {array.shape[0]} rows for {num_devices} devices; expected a multiple of "
                    f"{num_devices}. Pad every array to {wanted} rows and mask the padding with `where`."
                )

    def over(self, mesh: Mesh) -> Callable[..., Any]:
        """The loss of the arrays, mapped over a mesh."""
        specs = tuple(PartitionSpec(self._axis_name) if spread else PartitionSpec() for spread in self.spread)
        return jax.shard_map(self.local, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())

    def local(self, *arrays: Any) -> Any:
        """The loss on one device."""
        remaining = iter(arrays)
        leaves = [
            next(remaining) if is_array else other for is_array, other in zip(self._is_array, self._others, strict=True)
        ]
        arguments = jax.tree.unflatten(self._structure, leaves)
        args = [arguments[name] for name in sorted(filter(str.isdigit, arguments), key=int)]
        kwargs = {name: value for name, value in arguments.items() if not name.isdigit()}
        result = self._loss(*args, **kwargs, axis_name=self._axis_name)
        if varying := [leaf for leaf in jax.tree.leaves(result) if jax.typeof(leaf).manual_axis_type.varying]:
            raise ValueError(
                f"the loss returns {jax.typeof(varying[0])}, which differs between the devices of {self._axis_name!r}; "
                "expected what is the same on all. Pass the axis_name that it is called with on to every loss inside, "
                "and sum what is its own over devices by jax.lax.psum."
            )
        return result


__all__ = ["pmap_loss", "shard_map_loss"]
