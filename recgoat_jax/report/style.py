"""How figures look: the one place for colours, fonts and sizes."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008): told apart with any colour vision. Yellow, which is faint on white, is left out."""

LINE_STYLES = ("-", "--", ":", "-.")
"""A second cue beside the colour, and the way to tell runs apart beyond the seventh."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""The second cue where there are points and no lines."""

COLOR_MAP = "cividis"
"""Values as colours: even steps of lightness, the same to any colour vision."""

FONT_SIZE = 9.0
"""Points."""
PANEL_INCHES = (4.2, 3.0)
"""Width and height of a panel."""
GREY = "#666666"
"""Of what is not a run."""

_PNG_DPI = 200


def line_style(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th line."""
    return {
        "color": COLORS[index % len(COLORS)],
        "linestyle": LINE_STYLES[(index % len(COLORS) + index // len(COLORS)) % len(LINE_STYLES)],
        "linewidth": 1.6,
    }


def new_figure(num_panels: int) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, outside of pyplot and of matplotlib's global state."""
    figure = blank_figure(PANEL_INCHES[0] * num_panels, PANEL_INCHES[1])
    return figure, list(figure.subplots(1, num_panels, squeeze=False)[0])


def blank_figure(width: float, height: float) -> Figure:
    """A figure without axes, sizes in inches, outside of pyplot and of matplotlib's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish_axes(axes: Axes, *, title: str, x: str, y: str, categories: bool = False) -> None:
    """Titles, sizes, a light grid, no box; whole numbers on the x axis, unless it carries ``categories``."""
    axes.set_title(title, fontsize=FONT_SIZE + 1, loc="left")
    axes.set_xlabel(x, fontsize=FONT_SIZE)
    axes.set_ylabel(y, fontsize=FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE - 1, color=GREY)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if not categories:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_below(figure: Figure, axes: Axes, *, columns: int | None = None, **options: Any) -> None:
    """What the axes' labels mean, below all panels, without a box.

    Args:
        figure: gets the legend.
        axes: whose labels.
        columns: of the legend; None: one row.
        **options: others of matplotlib's legend.
    """
    handles, labels = axes.get_legend_handles_labels()
    shown: dict[str, Any] = {"ncols": columns or len(labels), "frameon": False, "fontsize": FONT_SIZE} | options
    figure.legend(handles, labels, loc="outside lower center", **shown)


def save(figure: Figure, out: Path) -> tuple[Path, Path]:
    """Writes ``out.png`` and ``out.pdf``; the same figure gives the same bytes.

    Args:
        figure: what to write.
        out: path without suffix; its directory is made when missing.

    Returns:
        The two paths.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = out.with_name(out.name + ".png"), out.with_name(out.name + ".pdf")
    figure.savefig(png, dpi=_PNG_DPI)
    # The second file keeps the layout of the first: making one takes longer than drawing.
    figure.set_layout_engine("none")
    figure.savefig(pdf, metadata={"CreationDate": None})
    return png, pdf


__all__ = [
    "COLORS",
    "COLOR_MAP",
    "FONT_SIZE",
    "GREY",
    "MARKERS",
    "PANEL_INCHES",
    "blank_figure",
    "finish_axes",
    "legend_below",
    "line_style",
    "new_figure",
    "save",
]
