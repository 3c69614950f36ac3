"""A plan for the eyes: what is fact, what is estimate, and what to do where it does not fit."""

from collections.abc import Sequence

from recgoat_jax.planning.compiled import Compiled
from recgoat_jax.planning.plan import Plan

GIB = 2**30
"""Memory is told as the compiler tells it, in GiB; traffic in 1e6 or 1e9 bytes."""


def as_text(plan: Plan) -> str:
    """A plan as lines for a terminal.

    Args:
        plan: the plan.

    Returns:
        The lines.
    """
    sizes = plan.sizes
    lines = [
        f"{plan.experiment} ({plan.model}{'' if plan.dim is None else f', width {plan.dim}'}) on {plan.topology}, "
        f"{plan.chips} chips, mesh {plan.mesh}",
        f"{sizes['users']:,} users, {sizes['items']:,} items, {sizes['pairs']:,} training pairs, "
        f"{sizes['batch']:,} examples a step (sizes: {sizes['origin']})",
        "",
    ]
    if plan.step is not None:
        lines += ["COMPILED: what the compiler reports, for each device", *_compiled("training step", plan.step, plan)]
        for name, one in plan.others.items():
            lines += _compiled(name, one, plan)
    if plan.refused is not None:
        lines += [f"DOES NOT FIT: {plan.refused.said}", *_largest(plan), "  what would make it fit:"]
        lines += [f"    {advice}" for advice in plan.refused.advice]
    elif plan.step is not None:
        lines += _largest(plan)
    if plan.estimate is not None:
        estimate = plan.estimate
        sent = sum(one.sent for one in plan.step.collectives) if plan.step else 0.0
        lines += [
            "",
            "ESTIMATED: not measured; peaks of the chip from the table, so the real step takes longer than the least",
            f"  products             {estimate.work.flops:10.3g} flops    {estimate.compute:10.4f} s",
            f"  memory traffic       {estimate.work.bytes:10.3g} bytes    {estimate.memory:10.4f} s  at least",
            f"  interconnect         {sent:10.3g} bytes    {estimate.interconnect:10.4f} s",
            f"  bound by             {estimate.bound}",
            f"  a step               {_range(estimate.step, ' s')}",
            f"  an epoch             {estimate.steps:,} steps, {_range(estimate.epoch, ' s')}",
            f"  price of an epoch    {_range(estimate.dollars, ' dollars')}",
        ]
    lines += [
        "",
        "compiled with " + ", ".join(f"{name} {version}" for name, version in plan.versions.items() if version),
    ]
    return "\n".join(lines)


def sweep_table(plans: Sequence[Plan]) -> str:
    """Plans side by side, one row a slice.

    Args:
        plans: plans of one experiment.

    Returns:
        A Markdown table.
    """
    rows = [
        "| slice | chips | mesh | arguments, GiB | temporaries, GiB | at once, GiB | of, GiB | fits | "
        "sent a step, GB | bound (estimate) | step, s (estimate) | epoch, $ (estimate) |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for plan in plans:
        step, estimate = plan.step, plan.estimate
        sizes = ["-"] * 3 if step is None else [f"{n / GIB:.2f}" for n in (step.arguments, step.temporaries, step.held)]
        sent = "-" if step is None else f"{sum(one.sent for one in step.collectives) / 1e9:.2f}"
        guess = ["-"] * 3 if estimate is None else [estimate.bound, _range(estimate.step), _range(estimate.dollars)]
        capacity = "-" if plan.capacity is None else f"{plan.capacity / GIB:.2f}"
        fits = "yes" if plan.fits else "no"
        cells = [plan.topology, str(plan.chips), plan.mesh, *sizes, capacity, fits, sent, *guess]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _compiled(name: str, one: Compiled, plan: Plan) -> list[str]:
    capacity = "" if plan.capacity is None else f" of {plan.capacity / GIB:.2f} GiB"
    lines = [
        f"  {name} (compiled in {one.seconds:.0f} s)",
        f"    memory             {one.held / GIB:.3f} GiB at once{capacity}; at most {one.peak / GIB:.3f}: arguments "
        f"{one.arguments / GIB:.3f}, temporaries {one.temporaries / GIB:.3f}, outputs {one.outputs / GIB:.3f}, "
        f"code {one.code / GIB:.3f}",
        f"    compiler's count   {one.flops:.3g} flops, {one.bytes_accessed:.3g} bytes (loops once)",
    ]
    for found in one.collectives:
        lines.append(
            f"    {found.kind:<19}{found.runs} of {found.group} devices, {found.sent / 1e6:,.1f} MB sent a device"
        )
    return lines


def _largest(plan: Plan) -> list[str]:
    lines = ["  largest arrays that go in, a device"]
    lines += [f"    {size / 2**20:10,.1f} MiB  {name}" for name, size in plan.largest_arguments]
    lines += ["  largest arrays of the program before it is compiled, a device"]
    return lines + [f"    {size / 2**20:10,.1f} MiB  {name}" for name, size in plan.largest_temporaries]


def _range(ends: tuple[float, float], unit: str = "") -> str:
    low, high = (f"{end:.3g}" if end < 100 else f"{end:,.0f}" for end in ends)
    return f"{low} to {high}{unit}"


__all__ = ["as_text", "sweep_table"]
