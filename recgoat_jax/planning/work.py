"""What a program has to do on one chip, counted in its jaxpr: products, and memory that must be read or written.

The cost model of the compiler counts the body of a loop once; here loops count as often as they run. Inside
`jax.shard_map` shapes are those of one device. What can be fused with its neighbours (elementwise arithmetic) counts as
nothing: the bytes are a lower bound.
"""

import math
import re
from typing import Any, NamedTuple

import jax

_MOVERS = {"gather", "scatter-add", "scatter", "scatter_add", "sort", "dynamic_slice", "dynamic_update_slice", "cumsum"}
_MOVERS |= {"all_gather", "psum", "psum2", "psum_invariant", "ppermute", "all_to_all", "reduce_scatter", "psum_scatter"}
_F32_PASSES = 6
"""Passes of the bfloat16 units that a product takes in full float32."""


class Work(NamedTuple):
    """Work of one chip.

    Attributes:
        flops: floating-point operations of products, two a multiply-add.
        bf16_flops: the same, a product in full float32 counted as often as it passes the bfloat16 units.
        bytes: memory traffic of products, gathers, scatters, sorts and collectives.
    """

    flops: float
    bf16_flops: float
    bytes: float

    def __add__(self, other: "Work") -> "Work":  # type: ignore[override]  # sums, does not join
        return Work(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, factor: float) -> "Work":
        """The work of doing it several times."""
        return Work(*(factor * value for value in self))


NOTHING = Work(0.0, 0.0, 0.0)
"""No work."""


def work_of(jaxpr: Any) -> Work:
    """Counts the work of a jaxpr.

    Args:
        jaxpr: ``jax.make_jaxpr(f)(...).jaxpr``; arrays outside of `jax.shard_map` count whole.

    Returns:
        Its work; branches count as the heaviest, a ``while`` whose end is not known as one round.
    """
    total = NOTHING
    for equation in jaxpr.eqns:
        name, inner = equation.primitive.name, _inner(equation)
        if name == "dot_general":
            total += _product(equation)
        elif name == "cond" or name == "platform_index":
            total += max((work_of(one) for one in inner), key=lambda work: work.bytes + work.flops, default=NOTHING)
        elif inner:
            rounds = equation.params.get("length", 1) if name == "scan" else 1
            for one in inner:
                total += work_of(one).times(float(rounds))
        elif name in _MOVERS:
            total += Work(0.0, 0.0, _traffic(equation))
    return total


def largest_arrays(jaxpr: Any, *, number: int) -> list[tuple[str, int]]:
    """The largest arrays that a program makes on one device, before the compiler joins and reuses them.

    Args:
        jaxpr: as in `work_of`.
        number: how many.

    Returns:
        What each is, by its shape and the part of the model that makes it, and its bytes; the largest first, one line
        for equal ones.
    """
    found: dict[str, int] = {}

    def visit(jaxpr: Any, mapped: bool, scope: str) -> None:
        for equation in jaxpr.eqns:
            inside = mapped or equation.primitive.name == "shard_map"
            here = "/".join(part for part in (scope, _scope(equation)) if part)
            inner = _inner(equation)
            for one in inner:
                visit(one, inside, here)
            if mapped and not inner:
                for variable in equation.outvars:
                    shape = getattr(variable.aval, "shape", ())
                    extents = " x ".join(f"{extent:,}" for extent in shape)
                    name = f"{variable.aval.dtype} {extents}, {here or equation.primitive.name}"
                    found[name] = _bytes(variable)

    visit(jaxpr, False, "")
    return sorted(found.items(), key=lambda one: -one[1])[:number]


def _scope(equation: Any) -> str:
    """The named scopes of an equation, without those that transformations add."""
    names = str(equation.source_info.name_stack).split("/")
    return "/".join(re.sub(r"^(?:\w+\()+|\)+$", "", name) for name in names if name and not name.endswith("()"))


def _inner(equation: Any) -> list[Any]:
    found = []
    for value in jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda x: hasattr(x, "jaxpr") or hasattr(x, "eqns")
    ):
        if hasattr(value, "eqns"):
            found.append(value)
        elif hasattr(value, "jaxpr"):
            found.append(value.jaxpr)
    return found


def _bytes(variable: Any) -> int:
    aval = variable.aval
    if not hasattr(aval, "shape") or not hasattr(aval.dtype, "itemsize"):
        return 0
    return math.prod(aval.shape) * aval.dtype.itemsize


def _traffic(equation: Any) -> float:
    """Of a gather the rows that it reads, not the table; of a scatter the rows, read, added and written."""
    result = float(sum(_bytes(variable) for variable in equation.outvars))
    match equation.primitive.name:
        case "gather" | "dynamic_slice":
            return 2 * result + _bytes(equation.invars[1])
        case "scatter-add" | "scatter" | "scatter_add":
            return 3.0 * _bytes(equation.invars[2]) + _bytes(equation.invars[1])
        case "dynamic_update_slice":
            return 2.0 * _bytes(equation.invars[1])
        case "sort":
            return 2 * result * max(1.0, math.log2(max(2, equation.outvars[0].aval.shape[-1])))
        case _:
            return 2 * result


def _product(equation: Any) -> Work:
    left = equation.invars[0].aval
    (contracted, _), _ = equation.params["dimension_numbers"]
    result = equation.outvars[0].aval
    flops = 2.0 * math.prod(result.shape) * math.prod(left.shape[axis] for axis in contracted)
    precision = equation.params.get("precision")
    highest = precision is not None and any(one == jax.lax.Precision.HIGHEST for one in jax.tree.leaves(precision))
    moved = float(sum(_bytes(variable) for variable in (*equation.invars, *equation.outvars)))
    return Work(flops, flops * (_F32_PASSES if highest and left.dtype.itemsize == 4 else 1), moved)


__all__ = ["NOTHING", "Work", "largest_arrays", "work_of"]
