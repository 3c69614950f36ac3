"""Transport: the plans between feature axes with their marginals, and transport costs over epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from recgoat_jax.errors import UsageError
from recgoat_jax.report.style import (
    COLOR_MAP,
    COLORS,
    FONT_SIZE,
    GREY,
    blank_figure,
    finish_axes,
    line_style,
    new_figure,
)

Plan = Float[np.ndarray, "source target"]
"""A plan whose columns sum to 1: the share of each source axis in each target axis."""

_PANEL = 3.3


def effective_axes(plan: Plan) -> float:
    """Mean over target axes of exp(entropy) of their shares: how many source axes a target axis is made of.

    Args:
        plan: P, ``source x target``, not negative.

    Returns:
        1 for a permutation, the number of source axes for a uniform plan.
    """
    shares = plan / np.maximum(plan.sum(axis=0), 1e-30)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return float(np.exp(-(shares * logs).sum(axis=0)).mean())


def plan_figure(plans: Mapping[str, Mapping[str, Plan]]) -> Figure:
    """Draws plans as heat maps with their marginals.

    Args:
        plans: row (a modality) to column (such as ``"before training"``) to plan; every row has the same columns.

    Returns:
        The figure: a grid of heat maps, one colour scale a row. Above each its column sums, to the right its row
        sums; both are 1 in a settled plan. The title says how many source axes make up a target axis in the mean.

    Raises:
        UsageError: no plan.
    """
    if not plans:
        raise UsageError("no plan to draw; expected one or more.")
    columns = list(next(iter(plans.values())))
    figure = blank_figure(_PANEL * len(columns) + 0.9, _PANEL * len(plans))
    grid = figure.subplots(
        2 * len(plans),
        2 * len(columns),
        width_ratios=[5, 1] * len(columns),
        height_ratios=[1, 5] * len(plans),
        squeeze=False,
    )
    for row, (name, of_columns) in enumerate(plans.items()):
        top = max(float(plan.max()) for plan in of_columns.values())
        heat: Any = None
        for column, title in enumerate(columns):
            corner = [line[2 * column : 2 * column + 2] for line in grid[2 * row : 2 * row + 2]]
            heat = _plan_with_marginals(corner, of_columns[title], top=top, name=name, title=title)
        bar = figure.colorbar(heat, ax=list(grid[2 * row + 1, :]), fraction=0.04, pad=0.01)
        bar.set_label("share", fontsize=FONT_SIZE)
        bar.ax.tick_params(labelsize=FONT_SIZE - 2)
    return figure


def _plan_with_marginals(corner: Any, plan: Plan, *, top: float, name: str, title: str) -> Any:
    (above, empty), (middle, beside) = corner
    empty.set_axis_off()
    num_sources, num_targets = plan.shape
    heat = middle.pcolormesh(plan, cmap=COLOR_MAP, vmin=0, vmax=top, rasterized=True)
    middle.set_xlim(0, num_targets)
    middle.set_ylim(num_sources, 0)
    middle.set_xlabel("axis of the ID vectors", fontsize=FONT_SIZE - 1)
    middle.set_ylabel(f"axis of {name}", fontsize=FONT_SIZE - 1)
    middle.tick_params(labelsize=FONT_SIZE - 2, color=GREY)
    above.plot(np.arange(num_targets) + 0.5, plan.sum(axis=0), color=COLORS[0], linewidth=1)
    beside.plot(plan.sum(axis=1), np.arange(num_sources) + 0.5, color=COLORS[0], linewidth=1)
    # One scale for all marginals, so that a plan that has not settled is seen.
    for axes, limit, place in ((above, above.set_ylim, above.set_yticks), (beside, beside.set_xlim, beside.set_xticks)):
        limit(0, 2)
        place([0, 1, 2])
        axes.tick_params(labelsize=FONT_SIZE - 3, color=GREY)
        axes.spines[["top", "right"]].set_visible(False)
    above.set_xlim(0, num_targets)
    above.set_xticks([])
    beside.set_ylim(num_sources, 0)
    beside.set_yticks([])
    above.set_title(
        f"{name}, {title}\n{effective_axes(plan):.1f} of {num_sources} axes", fontsize=FONT_SIZE, loc="left"
    )
    return heat


def alignment_figure(
    distances: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, best_epoch: int | None = None
) -> Figure:
    """Draws the distance of each modality from the ID vectors over epochs.

    Args:
        distances: modality to epochs and to the transport cost <P / d, C> at each; 0 is before training.
        best_epoch: epoch that is marked.

    Returns:
        The figure, a line a modality.

    Raises:
        UsageError: nothing to draw.
    """
    if not distances:
        raise UsageError("no distance to draw; expected those of one modality or more.")
    figure, (axes,) = new_figure(1)
    for index, (name, (epochs, costs)) in enumerate(distances.items()):
        marker = {"marker": "o", "markersize": 4} if len(epochs) < 3 else {}
        axes.plot(epochs, costs, label=name, **line_style(index), **marker)
    if best_epoch:
        axes.axvline(best_epoch, color=GREY, linewidth=0.8, label="selected epoch")
    axes.set_ylim(bottom=0)
    finish_axes(axes, title="Distance from the ID vectors", x="epoch", y="transport cost")
    axes.legend(frameon=False, fontsize=FONT_SIZE, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


__all__ = ["Plan", "alignment_figure", "effective_axes", "plan_figure"]
