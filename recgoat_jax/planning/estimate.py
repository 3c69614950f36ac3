"""What a table of chips makes of a compiled step: the estimates of a plan."""

from dataclasses import dataclass

from recgoat_jax.planning.chips import Topology
from recgoat_jax.planning.compiled import Compiled
from recgoat_jax.planning.interconnect import transfer_seconds
from recgoat_jax.planning.work import Work


@dataclass(frozen=True)
class Estimate:
    """What a table of chips makes of a training step: estimates, not facts.

    Attributes:
        work: products and least memory traffic of one chip, counted in the program before compilation.
        compute: seconds of the matrix units.
        memory: seconds of the memory at the least traffic.
        interconnect: seconds of the links.
        bound: which of the three is longest.
        step: seconds a step: everything overlapped, to nothing overlapped with the compiler's count of traffic.
        steps: steps of an epoch.
        epoch: seconds an epoch.
        dollars: price of an epoch.
    """

    work: Work
    compute: float
    memory: float
    interconnect: float
    bound: str
    step: tuple[float, float]
    steps: int
    epoch: tuple[float, float]
    dollars: tuple[float, float]


def estimated(work: Work, step: Compiled, topology: Topology, steps: int) -> Estimate:
    """A roofline: each resource at its peak.

    Args:
        work: of one device.
        step: the compiled step.
        topology: a slice of known chips.
        steps: steps of an epoch.

    Returns:
        The estimate.

    Raises:
        ValueError: nothing is known of the chips.
    """
    chip = topology.chip
    if chip is None:
        raise ValueError(f"{topology.name}: nothing is known of its chips.")
    # The devices of a chip share it.
    compute = work.bf16_flops * chip.devices / (chip.bf16_tflops * 1e12)
    memory = work.bytes * chip.devices / (chip.hbm_gbps * 1e9)
    interconnect = sum(transfer_seconds(one, topology) for one in step.collectives)
    parts = {"compute": compute, "memory": memory, "interconnect": interconnect}
    slow = compute + interconnect + max(memory, step.bytes_accessed * chip.devices / (chip.hbm_gbps * 1e9))
    low, high = max(parts.values()), slow
    hours = (low * steps / 3600, high * steps / 3600)
    return Estimate(
        work=work,
        compute=compute,
        memory=memory,
        interconnect=interconnect,
        bound=max(parts, key=lambda name: parts[name]),
        step=(low, high),
        steps=steps,
        epoch=(low * steps, high * steps),
        dollars=(hours[0] * topology.chips * chip.price[0], hours[1] * topology.chips * chip.price[1]),
    )


__all__ = ["Estimate", "estimated"]
