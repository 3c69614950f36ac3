"""Where users and items are on a mesh: the layout that training, evaluation and checkpoints share. On the host."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Shaped

from recgoat_jax.arrays import DATA_AXIS, ROWS_AXIS
from recgoat_jax.graphs.partition import NodePartition
from recgoat_jax.graphs.shard import LocalRows, Shard


@dataclass(frozen=True, eq=False)
class Placement:
    """Users and items dealt to the devices of a mesh.

    Attributes:
        mesh: devices, with the axes "data" and "rows".
        users: of the user rows, over the axis "rows".
        items: of the item rows, likewise.
    """

    mesh: Mesh
    users: NodePartition
    items: NodePartition

    def __post_init__(self) -> None:
        if tuple(self.mesh.axis_names) != (DATA_AXIS, ROWS_AXIS):
            raise ValueError(f"the mesh has the axes {self.mesh.axis_names}; expected ('{DATA_AXIS}', '{ROWS_AXIS}').")
        for partition in (self.users, self.items):
            if partition.num_shards != self.mesh.shape[ROWS_AXIS]:
                raise ValueError(
                    f"a partition has {partition.num_shards} shards; expected {self.mesh.shape[ROWS_AXIS]}, the size "
                    f"of the axis '{ROWS_AXIS}'."
                )

    @cached_property
    def nodes(self) -> NodePartition:
        """Users, then items, in every shard: the nodes of the user-item graph."""
        return NodePartition.joined(self.users, self.items)

    @property
    def shard(self) -> Shard:
        """What each device holds, as an argument of a mapped function: spread over the rows axis."""
        return self._shard

    @cached_property
    def _shard(self) -> Shard:
        return Shard(*(LocalRows(self.put(one.order), one.num_nodes) for one in (self.users, self.items)))

    def sharding(self, *axes: str | tuple[str, ...] | None) -> NamedSharding:
        """The sharding with these mesh axes along the axes of an array."""
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def put(self, array: Shaped[np.ndarray, "..."], *axes: str | tuple[str, ...] | None) -> jax.Array:
        """Puts an array of the host onto the mesh; every process puts what its devices hold and no more.

        Args:
            array: the whole array, the same on every process.
            axes: mesh axes along its axes; none: spread over the rows axis by its leading axis.

        Returns:
            The array over the mesh.
        """
        return on_mesh(array, self.sharding(*(axes or (ROWS_AXIS,))))


def on_mesh(array: Shaped[np.ndarray, "..."], sharding: NamedSharding) -> jax.Array:
    """An array of the host with a sharding; every process puts what its devices hold and no more."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def in_mesh_order(array: Shaped[Any, "rows ..."], partition: NodePartition, padding: Any = 0) -> np.ndarray:
    """Rows of a vocabulary laid out for the mesh, on the host.

    Args:
        array: one entry a row of the vocabulary.
        partition: of that vocabulary.
        padding: what padding slots hold.

    Returns:
        One entry a place.
    """
    array = np.asarray(array)
    laid = array[partition.order]
    laid[partition.order < 0] = padding
    return laid


__all__ = ["Placement", "in_mesh_order", "on_mesh"]
