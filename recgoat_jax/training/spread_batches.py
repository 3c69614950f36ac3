"""Batches over the devices of a mesh: the triples of `recgoat_jax.training.batches`, each made where its pair lies.

The training pairs are dealt to all devices by user, so that a device has the whole list of each of its users and can
draw what the user does not have. Examples then go to the devices that train on them, in an exchange of a few integers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Int, Key

from recgoat_jax.arrays import EXAMPLE_AXES
from recgoat_jax.collectives import sum_scattered
from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.graphs.placement import Placement
from recgoat_jax.models.protocols import Batch
from recgoat_jax.training.negatives import bisect_unowned


class DealtPairs(NamedTuple):
    """Training pairs by device; every array is spread by its leading axis.

    Attributes:
        users: int32 places of the users in mesh order.
        items: int32 places of the items.
        ranks: the item's position among the candidates, ascending within a user.
        first: where on this device the user's pairs begin.
        owned: how many they are.
    """

    users: Int[Array, "devices pairs"]
    items: Int[Array, "devices pairs"]
    ranks: Int[Array, "devices pairs"]
    first: Int[Array, "devices pairs"]
    owned: Int[Array, "devices pairs"]


class HostPairs(NamedTuple):
    """Training pairs dealt to devices, on the host; the fields are those of `SpreadPairs`, of numpy."""

    dealt: Any
    starts: Int[np.ndarray, " starts"]
    candidates: Int[np.ndarray, " candidates"]
    num_pairs: int
    bisections: int


def deal_pairs(dataset: Dataset, placement: Placement) -> HostPairs:
    """Deals the training pairs to devices, so that each has as many pairs, and whole users.

    Args:
        dataset: prepared data.
        placement: where users and items are.

    Returns:
        The pairs by device.
    """
    train, devices = dataset.train, placement.mesh.size
    offsets = train.offsets(dataset.num_users)
    # Cuts between users, each next to where equal parts would end.
    wanted = np.arange(devices + 1) * len(train) // devices
    starts = offsets[np.searchsorted(offsets, wanted)]
    candidates, ranks = np.unique(train.items, return_inverse=True)
    device = np.repeat(np.arange(devices), np.diff(starts))
    size = max(1, int(np.diff(starts).max(initial=0)))

    def dealt(values: Int[np.ndarray, " pairs"]) -> Any:
        laid = np.zeros((devices, size), np.int32)
        laid[device, np.arange(len(train)) - starts[device]] = values
        return laid

    counts = np.diff(offsets)
    return HostPairs(
        dealt=DealtPairs(
            users=dealt(placement.users.place[train.users]),
            items=dealt(placement.items.place[train.items]),
            ranks=dealt(ranks),
            first=dealt(offsets[train.users] - starts[device]),
            owned=dealt(counts[train.users]),
        ),
        starts=starts.astype(np.int32),
        candidates=placement.items.place[candidates],
        num_pairs=len(train),
        bisections=int(counts.max(initial=0)).bit_length(),
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpreadPairs:
    """The training pairs over devices.

    Attributes:
        dealt: the pairs of each device.
        starts: ``devices + 1``, on every device: device d has the pairs ``starts[d]:starts[d + 1]``.
        candidates: places of the items that occur in training, by rank; on every device.
        num_pairs: training pairs.
        batch_size: examples a step.
        bisections: steps that suffice for the longest list of a user.
    """

    dealt: DealtPairs
    starts: Int[Array, " starts"]
    candidates: Int[Array, " candidates"]
    num_pairs: int = field(metadata={"static": True})
    batch_size: int = field(metadata={"static": True})
    bisections: int = field(metadata={"static": True})

    @classmethod
    def from_dataset(cls, dataset: Dataset, placement: Placement, *, batch_size: int) -> "SpreadPairs":
        """Deals the training pairs to the devices of a placement; errors as of `deal_pairs` and `put`."""
        return cls.put(deal_pairs(dataset, placement), placement, batch_size=batch_size)

    @classmethod
    def put(cls, pairs: HostPairs, placement: Placement, *, batch_size: int) -> "SpreadPairs":
        """Puts dealt pairs on the devices; every process puts what its devices hold.

        Raises:
            UsageError: a batch with fewer examples than there are devices.
        """
        devices = placement.mesh.size
        if batch_size < devices:
            raise UsageError(
                f"batch_size is {batch_size} for a mesh of {devices} devices; expected at least one example a device. "
                f"Choose a smaller mesh, or --loop.batch-size {devices} or more."
            )
        return cls(
            dealt=DealtPairs(*(placement.put(array, EXAMPLE_AXES) for array in pairs.dealt)),
            starts=placement.put(pairs.starts, None),
            candidates=placement.put(pairs.candidates, None),
            num_pairs=pairs.num_pairs,
            batch_size=batch_size,
            bisections=pairs.bisections,
        )

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last may be part padding."""
        return -(-self.num_pairs // self.batch_size)


def make_spread_batch(pairs: SpreadPairs, chosen: Int[Array, " batch"], *, key: Key[Array, ""], mesh: Mesh) -> Batch:
    """The triples of one step over the devices of a mesh; in all, those of `make_batch` on one device.

    Args:
        pairs: the training pairs.
        chosen: pair numbers of the whole batch; ``num_pairs`` marks padding.
        key: key of the step's negatives.
        mesh: the devices.

    Returns:
        A batch spread over the devices, each with every n-th example for n devices, ids as places in mesh order; padded
        to as many on each.
    """
    spread, whole = PartitionSpec(EXAMPLE_AXES), PartitionSpec()

    def local(dealt: DealtPairs, *others: Array) -> Batch:
        starts, candidates, chosen, key = others
        own = replace(pairs, dealt=dealt, starts=starts, candidates=candidates)
        return _local_batch(own, chosen, key)

    mapped = jax.shard_map(local, mesh=mesh, in_specs=(spread, whole, whole, whole, whole), out_specs=spread)
    return mapped(pairs.dealt, pairs.starts, pairs.candidates, chosen, key)


def _local_batch(pairs: SpreadPairs, chosen: Int[Array, " batch"], key: Key[Array, ""]) -> Batch:
    """This device's triples, within `jax.shard_map`; its pairs have a leading axis of one device."""
    device, devices = jax.lax.axis_index(EXAMPLE_AXES), jax.lax.axis_size(EXAMPLE_AXES)
    start, stop = pairs.starts[device], pairs.starts[device + 1]
    here = (chosen >= start) & (chosen < stop)
    local = jnp.where(here, chosen - start, 0)
    users, items, ranks, first, owned = (values[0] for values in pairs.dealt)
    free = jnp.where(here, len(pairs.candidates) - owned[local], 0)
    # One draw an example whatever the devices are: each uses those of its own.
    wanted = jax.random.randint(key, chosen.shape, 0, jnp.maximum(free, 1), jnp.int32)

    def negatives_of(examples: Int[Array, " some"]) -> Int[Array, " some"]:
        pair = local[examples]
        return bisect_unowned(ranks, first[pair], owned[pair], wanted[examples], bisections=pairs.bisections)

    rank = _for_those_here(negatives_of, here, expected=len(chosen) // devices)
    negatives = pairs.candidates[jnp.minimum(rank, len(pairs.candidates) - 1)]
    found = jnp.stack([users[local], items[local], negatives, (free > 0).astype(jnp.int32)])
    found = jnp.pad(jnp.where(here, found, 0), ((0, 0), (0, -len(chosen) % devices)))
    # Example e goes to device e mod devices.
    by_device = found.reshape(4, -1, devices).transpose(0, 2, 1).reshape(4, -1)
    mine = sum_scattered(by_device, EXAMPLE_AXES, axis=1)
    return Batch(mine[0], mine[1], mine[2], mine[3] > 0)


def _for_those_here(
    function: Callable[[Int[Array, " some"]], Int[Array, " some"]], here: Bool[Array, " batch"], *, expected: int
) -> Int[Array, " batch"]:
    """A function of examples, for those of this device: no device pays for the whole batch."""
    size = len(here)
    # Two more standard deviations than are ever needed; should a device have more, it takes another round.
    width = min(size, expected + 8 * math.isqrt(expected + 1) + 8)
    position = jnp.cumsum(here) - 1
    listed = (
        jnp.full(size + width, size, jnp.int32)
        .at[jnp.where(here, position, size + width)]
        .set(jnp.arange(size, dtype=jnp.int32), mode="drop")
    )

    def some(round_: Int[Array, ""], found: Int[Array, " batch"]) -> Int[Array, " batch"]:
        examples = jax.lax.dynamic_slice_in_dim(listed, round_ * width, width)
        return found.at[examples].set(function(jnp.minimum(examples, size - 1)), mode="drop")

    rounds = (position[-1] + width) // width
    return jax.lax.fori_loop(0, rounds, some, jnp.zeros_like(listed[:size]))


__all__ = ["DealtPairs", "HostPairs", "SpreadPairs", "deal_pairs", "make_spread_batch"]
