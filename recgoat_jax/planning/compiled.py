"""What the compiler says of a program: the facts of a plan."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from recgoat_jax.planning.hlo import Collective, collectives


@dataclass(frozen=True)
class Compiled:
    """What the compiler says of one program; bytes of one chip.

    Attributes:
        arguments: bytes of what goes in.
        outputs: bytes of what comes out and takes no argument's place.
        temporaries: bytes in between, one by one, also of arrays that are never there at once; what stays on the core
            is not counted.
        held: bytes of all that is there at once at the worst moment, the program aside.
        code: bytes of the program itself.
        collectives: what moves between chips.
        flops: the compiler's count; a loop's body counts once.
        bytes_accessed: the compiler's count of memory traffic; likewise.
        seconds: time that compiling took here.
    """

    arguments: int
    outputs: int
    temporaries: int
    code: int
    held: int
    collectives: tuple[Collective, ...]
    flops: float
    bytes_accessed: float
    seconds: float

    @property
    def peak(self) -> int:
        """Bytes that suffice in any case: everything at once."""
        return self.arguments + self.outputs + self.temporaries + self.code


def compile_for(function: Any, given: Sequence[Any], *, num_devices: int) -> Compiled | str:
    """Compiles a jitted function for the devices of its arguments' shardings.

    Args:
        function: jitted.
        given: arguments as shapes.
        num_devices: devices of the mesh.

    Returns:
        What the compiler reports; its words where memory does not suffice.
    """
    started = time.monotonic()
    lowered = function.lower(*given)
    try:
        program = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: ")
    memory, cost = program.memory_analysis(), program.cost_analysis() or {}
    return Compiled(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        code=memory.generated_code_size_in_bytes,
        held=memory.peak_memory_in_bytes,
        collectives=tuple(collectives(program.as_text() or "", num_devices)),
        flops=float(cost.get("flops", 0.0)),
        bytes_accessed=float(cost.get("bytes accessed", 0.0)),
        seconds=round(time.monotonic() - started, 1),
    )


__all__ = ["Compiled", "compile_for"]
