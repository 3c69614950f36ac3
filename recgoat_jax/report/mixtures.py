"""The metric of every mixture of views: a heat map over a triangle for three views, a line for two."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.report.style import (
    COLOR_MAP,
    COLORS,
    FONT_SIZE,
    GREY,
    PANEL_INCHES,
    blank_figure,
    finish_axes,
    line_style,
    new_figure,
)


class Mixtures(NamedTuple):
    """A metric over mixtures of views.

    Attributes:
        weights: ``mixtures views``, rows that sum to 1.
        values: ``mixtures``, the metric of each.
    """

    weights: Float[np.ndarray, "mixtures views"]
    values: Float[np.ndarray, " mixtures"]

    @property
    def best(self) -> Float[np.ndarray, " views"]:
        """Weights of the best mixture, the first of equal ones."""
        return self.weights[np.argmax(self.values)]

    @property
    def spread(self) -> float:
        """(max - min) / max of the metric; 0 where all of it is 0."""
        top = float(self.values.max())
        return (top - float(self.values.min())) / top if top > 0 else 0.0


def simplex_grid(num_views: int, steps: int) -> Float[np.ndarray, "mixtures views"]:
    """All weights of some views that are multiples of 1 / steps and sum to 1.

    Args:
        num_views: 1 or more.
        steps: 1 or more; 10 gives 66 mixtures of three views.

    Returns:
        ``mixtures views``, float64; the first view's weight falls from row to row.

    Raises:
        UsageError: a number below 1.
    """
    if num_views < 1 or steps < 1:
        raise UsageError(f"{num_views} views in {steps} steps; expected 1 or more of each.")
    whole = [row for row in product(range(steps, -1, -1), repeat=num_views) if sum(row) == steps]
    return np.asarray(whole, float) / steps


def mixture_figure(
    panels: Mapping[str, Mixtures], *, names: Sequence[str], metric: str, learned: Sequence[float] | None = None
) -> Figure:
    """Draws the metric of every mixture, panels on one scale.

    Args:
        panels: title to mixtures, of the same views.
        names: of the views, two or three; the first is at the top of the triangle.
        metric: name of the metric.
        learned: weights that are marked, such as those that training found.

    Returns:
        The figure: for three views a triangle a panel, colours interpolated between the mixtures, which are dots; for
        two a line a panel, over the weight of the first view. A star is the best mixture, a cross the learned one.

    Raises:
        UsageError: no panel, or another number of views.
        MissingExtraError: three views, and mpltern is not installed.
    """
    if not panels or len(names) not in (2, 3):
        raise UsageError(f"{len(panels)} panels of {len(names)} views; expected one or more, of two or three views.")
    wrong = [mixtures.weights.shape for mixtures in panels.values() if mixtures.weights.shape[1] != len(names)]
    if wrong:
        raise UsageError(f"mixtures of shape {wrong[0]} for the views {', '.join(names)}; expected a column a view.")
    if len(names) == 2:
        return _lines(panels, names, metric, learned)
    return _triangles(panels, names, metric, learned)


def _lines(
    panels: Mapping[str, Mixtures], names: Sequence[str], metric: str, learned: Sequence[float] | None
) -> Figure:
    figure, (axes,) = new_figure(1)
    for index, (title, mixtures) in enumerate(panels.items()):
        order = np.argsort(mixtures.weights[:, 0])
        style = line_style(index)
        axes.plot(mixtures.weights[order, 0], mixtures.values[order], label=title, marker=".", **style)
        axes.plot(mixtures.best[0], mixtures.values.max(), marker="*", markersize=10, color=style["color"])
    if learned is not None:
        axes.axvline(learned[0], color=GREY, linewidth=0.8, label="learned weight")
    finish_axes(
        axes,
        title=f"{metric} of every mixture (star: best)",
        x=f"weight of {names[0]}; the rest is {names[1]}",
        y=metric,
        categories=True,
    )
    axes.legend(frameon=False, fontsize=FONT_SIZE, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _triangles(
    panels: Mapping[str, Mixtures], names: Sequence[str], metric: str, learned: Sequence[float] | None
) -> Figure:
    try:
        import mpltern  # noqa: F401  (it adds the projection)
    except ImportError as error:
        raise MissingExtraError.of("mpltern", extra="report") from error
    figure = blank_figure(PANEL_INCHES[0] * len(panels) + 0.6, PANEL_INCHES[1] + 0.3)
    low = min(float(mixtures.values.min()) for mixtures in panels.values())
    high = max(float(mixtures.values.max()) for mixtures in panels.values())
    drawn: list[Any] = []
    shades: Any = None
    for place, (title, mixtures) in enumerate(panels.items(), start=1):
        axes: Any = figure.add_subplot(1, len(panels), place, projection="ternary")
        corners = mixtures.weights.T
        shades = axes.tripcolor(*corners, mixtures.values, shading="gouraud", cmap=COLOR_MAP, vmin=low, vmax=high)
        # The best mixture is often a corner: marks are whole there, and above the frame.
        above = {"clip_on": False, "zorder": 10}
        axes.plot(*corners, ".", color="#ffffff", markersize=2.5, markeredgewidth=0, alpha=0.7)
        if learned is not None:
            axes.plot(*np.asarray(learned)[:, None], "x", color=COLORS[1], markersize=10, markeredgewidth=2, **above)
        axes.plot(*mixtures.best[:, None], "*", color=COLORS[1], markersize=11, markeredgecolor="#ffffff", **above)
        for axis, name in zip((axes.taxis, axes.laxis, axes.raxis), names, strict=True):
            axis.set_label_text(name, fontsize=FONT_SIZE)
            axis.set_label_rotation_mode("horizontal")
        axes.tick_params(labelsize=FONT_SIZE - 2)
        axes.set_title(title, fontsize=FONT_SIZE + 1, loc="left", pad=2)
        drawn.append(axes)
    bar = figure.colorbar(shades, ax=drawn, shrink=0.7, pad=0.02)
    bar.set_label(metric, fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    return figure


__all__ = ["Mixtures", "mixture_figure", "simplex_grid"]
