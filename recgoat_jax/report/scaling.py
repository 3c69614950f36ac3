"""The scaling figure of a sweep of plans, from the JSON that ``recgoat plan --json`` wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator

from recgoat_jax.errors import UsageError
from recgoat_jax.report.style import COLORS, FONT_SIZE, finish_axes, new_figure, save

Plan = Mapping[str, Any]
"""A plan in its JSON form."""


def draw_scaling(plans: Sequence[Plan], out: Path) -> tuple[Path, Path]:
    """Draws memory of a chip, and time of a step, against the number of chips.

    Args:
        plans: plans of one experiment, those that do not fit included.
        out: path without suffix.

    Returns:
        Paths of the PNG and the PDF.

    Raises:
        UsageError: no plan.
    """
    if not plans:
        raise UsageError("no plan to draw; expected one or more.")
    figure, (memory, seconds) = new_figure(2)
    for color, family in zip(COLORS, dict.fromkeys(plan["topology"].partition(":")[0] for plan in plans), strict=False):
        own = sorted((p for p in plans if p["topology"].startswith(f"{family}:")), key=lambda plan: plan["chips"])
        compiled = [(plan["chips"], plan["compiled"]["step"]) for plan in own if plan["compiled"]["step"] is not None]
        for name, label, style in (("held", "a step, at once", "o-"), ("arguments", "tables, moments, graphs", "s:")):
            memory.plot(
                [chips for chips, _ in compiled],
                [step[name] / 2**30 for _, step in compiled],
                style,
                color=color,
                label=f"{family}: {label}",
            )
        if capacity := own[0]["capacity"]:
            memory.axhline(capacity / 2**30, color=color, linewidth=1, linestyle="--", label=f"{family}: a chip has")
            refused = [plan["chips"] for plan in own if plan["compiled"]["step"] is None]
            memory.plot(refused, [capacity / 2**30] * len(refused), "x", color=color, markersize=8)
        timed = [(plan["chips"], plan["estimated"]["step"]) for plan in own if plan["estimated"] is not None]
        for end, label, style in ((0, "all overlapped", "o-"), (1, "nothing overlapped", "^:")):
            seconds.plot(
                [chips for chips, _ in timed],
                [step[end] for _, step in timed],
                style,
                color=color,
                label=f"{family}: {label}",
            )
    finish_axes(memory, title="Memory, compiled (x: does not fit)", x="chips", y="GiB a chip")
    finish_axes(seconds, title="A step, estimated", x="chips", y="seconds")
    counts = sorted({plan["chips"] for plan in plans})
    for axes in (memory, seconds):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.legend(fontsize=FONT_SIZE - 2, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return save(figure, out)


__all__ = ["draw_scaling"]
