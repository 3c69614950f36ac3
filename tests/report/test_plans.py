"""Plans and transport costs: the numbers that are drawn."""

import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.report.plans import alignment_figure, effective_axes, plan_figure


def test_effective_axes_by_hand() -> None:
    assert effective_axes(np.eye(3)[[2, 0, 1]]) == pytest.approx(1)
    assert effective_axes(np.full((4, 4), 0.25)) == pytest.approx(4)
    # One column on one axis, one on two halves: the mean of 1 and 2. Scaling changes nothing.
    assert effective_axes(3 * np.array([[1.0, 0.5], [0.0, 0.5]])) == pytest.approx(1.5)


def test_plans_with_their_marginals() -> None:
    before, after = np.full((2, 2), 0.5), np.array([[0.9, 0.3], [0.1, 0.7]])
    figure = plan_figure({"text": {"before training": before, "after training": after}})
    above = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left").splitlines()[0] for axes in above] == [
        "text, before training",
        "text, after training",
    ]
    heats = [axes.collections[0] for axes in figure.axes if axes.get_xlabel() == "axis of the ID vectors"]
    for heat, plan in zip(heats, (before, after), strict=True):
        np.testing.assert_array_equal(np.asarray(heat.get_array()).reshape(2, 2), plan)
        assert heat.get_clim() == (0, 0.9)
    columns, rows = above[1].lines[0], figure.axes[7].lines[0]
    np.testing.assert_allclose(columns.get_ydata(), [1, 1])
    np.testing.assert_allclose(rows.get_xdata(), [1.2, 0.8])
    np.testing.assert_allclose(rows.get_ydata(), [0.5, 1.5])
    with pytest.raises(UsageError, match="no plan to draw"):
        plan_figure({})


def test_costs_over_epochs() -> None:
    figure = alignment_figure({"text": ([2, 4, 6], [0.9, 0.5, 0.4]), "image": ([0, 6], [1.0, 0.8])}, best_epoch=4)
    text, image, best = figure.axes[0].lines
    assert (list(text.get_xdata()), list(text.get_ydata())) == ([2, 4, 6], [0.9, 0.5, 0.4])
    assert (list(image.get_ydata()), image.get_marker()) == ([1.0, 0.8], "o")
    assert list(best.get_xdata()) == [4, 4]
    assert [entry.get_text() for entry in figure.axes[0].get_legend().get_texts()] == [
        "text",
        "image",
        "selected epoch",
    ]
    with pytest.raises(UsageError, match="no distance to draw"):
        alignment_figure({})
