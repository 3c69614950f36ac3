"""Maps of the views of items in two dimensions (t-SNE: van der Maaten and Hinton 2008; openTSNE)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.report.style import COLORS, FONT_SIZE, MARKERS, PANEL_INCHES, blank_figure, legend_below

Points = Float[np.ndarray, "items 2"]
"""Places of items on a map."""


def embed_views(
    views: Mapping[str, Float[np.ndarray, "items dim"]], *, seed: int = 0, perplexity: int = 30
) -> dict[str, Points]:
    """Puts the views of the same items on one map, near where their cosine is high.

    Args:
        views: name to vectors, of one width.
        seed: of the start; the same seed on the same machine gives the same map.
        perplexity: about how many neighbours a point keeps; less where there are few points.

    Returns:
        Name to points.

    Raises:
        UsageError: fewer than four vectors in all.
        MissingExtraError: openTSNE is not installed.
    """
    stacked = np.concatenate([np.asarray(view, np.float64) for view in views.values()]) if views else np.zeros((0, 1))
    if len(stacked) < 4:
        raise UsageError(f"{len(stacked)} vectors to map; expected four or more.")
    try:
        from openTSNE import TSNE
    except ImportError as error:
        raise MissingExtraError.of("openTSNE", extra="report") from error
    # Between unit vectors the squared distance is 2 - 2 cosine.
    unit = stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12)
    mapping = TSNE(
        perplexity=min(perplexity, (len(unit) - 1) // 3),
        negative_gradient_method="bh",
        neighbors="exact",
        n_jobs=1,
        random_state=seed,
    )
    points = np.split(np.asarray(mapping.fit(unit)), np.cumsum([len(view) for view in views.values()])[:-1])
    return dict(zip(views, points, strict=True))


def map_figure(panels: Mapping[str, Mapping[str, Points]]) -> Figure:
    """Draws maps side by side, a colour and a marker a view.

    Args:
        panels: title to view to points.

    Returns:
        The figure. Axes have no unit, and panels no common scale: near and far is all that a map says.

    Raises:
        UsageError: no map.
    """
    if not panels:
        raise UsageError("no map to draw; expected one or more.")
    figure = blank_figure(PANEL_INCHES[0] * len(panels), PANEL_INCHES[0])
    names = list(dict.fromkeys(name for views in panels.values() for name in views))
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, views) in zip(all_axes, panels.items(), strict=True):
        for name, points in views.items():
            index = names.index(name)
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=9,
                marker=MARKERS[index % len(MARKERS)],
                color=COLORS[index % len(COLORS)],
                alpha=0.6,
                linewidths=0,
                label=name,
                rasterized=True,
            )
        axes.set_title(title, fontsize=FONT_SIZE + 1, loc="left")
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xticks([])
        axes.set_yticks([])
    legend_below(figure, all_axes[0], markerscale=2)
    return figure


__all__ = ["Points", "embed_views", "map_figure"]
