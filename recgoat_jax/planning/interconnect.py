"""How long a collective takes at least, from how the chips of a slice are wired: lines and rings along its axes.

A group of chips is taken as a box of neighbours. Each link works in both directions at once, at its peak; latency is
left out.
"""

import math
from typing import NamedTuple

from recgoat_jax.planning.chips import Chip, Topology
from recgoat_jax.planning.hlo import Collective


class Axis(NamedTuple):
    """The chips of a group along one dimension.

    Attributes:
        extent: how many, two or more.
        ring: whether the ends are joined.
    """

    extent: int
    ring: bool

    @property
    def ways(self) -> int:
        """Links that lead from one half to the other, and that a chip may keep busy in one direction each."""
        return 2 if self.ring else 1


def axes_of(topology: Topology, group: int) -> list[Axis]:
    """The box that a group of devices fills.

    Args:
        topology: a slice of known chips.
        group: devices that take part; whole axes are filled one after the other, in the order of JAX.

    Returns:
        The axes with more than one chip; of a group within one chip none.
    """
    chip, left = _chip(topology), -(-group // _chip(topology).devices)
    joined = [extent >= chip.wraps_from for extent in topology.shape]
    if chip.dimensions == 3:
        joined = [all(joined)] * len(joined)
    found = []
    for extent, whole in zip(topology.shape, joined, strict=True):
        taken = min(extent, left)
        left = -(-left // extent)
        if taken > 1:
            found.append(Axis(taken, whole and taken == extent))
    return found


def transfer_seconds(one: Collective, topology: Topology) -> float:
    """Seconds that the links need for all runs of a collective.

    A hop round a ring of devices uses one link of a chip. An all-to-all is bound by what crosses the middle of the
    longest axis, or by what a chip sends. The others go round rings along every axis at once; along a line the chips at
    its ends have one link.

    Args:
        one: the collective.
        topology: a slice of known chips.

    Returns:
        Seconds.
    """
    axes = axes_of(topology, one.group)
    if not axes:
        return 0.0
    chip = _chip(topology)
    link, sent = chip.link_gbps * 1e9, one.sent * chip.devices
    links_of_chip = sum(axis.ways for axis in axes)
    match one.kind:
        case "collective-permute":
            return sent / link
        case "all-to-all":
            chips = math.prod(axis.extent for axis in axes)
            # Each chip sends each other chip the same: half of the chips send across whatever is for the other half.
            across = [sent * _across(chips, axis) / link for axis in axes]
            return max(sent / (links_of_chip * link), *across)
        case _:
            return sent / (links_of_chip * link)


def _across(chips: int, axis: Axis) -> float:
    """The share of what one chip sends that each link over the middle of an axis has to carry, one way."""
    lower = axis.extent // 2 * (chips // axis.extent)
    return lower * (chips - lower) / (chips - 1) / (axis.ways * chips // axis.extent)


def _chip(topology: Topology) -> Chip:
    if topology.chip is None:
        raise ValueError(f"{topology.name}: nothing is known of its links.")
    return topology.chip


__all__ = ["Axis", "axes_of", "transfer_seconds"]
