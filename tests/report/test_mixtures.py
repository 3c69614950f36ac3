"""Heat maps of mixtures: the numbers that are drawn."""

import sys

import numpy as np
import pytest

from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.report.mixtures import Mixtures, mixture_figure, simplex_grid

NAMES = ("id", "text", "image")


def test_the_grid_of_a_triangle_by_hand() -> None:
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    np.testing.assert_array_equal(simplex_grid(3, 2), expected)
    # As many as there are ways to put two bars between ten steps.
    assert simplex_grid(3, 10).shape == (66, 3)
    np.testing.assert_allclose(simplex_grid(3, 10).sum(axis=1), 1)
    with pytest.raises(UsageError, match="3 views in 0 steps"):
        simplex_grid(3, 0)


def test_best_and_spread_by_hand() -> None:
    mixtures = Mixtures(simplex_grid(2, 2), np.array([0.2, 0.25, 0.1]))
    np.testing.assert_array_equal(mixtures.best, [0.5, 0.5])
    assert mixtures.spread == pytest.approx(0.6)
    assert Mixtures(simplex_grid(2, 2), np.zeros(3)).spread == 0


def test_a_triangle_shows_every_mixture() -> None:
    grid = simplex_grid(3, 4)
    aligned, unaligned = Mixtures(grid, grid @ [0.1, 0.2, 0.4]), Mixtures(grid, grid @ [0.3, 0.2, 0.1])
    figure = mixture_figure(
        {"aligned": aligned, "unaligned": unaligned}, names=NAMES, metric="recall@20", learned=(0.5, 0.25, 0.25)
    )
    first, second, bar = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["aligned", "unaligned"]
    assert bar.get_ylabel() == "recall@20"
    for axes, mixtures, best in ((first, aligned, [0, 0, 1]), (second, unaligned, [1, 0, 0])):
        heat = axes.collections[0]
        np.testing.assert_allclose(heat.get_array(), mixtures.values)
        assert heat.get_clim() == pytest.approx((0.1, 0.4))  # one scale for both
        dots, cross, star = (np.transpose(line.get_data()) for line in axes.lines)
        assert len(dots) == len(grid)

        def place(weights: list[float], dots: np.ndarray = dots) -> np.ndarray:
            """A mixture lies at the weighted mean of the corners."""
            corners = dots[[np.flatnonzero(grid[:, view] == 1)[0] for view in range(3)]]
            return np.asarray(weights) @ corners

        np.testing.assert_allclose(dots, [place(row) for row in grid.tolist()], atol=1e-12)
        np.testing.assert_allclose(star[0], place(best), atol=1e-12)
        np.testing.assert_allclose(cross[0], place([0.5, 0.25, 0.25]), atol=1e-12)
        labels = [axis.get_label_text() for axis in (axes.taxis, axes.laxis, axes.raxis)]
        assert labels == list(NAMES)
        # The first view is at the top.
        assert dots[grid[:, 0] == 1][0, 1] > dots[grid[:, 0] == 0][:, 1].max()


def test_two_views_are_a_line() -> None:
    grid = simplex_grid(2, 4)
    values = np.array([0.1, 0.3, 0.2, 0.1, 0.0])
    figure = mixture_figure({"aligned": Mixtures(grid, values)}, names=NAMES[:2], metric="ndcg@5", learned=(0.9, 0.1))
    line, star, learned = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(line.get_ydata(), values[::-1])
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.75, 0.3)
    assert learned.get_xdata()[0] == 0.9


def test_what_cannot_be_drawn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    three = Mixtures(simplex_grid(3, 1), np.zeros(3))
    with pytest.raises(UsageError, match="1 panels of 4 views; expected one or more, of two or three"):
        mixture_figure({"x": three}, names=("id", "a", "b", "c"), metric="m")
    with pytest.raises(
        UsageError, match=r"mixtures of shape \(3, 3\) for the views id, text; expected a column a view"
    ):
        mixture_figure({"x": three}, names=("id", "text"), metric="m")
    monkeypatch.setitem(sys.modules, "mpltern", None)
    with pytest.raises(MissingExtraError, match=r"'mpltern' is not installed.*recgoat-jax\[report\]"):
        mixture_figure({"x": three}, names=NAMES, metric="m")
