"""What a compiled program moves between chips: collectives in the text of its HLO, times the loops around them."""

import math
import re
from collections import defaultdict
from typing import NamedTuple

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "collective-permute", "all-to-all")
"""Collective operations that are counted."""

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "f32": 4, "f64": 8}
_BYTES |= {"s64": 8, "u64": 8}
_SHAPE = re.compile(r"\b(pred|bf16|[fsu]\d+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) (?:\(.*)?.*\{\s*$")
_COLLECTIVE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(r"(?:body|condition|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_CONDITION = re.compile(r"condition=%?([\w.\-]+)")
_BELOW = re.compile(r"^\s*ROOT .* compare\(.*%([\w.\-]+)\), direction=LT")
_LIMIT = re.compile(r"%([\w.\-]+) = [su]\d+\[\]\S* constant\((\d+)\)")
_GROUP = re.compile(r"replica_groups=(?:\{\{([\d,]+)\}|\[(\d+),(\d+)\])")


class Collective(NamedTuple):
    """All collectives of one kind and group size.

    Attributes:
        kind: as in HLO.
        runs: how often one runs in the program.
        group: chips that take part in one.
        sent: bytes that a chip sends, all of them together.
    """

    kind: str
    runs: int
    group: int
    sent: float


def collectives(text: str, num_devices: int) -> list[Collective]:
    """Reads the collectives of a program.

    Args:
        text: optimised HLO.
        num_devices: devices that it runs on, the group where the text names none.

    Returns:
        One entry a kind and group size, the largest traffic first. A loop whose number of rounds the compiler does not
        know counts once.
    """
    lines = _by_computation(text)
    times = _times(lines, _entry(text))
    count: defaultdict[tuple[str, int], int] = defaultdict(int)
    sent: defaultdict[tuple[str, int], float] = defaultdict(float)
    for computation, body in lines.items():
        if _continues(computation, body):
            continue
        for line in body:
            if (found := _COLLECTIVE.search(line)) and times[computation]:
                kind = found.group(2)
                group = _group_size(line, num_devices)
                sizes = [_size(*shape) for shape in _SHAPE.findall(found.group(1))]
                size = _result(f"{kind}{found.group(3) or ''}", group, sizes)
                count[kind, group] += times[computation]
                sent[kind, group] += times[computation] * _sent(kind, size, group)
    found = [Collective(kind, number, group, sent[kind, group]) for (kind, group), number in count.items()]
    return sorted(found, key=lambda one: -one.sent)


def _continues(computation: str, body: list[str]) -> bool:
    """Whether a collective here is one that started elsewhere: the TPU compiler lets it go on beside other work.

    It names the collective where it starts, in every piece of other work beside it, and where it ends.
    """
    return computation.startswith("async_collective_fusion") or any('"AsyncCollectiveDone"' in line for line in body)


def _result(operation: str, group: int, sizes: list[int]) -> float:
    """Bytes of the results among the arrays that an operation gives; a start may give its operands back as well."""
    match operation:
        case "all-gather-start":
            return sum(sizes) * group / (group + 1)
        case "collective-permute-start":
            # Two numbers of its context come last.
            return sum(size for size in sizes if size > 4) / 2
        case _:
            return float(sum(sizes))


def _sent(kind: str, result: float, group: int) -> float:
    """Bytes that a chip sends for a result of so many bytes, by the algorithms that need least."""
    others = (group - 1) / group
    match kind:
        case "all-gather" | "all-to-all":
            return result * others
        case "reduce-scatter":
            return result * (group - 1)
        case "all-reduce":
            return 2 * result * others
        case _:
            return result


def _by_computation(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if not line.startswith(" ") and (start := _COMPUTATION.match(line)):
            current = found.setdefault(start.group(1), [])
        elif line.startswith(" "):
            current.append(line)
    return found


def _entry(text: str) -> str:
    found = re.search(r"^ENTRY %?([\w.\-]+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _times(lines: dict[str, list[str]], entry: str) -> defaultdict[str, int]:
    """How often each computation runs."""
    times: defaultdict[str, int] = defaultdict(int)

    def visit(name: str, factor: int) -> None:
        times[name] += factor
        for line in lines.get(name, ()):
            rounds = _rounds(line, lines) if " while(" in line else 1
            called = _CALLED.findall(line)
            if branches := _BRANCHES.search(line):
                called += [branch.strip().lstrip("%") for branch in branches.group(1).split(",")]
            for one in called:
                visit(one, factor * rounds)

    visit(entry, 1)
    return times


def _rounds(line: str, lines: dict[str, list[str]]) -> int:
    """How often a loop runs: as the compiler notes it, or by its condition, "number < constant"; numbers start at 0."""
    if known := _TRIPS.search(line):
        return int(known.group(1))
    condition = _CONDITION.search(line)
    body = lines.get(condition.group(1), []) if condition else []
    limits = {name: int(limit) for text in body for name, limit in _LIMIT.findall(text)}
    compared = next((found.group(1) for text in body if (found := _BELOW.search(text))), "")
    return limits.get(compared, 1)


def _group_size(line: str, num_devices: int) -> int:
    if found := _GROUP.search(line):
        return len(found.group(1).split(",")) if found.group(1) else int(found.group(3))
    return num_devices


def _size(kind: str, dimensions: str) -> int:
    return _BYTES.get(kind, 4) * math.prod(int(extent) for extent in dimensions.split(",") if extent)


__all__ = ["KINDS", "Collective", "collectives"]
