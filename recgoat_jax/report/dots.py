"""Values as dots, one a seed: single views against the fused vector, and groups of users or items."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from recgoat_jax.errors import UsageError
from recgoat_jax.report.style import (
    COLORS,
    FONT_SIZE,
    GREY,
    MARKERS,
    PANEL_INCHES,
    blank_figure,
    finish_axes,
    legend_below,
)

Values = Mapping[str, Sequence[float]]
"""Row or group to the value of every seed."""


def view_figure(panels: Mapping[str, Mapping[str, Values]]) -> Figure:
    """Draws what each view of the items is worth alone, and what they are worth fused.

    Args:
        panels: metric to series to row to the value of every seed, such as
            ``{"recall@20": {"aligned": {"fused": [0.21], "id": [0.20]}, "unaligned": {"text": [0.02]}}}``. A series
            need not have every row.

    Returns:
        The figure: a panel a metric, a row a view in the order of first mention, a dot a seed.

    Raises:
        UsageError: nothing to draw.
    """
    rows = list(dict.fromkeys(row for series in panels.values() for values in series.values() for row in values))
    if not rows:
        raise UsageError("no view to draw; expected a metric, a series and a value or more.")
    figure = blank_figure(PANEL_INCHES[0] * len(panels), 1.3 + 0.32 * len(rows))
    for index, (axes, (metric, series)) in enumerate(
        zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels.items(), strict=True)
    ):
        for place, (name, values) in enumerate(series.items()):
            points = [(value, rows.index(row)) for row, of_seeds in values.items() for value in of_seeds]
            axes.plot(
                [value for value, _ in points],
                [row for _, row in points],
                MARKERS[place],
                color=COLORS[place],
                markerfacecolor=COLORS[place] if place == 0 else "none",
                markersize=7,
                alpha=0.8,
                label=name,
            )
        finish_axes(axes, title=metric, x=f"{metric}, test", y="", categories=True)
        axes.set_yticks(range(len(rows)), rows, fontsize=FONT_SIZE)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        if index == 0 and len(series) > 1:
            legend_below(figure, axes)
    return figure


def row_figure(parts: Mapping[str, Values], *, metric: str, baselines: Mapping[str, str]) -> Figure:
    """Draws the rows of result tables, one table below the other, on scales of their own.

    Args:
        parts: title of a table to row to the value of every seed; a row without any stays empty.
        metric: name of the metric.
        baselines: title of a table to the row whose mean is drawn as a line.

    Returns:
        The figure: a dot a seed, means as thin marks; the baseline's row has dots of another colour.

    Raises:
        UsageError: nothing to draw.
    """
    if not parts or not all(any(rows.values()) for rows in parts.values()):
        raise UsageError("no rows to draw; expected a table and a value or more.")
    heights = [len(rows) + 2.0 for rows in parts.values()]
    figure = blank_figure(1.6 * PANEL_INCHES[0], 0.26 * sum(heights) + 0.2)
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, rows) in zip(grid, parts.items(), strict=True):
        for place, (row, values) in enumerate(rows.items()):
            if not values:
                continue
            color = COLORS[1] if row == baselines[title] else COLORS[0]
            mean = sum(values) / len(values)
            axes.plot(values, [place] * len(values), MARKERS[0], color=color, markersize=5, alpha=0.6, linewidth=0)
            axes.plot([mean, mean], [place - 0.3, place + 0.3], color=color, linewidth=1.2)
            if row == baselines[title]:
                axes.axvline(mean, color=color, linewidth=0.8, linestyle="--", zorder=0)
        finish_axes(axes, title=title, x=f"{metric}, test", y="", categories=True)
        axes.set_yticks(range(len(rows)), rows, fontsize=FONT_SIZE - 1)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        # Labels of rows take room from the axes, and values of four decimals would run into each other.
        axes.locator_params(axis="x", nbins=5)
    return figure


def group_figure(panels: Mapping[str, Values], *, metric: str, sizes: Mapping[str, Sequence[int]]) -> Figure:
    """Draws a metric over groups, such as users by their activity and items by their popularity.

    Args:
        panels: what the groups are made by, to group to the value of every seed; groups from low to high.
        metric: name of the metric.
        sizes: what the groups are made by, to the number of users or items in each group, written below its name.

    Returns:
        The figure: a panel a grouping, a dot a seed, a thin line through the means of the groups.

    Raises:
        UsageError: nothing to draw.
    """
    if not panels:
        raise UsageError("no groups to draw; expected one grouping or more.")
    figure = blank_figure(PANEL_INCHES[0] * len(panels), PANEL_INCHES[1])
    for axes, (title, groups) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        means = [sum(values) / len(values) for values in groups.values()]
        axes.plot(range(len(groups)), means, color=GREY, linewidth=0.8, zorder=1)
        for place, values in enumerate(groups.values()):
            axes.plot([place] * len(values), values, MARKERS[0], color=COLORS[0], markersize=7, alpha=0.8)
        finish_axes(axes, title=title, x="", y=metric, categories=True)
        names = [f"{name}\nn = {size:,}" for name, size in zip(groups, sizes[title], strict=True)]
        axes.set_xticks(range(len(groups)), names, fontsize=FONT_SIZE - 1)
        axes.set_xlim(-0.5, len(groups) - 0.5)
        axes.set_ylim(bottom=0)
    return figure


__all__ = ["Values", "group_figure", "row_figure", "view_figure"]
