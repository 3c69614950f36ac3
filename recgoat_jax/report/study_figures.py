"""Figures of a study: what each trial found, and validation against test once it is unblinded."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
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

Ended = Literal["complete", "pruned"]
"""How a trial that has a value ended: by itself, or early."""

_LABELS: dict[Ended, str] = {"complete": "trial", "pruned": "ended early"}


def search_figure(numbers: Sequence[int], values: Sequence[float], ended: Sequence[Ended], *, metric: str) -> Figure:
    """Draws the value of each trial over its number, with a line through the best so far.

    Args:
        numbers: of the trials, ascending.
        values: validation values, one a trial.
        ended: how each ended; those that ended early are hollow, with what they had by then.
        metric: name of the metric.

    Returns:
        The figure.

    Raises:
        UsageError: no trial.
    """
    if not numbers:
        raise UsageError("no trial to draw; expected one or more that did not fail.")
    figure = blank_figure(PANEL_INCHES[0] * 1.5, PANEL_INCHES[1])
    axes = figure.subplots()
    best = np.maximum.accumulate(np.asarray(values))
    axes.plot(numbers, best, drawstyle="steps-post", color=GREY, linewidth=1.2, label="best so far", zorder=1)
    _scatter(axes, numbers, values, ended)
    place = int(np.argmax(values))
    axes.plot(numbers[place], values[place], "*", color=COLORS[1], markersize=13, label="best trial", zorder=3)
    finish_axes(axes, title=f"Best validation {metric} of each trial", x="trial", y=f"{metric}, validation")
    legend_below(figure, axes, fontsize=FONT_SIZE - 1)
    return figure


def validation_against_test_figure(
    valid: Sequence[float], test: Sequence[float], ended: Sequence[Ended], *, metric: str, chosen: int
) -> Figure:
    """Draws each trial's validation value against its test value.

    Args:
        valid: validation values, one a trial.
        test: test values of the same parameters.
        ended: how each trial ended; those that ended early are hollow.
        metric: name of the metric.
        chosen: place of the trial that validation chose.

    Returns:
        The figure: the chosen trial a star, its test value a line; trials above it are better on test.

    Raises:
        UsageError: no trial.
    """
    if not valid:
        raise UsageError("no trial to draw; expected one or more that did not fail.")
    figure = blank_figure(PANEL_INCHES[0] * 1.2, PANEL_INCHES[1] * 1.15)
    axes = figure.subplots()
    _scatter(axes, valid, test, ended)
    axes.plot(valid[chosen], test[chosen], "*", color=COLORS[1], markersize=13, label="chosen", zorder=3)
    axes.axhline(test[chosen], color=GREY, linewidth=0.8, linestyle="--", zorder=1, label="its test value")
    finish_axes(
        axes,
        title=f"{metric}: validation against test, a dot a trial",
        x=f"{metric}, validation",
        y=f"{metric}, test",
        categories=True,
    )
    legend_below(figure, axes, fontsize=FONT_SIZE - 1)
    return figure


def _scatter(axes: Axes, across: Sequence[int | float], up: Sequence[float], ended: Sequence[Ended]) -> None:
    for kind, label in _LABELS.items():
        chosen = [place for place, one in enumerate(ended) if one == kind]
        if not chosen:
            continue
        axes.plot(
            [across[place] for place in chosen],
            [up[place] for place in chosen],
            MARKERS[0],
            color=COLORS[0],
            markerfacecolor=COLORS[0] if kind == "complete" else "none",
            markersize=5,
            label=label,
            zorder=2,
        )


__all__ = ["Ended", "search_figure", "validation_against_test_figure"]
