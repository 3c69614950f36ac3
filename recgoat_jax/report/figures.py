"""Figures of finished runs, drawn from their saved files alone: learning curves and learned fusion weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recgoat_jax.errors import UsageError
from recgoat_jax.report.comparison_table import run_labels
from recgoat_jax.report.style import FONT_SIZE, GREY, finish_axes, legend_below, line_style, new_figure, save
from recgoat_jax.serving.run import Run, load_run

FUSION_PREFIX = "fusion/"
"""Diagnostics that hold fusion weights: ``"fusion/id"``, ``"fusion/text"``, ..."""


def draw_curves(runs: Sequence[Run | Path], out: Path, *, metric: str = "recall@20") -> tuple[Path, Path]:
    """Writes `curves_figure` to ``out.png`` and ``out.pdf``; arguments, errors as there, and the two paths."""
    return save(curves_figure(runs, metric=metric), out)


def draw_fusion_weights(run: Run | Path, out: Path) -> tuple[Path, Path]:
    """Writes `fusion_weights_figure` to ``out.png`` and ``out.pdf``; arguments, errors as there, and the two paths."""
    return save(fusion_weights_figure(run), out)


def curves_figure(runs: Sequence[Run | Path], *, metric: str = "recall@20") -> Figure:
    """Draws training loss and validation metric over epochs, a line a run, the selected epoch marked.

    A run that trains nothing (most-popular) has no curve; its validation value is a level line.

    Args:
        runs: finished runs, or their directories, one at least.
        metric: validation metric of the right-hand panel.

    Returns:
        The figure.

    Raises:
        UsageError: no run, or none that has the metric.
    """
    if not runs:
        raise UsageError("no run to draw; expected one or more.")
    opened = [_opened(run) for run in runs]
    figure, (loss_axes, metric_axes) = new_figure(2)
    drawn = 0
    for index, (label, run) in enumerate(zip(run_labels(opened), opened, strict=True)):
        style = line_style(index)
        epochs, losses = series(run, "train", "loss")
        if epochs:
            loss_axes.plot(epochs, losses, **style, **_point(epochs))
        epochs, values = series(run, "valid", metric)
        level = run.result.get("valid", {}).get(metric)
        best = run.result.get("best_epoch")
        if epochs:
            metric_axes.plot(epochs, values, label=label, **style, **_point(epochs))
            if best in epochs:
                metric_axes.plot(best, values[epochs.index(best)], "o", color=style["color"], markersize=5)
        elif level is not None:
            metric_axes.axhline(level, label=label, **style)
        drawn += bool(epochs) or level is not None
    if not drawn:
        known = sorted({key for run in opened for line in run.log if line["kind"] == "valid" for key in line})
        raise UsageError(f"no run has validation metric '{metric}'; expected one of {', '.join(known)}.")
    finish_axes(loss_axes, title="Training loss", x="epoch", y="loss, mean of the epoch")
    finish_axes(metric_axes, title=f"Validation {metric} (dot: selected epoch)", x="epoch", y=metric)
    legend_below(figure, metric_axes, columns=min(len(runs), 4))
    return figure


def fusion_weights_figure(run: Run | Path) -> Figure:
    """Draws the learned fusion weights of the modalities over epochs.

    Args:
        run: a finished run, or its directory, whose model logs weights as ``fusion/NAME``.

    Returns:
        The figure.

    Raises:
        UsageError: the run logs no fusion weights.
    """
    run = _opened(run)
    names = list(dict.fromkeys(key for line in run.log for key in line if key.startswith(FUSION_PREFIX)))
    if not names:
        raise UsageError(
            f"run '{run.name}' in {run.directory} has no fusion weights in its log; expected keys "
            f"'{FUSION_PREFIX}...'. Draw a run of a model that fuses modalities."
        )
    figure, (axes,) = new_figure(1)
    best = run.result.get("best_epoch")
    for index, name in enumerate(names):
        epochs, weights = series(run, None, name)
        axes.plot(epochs, weights, label=name.removeprefix(FUSION_PREFIX), **line_style(index), **_point(epochs))
    if best:
        axes.axvline(best, color=GREY, linewidth=0.8, label="selected epoch")
    axes.set_ylim(bottom=0)
    finish_axes(axes, title=f"Fusion weights of {run.name}", x="epoch", y="softmax weight")
    axes.legend(frameon=False, fontsize=FONT_SIZE, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _opened(run: Run | Path) -> Run:
    return load_run(run) if isinstance(run, Path) else run


def series(run: Run, kind: str | None, key: str) -> tuple[list[int], list[float]]:
    """Epochs and values of one key of the log; of several records of an epoch the last."""
    records: list[dict[str, Any]] = [line for line in run.log if key in line and kind in (None, line["kind"])]
    values = {int(line["epoch"]): float(line[key]) for line in records}
    return list(values), list(values.values())


def _point(epochs: Sequence[int]) -> dict[str, Any]:
    """A line of one point needs a marker to be seen."""
    return {"marker": "."} if len(epochs) == 1 else {}


__all__ = [
    "FUSION_PREFIX",
    "curves_figure",
    "draw_curves",
    "draw_fusion_weights",
    "fusion_weights_figure",
    "series",
]
