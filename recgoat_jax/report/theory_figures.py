"""The theory drawn: the counter-example of lemma 3.3, the bounds of a run, and those of the planted sweep."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from recgoat_jax.errors import UsageError
from recgoat_jax.report.planted import PlantedPoint
from recgoat_jax.report.style import COLORS, FONT_SIZE, GREY, MARKERS, PANEL_INCHES, blank_figure, finish_axes
from recgoat_jax.report.theory import ViewBounds

SERIES = ("left side", "direct", "corrected", "printed")
"""What is drawn of a statement: its left side and its bounds."""

_LOOKS: dict[str, dict[str, Any]] = {
    "left side": {"color": COLORS[6], "marker": MARKERS[0]},
    "direct": {"color": COLORS[2], "marker": MARKERS[1]},
    "corrected": {"color": COLORS[0], "marker": MARKERS[2]},
    "printed": {"color": COLORS[1], "marker": MARKERS[3]},
}
_PANELS = {
    "distance": "Lemma 3.3, unit length",
    "errors": "Lemma 3.4, as scored",
    "theorem": "Theorem, unit length",
}
_SHOWN = {"distance": "distance", "errors": "difference of errors", "theorem": "difference of errors"}


def counter_example_figure(*, temperature: float = 0.2, batches: Sequence[int] = (2, 8)) -> Figure:
    r"""Draws why lemma 3.3 is false as printed.

    Left: all fused vectors equal, all of the modality opposite: the distance is 2, the loss :math:`\ln B`, and so the
    printed bound :math:`\sqrt{4 \tau \ln B}`. Right: this bound over B, and :math:`\sqrt{2 \tau \ln B}`, below which no
    loss can bring it.

    Args:
        temperature: tau.
        batches: batch sizes that are named on the left.

    Returns:
        The figure.
    """
    figure = blank_figure(2.3 * PANEL_INCHES[0], 1.15 * PANEL_INCHES[1])
    circle, curve = figure.subplots(1, 2, width_ratios=[1, 1.35])
    _draw_circle(circle, temperature, batches)
    _draw_curve(curve, temperature, batches)
    return figure


def _draw_circle(axes: Axes, temperature: float, batches: Sequence[int]) -> None:
    angle = np.linspace(0, 2 * math.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color=GREY, linewidth=0.8)
    axes.plot([-1, 1], [0, 0], color=COLORS[6], linewidth=1.2, zorder=1)
    axes.plot([1], [0], MARKERS[0], color=COLORS[0], markersize=9)
    axes.plot([-1], [0], MARKERS[1], color=COLORS[1], markersize=9)
    axes.text(1.12, 0, "$z$, all\nof them", fontsize=FONT_SIZE, va="center", color=COLORS[0])
    axes.text(-1.12, 0, "$z^m = -z$", fontsize=FONT_SIZE, va="center", ha="right", color=COLORS[1])
    axes.text(0, 0.08, "distance 2", fontsize=FONT_SIZE, ha="center")
    bounds = [f"bound at $B$ = {batch}: {math.sqrt(4 * temperature * math.log(batch)):.3f}" for batch in batches]
    axes.text(0, -0.14, "\n".join(bounds), fontsize=FONT_SIZE, ha="center", va="top")
    axes.set_title("Opposite vectors, unit length", fontsize=FONT_SIZE + 1, loc="left")
    axes.set_aspect("equal")
    axes.set_xlim(-2.2, 2.0)
    axes.set_axis_off()


def _draw_curve(axes: Axes, temperature: float, batches: Sequence[int]) -> None:
    sizes = np.geomspace(2, 4096, 200)
    logs = temperature * np.log(sizes)
    never_fails = math.exp(1 / temperature)
    axes.axvspan(2, never_fails, color=COLORS[1], alpha=0.12, linewidth=0)
    axes.plot(sizes, np.sqrt(4 * logs), color=COLORS[1], label=r"printed bound at $L = \ln B$")
    axes.plot(sizes, np.sqrt(2 * logs), color=COLORS[1], linestyle="--", label="printed bound at $L = 0$")
    for height, text in ((2.0, "opposite"), (math.sqrt(2), "unrelated")):
        axes.axhline(height, color=GREY, linewidth=0.8)
        axes.text(4096, height + 0.03, text, fontsize=FONT_SIZE - 1, ha="right", color=GREY)
    axes.plot(batches, [math.sqrt(4 * temperature * math.log(batch)) for batch in batches], "o", color=COLORS[1],
              clip_on=False)  # fmt: skip
    axes.text(2.2, 2.5, "may fail", fontsize=FONT_SIZE, color=COLORS[1])
    axes.text(1.15 * never_fails, 2.5, "cannot fail", fontsize=FONT_SIZE, color=COLORS[6])
    axes.set_xscale("log", base=2)
    axes.set_xlim(2, 4096)
    axes.set_ylim(0, 2.75)
    finish_axes(axes, title="Printed bound over the batch", x="$B$, rows of a batch", y="distance", categories=True)
    axes.set_xticks([2, 8, 32, 128, 512, 2048], ["2", "8", "32", "128", "512", "2048"])
    axes.legend(frameon=False, fontsize=FONT_SIZE - 1, loc="lower right")


def sides(bounds: ViewBounds) -> dict[str, dict[str, float]]:
    """Panel of `bounds_figure` to series to value, as a share of what shuffled rows have."""
    instance, errors, (unit_errors, printed, corrected) = bounds
    found = {
        "distance": (instance.shuffled, {"left side": instance.distance}),
        "errors": (errors.shuffled, {"left side": errors.difference, "direct": errors.direct}),
        "theorem": (unit_errors.shuffled, {"left side": unit_errors.difference, "direct": unit_errors.direct}),
    }
    found["distance"][1].update({"corrected": instance.corrected, "printed": instance.printed})
    found["errors"][1].update({"printed": errors.printed})
    found["theorem"][1].update({"corrected": corrected, "printed": printed})
    return {
        panel: {name: value / scale if scale else 0.0 for name, value in values.items()}
        for panel, (scale, values) in found.items()
    }


def bounds_figure(rows: Mapping[str, ViewBounds]) -> Figure:
    """Draws left side and bounds of every view, a row a view, as shares of what shuffled rows have.

    Args:
        rows: label, such as ``"text, after"``, to bounds, from top to bottom.

    Returns:
        The figure: a panel a statement; from 1 on, the shaded part, a bound says nothing.

    Raises:
        UsageError: nothing to draw.
    """
    if not rows:
        raise UsageError("no bounds to draw; expected those of one view or more.")
    figure = blank_figure(0.85 * PANEL_INCHES[0] * len(_PANELS) + 0.6, 1.4 + 0.32 * len(rows))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    found = [sides(one) for one in rows.values()]
    for axes, (panel, title) in zip(panels, _PANELS.items(), strict=True):
        for series in SERIES:
            points = [(of_row[panel][series], place) for place, of_row in enumerate(found) if series in of_row[panel]]
            if points:
                axes.plot(*zip(*points, strict=True), linestyle="none", markersize=6.5, alpha=0.85, **_LOOKS[series])
        finish_axes(axes, title=title, x=f"{_SHOWN[panel]} / shuffled", y="", categories=True)
        if panel == "distance":
            axes.set_xlim(-0.05, max(2.0, axes.get_xlim()[1]))
        else:
            axes.set_xscale("log")
            axes.set_xlim(right=max(4.0, axes.get_xlim()[1]))
            axes.xaxis.set_major_locator(LogLocator(numticks=6))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.axvspan(1.0, axes.get_xlim()[1], color=GREY, alpha=0.13, linewidth=0, zorder=0)
    panels[0].set_yticks(range(len(rows)), list(rows), fontsize=FONT_SIZE)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    _legend(figure)
    return figure


def planted_figure(points: Sequence[PlantedPoint]) -> Figure:
    """Draws the planted sweep: a panel a world with the errors above, and with lemma 3.3 below.

    Args:
        points: of `planted.planted_sweep`.

    Returns:
        The figure. Above: errors of both modalities and of the fused vectors. Below, of the second modality: distance,
        corrected bound at the largest batch, and printed bounds, a line a batch size.

    Raises:
        UsageError: nothing to draw.
    """
    if not points:
        raise UsageError("no point of a sweep to draw; expected one or more.")
    worlds = list(dict.fromkeys(point.world for point in points))
    figure = blank_figure(0.8 * PANEL_INCHES[0] * len(worlds), 1.75 * PANEL_INCHES[1])
    grid = figure.subplots(2, len(worlds), squeeze=False, sharey="row")
    for column, world in enumerate(worlds):
        of_world = [point for point in points if point.world == world]
        noises = [point.noise for point in of_world]
        _draw_errors(grid[0, column], of_world, noises, title=world)
        _draw_distances(grid[1, column], of_world, noises)
    grid[0, 0].set_ylabel("mean absolute error", fontsize=FONT_SIZE)
    grid[1, 0].set_ylabel("distance, second modality", fontsize=FONT_SIZE)
    for axes in grid.flat:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    for row in range(2):
        grid[row, -1].legend(frameon=False, fontsize=FONT_SIZE - 1, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _draw_errors(axes: Axes, points: Sequence[PlantedPoint], noises: Sequence[float], *, title: str) -> None:
    for index, name in enumerate(points[0].views):
        values = [point.views[name].errors.view_error for point in points]
        axes.plot(noises, values, color=COLORS[index], linestyle=("--", ":")[index % 2], marker=MARKERS[index],
                  markersize=4, label=f"{name} modality")  # fmt: skip
    fused = [next(iter(point.views.values())).errors.fused_error for point in points]
    axes.plot(noises, fused, color=COLORS[6], marker=MARKERS[3], markersize=4, label="fused")
    finish_axes(axes, title=title, x="", y="", categories=True)


def _draw_distances(axes: Axes, points: Sequence[PlantedPoint], noises: Sequence[float]) -> None:
    name = list(points[0].views)[-1]
    batches = [[point.batches[name][place] for point in points] for place in range(len(points[0].batches[name]))]
    axes.plot(noises, [one.distance for one in batches[-1]], color=COLORS[6], marker=MARKERS[0], markersize=4,
              label="distance")  # fmt: skip
    axes.plot(noises, [one.corrected for one in batches[-1]], color=COLORS[0], marker=MARKERS[2], markersize=4,
              label=f"corrected, $B$ = {batches[-1][0].batch}")  # fmt: skip
    for place, of_batch in enumerate(batches):
        axes.plot(noises, [one.printed for one in of_batch], color=COLORS[1], linestyle=(":", "--", "-.")[place % 3],
                  marker=MARKERS[3 + place % 3], markersize=4, label=f"printed, $B$ = {of_batch[0].batch}")  # fmt: skip
    finish_axes(axes, title="", x="noise / length of an item vector", y="", categories=True)


def _legend(figure: Figure) -> None:
    handles = [Line2D([], [], linestyle="none", markersize=6.5, label=name, **_LOOKS[name]) for name in SERIES]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(SERIES), frameon=False, fontsize=FONT_SIZE)


__all__ = ["SERIES", "bounds_figure", "counter_example_figure", "planted_figure", "sides"]
