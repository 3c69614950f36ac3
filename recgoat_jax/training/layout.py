"""How rows are laid out in a save, and how a save made on one mesh becomes the state of another."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, Shaped

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.data import Dataset
from recgoat_jax.graphs.partition import NodePartition, partition_by_weight
from recgoat_jax.graphs.placement import Placement, in_mesh_order, on_mesh
from recgoat_jax.training.mesh import path_names, rule_of


@dataclass(frozen=True, eq=False)
class Layout:
    """The order of users and items for any number of shards; one shard is the order of the vocabularies.

    Attributes:
        user_counts: ``users``, training pairs of each.
        item_counts: ``items``, likewise.
        placement: of the present run; None: one device.
    """

    user_counts: Int[np.ndarray, " users"]
    item_counts: Int[np.ndarray, " items"]
    placement: Placement | None = None

    @classmethod
    def of(cls, dataset: Dataset, placement: Placement | None = None) -> "Layout":
        """The layout of a data set."""
        return cls(dataset.user_counts.astype(np.int64), dataset.item_counts.astype(np.int64), placement)

    @property
    def shards(self) -> int:
        """Shards of the present run."""
        return 1 if self.placement is None else self.placement.mesh.shape[ROWS_AXIS]

    def partition(self, path: str, shards: int) -> NodePartition | None:
        """The partition that an array of the state follows; None: it is the same everywhere."""
        rule = rule_of(path)
        if rule is None or rule.kind != "rows":
            return None
        if shards == self.shards and self.placement is not None:
            return self.placement.users if rule.vocabulary == "users" else self.placement.items
        return partition_by_weight(self.user_counts if rule.vocabulary == "users" else self.item_counts, shards)

    def in_save(self, tree: Any, shards: int) -> Any:
        """Arrays of the host as large as those of a save for other shards, to be filled."""

        def empty(path: tuple[Any, ...], leaf: jax.Array) -> np.ndarray:
            partition = self.partition(path_names(path), shards)
            shape = leaf.shape if partition is None else (len(partition.order), *leaf.shape[1:])
            return np.empty(shape, leaf.dtype)

        return jax.tree_util.tree_map_with_path(empty, tree)

    def moved(self, saved: Any, shards: int, example: Any) -> Any:
        """Arrays of a save, laid out and placed as those of an example; one table at a time.

        Args:
            saved: arrays of the host, from a save for ``shards``.
            shards: shards of the save.
            example: arrays of the present run.

        Returns:
            A tree like the example.
        """

        def move(path: tuple[Any, ...], leaf: Shaped[np.ndarray, "..."], like: jax.Array) -> jax.Array:
            name = path_names(path)
            before, now = self.partition(name, shards), self.partition(name, self.shards)
            if before is not None and now is not None:
                leaf = in_mesh_order(leaf[before.place], now)
            return on_mesh(np.asarray(leaf), like.sharding)  # type: ignore[arg-type]  # any sharding serves

        return jax.tree_util.tree_map_with_path(move, saved, example)


__all__ = ["Layout"]
