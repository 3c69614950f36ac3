"""Seconds of collectives on lines and rings, against counts by hand and a walk of every message."""

import itertools
import math
from collections import defaultdict
from dataclasses import replace

import pytest

from recgoat_jax.planning.chips import Topology, read_chips
from recgoat_jax.planning.hlo import Collective
from recgoat_jax.planning.interconnect import axes_of, transfer_seconds

CHIPS = read_chips()


def slice_of(name: str) -> Topology:
    family, _, shape = name.partition(":")
    extents = tuple(map(int, shape.split("x")))
    return Topology(name, replace(CHIPS[family], link_gbps=1.0), extents, math.prod(extents), [])


def seconds(kind: str, name: str, group: int, sent: float = 1e9) -> float:
    return transfer_seconds(Collective(kind, 1, group, sent), slice_of(name))


@pytest.mark.parametrize(
    ("name", "group", "axes"),
    [
        ("v5e:4x4", 16, [(4, False), (4, False)]),
        ("v5e:16x16", 256, [(16, True), (16, True)]),
        ("v5e:8x16", 128, [(8, False), (16, True)]),
        ("v5e:16x16", 16, [(16, True)]),
        ("v5e:16x16", 8, [(8, False)]),
        ("v5e:16x16", 32, [(16, True), (2, False)]),
        ("v5e:4x4", 1, []),
        ("v5p:4x4x8", 128, [(4, True), (4, True), (8, True)]),
        ("v5p:2x2x4", 16, [(2, False), (2, False), (4, False)]),
        ("v5p:2x2x1", 4, [(2, False), (2, False)]),
        # Two devices a chip.
        ("v4:2x2x1", 8, [(2, False), (2, False)]),
        ("v4:2x2x1", 2, []),
    ],
)
def test_a_group_is_a_box(name: str, group: int, axes: list[tuple[int, bool]]) -> None:
    assert axes_of(slice_of(name), group) == axes


def test_rings_and_lines() -> None:
    # One link an axis at the end of a line, two on a ring; 1e9 bytes a second each.
    assert seconds("all-gather", "v5e:4x4", 16) == pytest.approx(1 / 2)
    assert seconds("all-reduce", "v5e:16x16", 256) == pytest.approx(1 / 4)
    assert seconds("reduce-scatter", "v5p:4x4x4", 64) == pytest.approx(1 / 6)
    assert seconds("collective-permute", "v5p:4x4x4", 64) == pytest.approx(1)
    # Both devices of a chip send over its links.
    assert seconds("all-reduce", "v4:4x4x4", 128) == pytest.approx(2 / 6)
    assert seconds("all-to-all", "v5e:4x4", 1) == 0


@pytest.mark.parametrize("name", ["v5e:2x4", "v5e:4x4", "v5e:8x8", "v5e:2x16", "v5p:2x2x4", "v5p:4x4x4", "v5p:4x4x8"])
def test_an_all_to_all_takes_as_long_as_the_busiest_link(name: str) -> None:
    """Every message goes along one axis after the other, the short way round, and both ways where they are equal."""
    shape, rings = slice_of(name), ring_flags(name)
    places = list(itertools.product(*map(range, shape.shape)))
    load: defaultdict[tuple, float] = defaultdict(float)
    for start, end in itertools.permutations(places, 2):
        at = list(start)
        for axis, extent in enumerate(shape.shape):
            forth = (end[axis] - at[axis]) % extent if rings[axis] else max(end[axis] - at[axis], 0)
            back = (at[axis] - end[axis]) % extent if rings[axis] else max(at[axis] - end[axis], 0)
            ways = [(forth, 1), (back, -1)] if rings[axis] else [(forth or back, 1 if forth else -1)]
            shortest = min(steps for steps, _ in ways)
            ways = [way for way in ways if way[0] == shortest]
            for steps, direction in ways:
                here = list(at)
                for _ in range(steps):
                    load[*here, axis, direction] += 1 / len(ways) / (len(places) - 1)
                    here[axis] = (here[axis] + direction) % extent
            at[axis] = end[axis]
    assert seconds("all-to-all", name, len(places)) == pytest.approx(max(load.values()))


def ring_flags(name: str) -> tuple[bool, ...]:
    return {"v5e:2x16": (False, True), "v5p:4x4x4": (True,) * 3, "v5p:4x4x8": (True,) * 3}.get(name, (False,) * 3)[
        : name.count("x") + 1
    ]


def test_nothing_is_known_of_the_links_of_a_cpu() -> None:
    with pytest.raises(ValueError, match="cpu:8: nothing is known of its links"):
        transfer_seconds(Collective("all-reduce", 1, 8, 1.0), Topology("cpu:8", None, (), 8, []))
