"""Dots a seed: the numbers that are drawn."""

from itertools import pairwise

import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.report.dots import group_figure, row_figure, view_figure


def test_views_are_rows_and_seeds_are_dots() -> None:
    aligned = {"fused": [0.3, 0.32], "id": [0.2, 0.25], "text": [0.1, 0.12]}
    figure = view_figure({"recall@20": {"aligned": aligned, "unaligned": {"text": [0.05, 0.04]}}, "ndcg@20": {}})
    recall, ndcg = figure.axes
    first, second = recall.lines
    assert list(first.get_xdata()) == [0.3, 0.32, 0.2, 0.25, 0.1, 0.12]
    assert list(first.get_ydata()) == [0, 0, 1, 1, 2, 2]
    # A series without a row leaves it empty; its dots are hollow.
    assert list(second.get_xdata()) == [0.05, 0.04]
    assert list(second.get_ydata()) == [2, 2]
    assert (second.get_markerfacecolor(), second.get_linestyle()) == ("none", "None")
    assert [label.get_text() for label in recall.get_yticklabels()] == ["fused", "id", "text"]
    assert not ndcg.lines
    assert recall.get_xlim()[0] == 0
    with pytest.raises(UsageError, match="no view to draw"):
        view_figure({"recall@20": {"aligned": {}}})


def test_groups_are_columns() -> None:
    groups = {"1 to 4": [0.2, 0.4], "5": [0.5, 0.7]}
    figure = group_figure({"Users": groups}, metric="recall@20", sizes={"Users": [1200, 7]})
    (axes,) = figure.axes
    means, low, high = axes.lines
    assert list(means.get_ydata()) == pytest.approx([0.3, 0.6])
    assert (list(low.get_xdata()), list(low.get_ydata())) == ([0, 0], [0.2, 0.4])
    assert (list(high.get_xdata()), list(high.get_ydata())) == ([1, 1], [0.5, 0.7])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1 to 4\nn = 1,200", "5\nn = 7"]
    with pytest.raises(UsageError, match="no groups to draw"):
        group_figure({}, metric="recall@20", sizes={})


def test_rows_of_tables_are_dots_with_a_line_through_the_baseline() -> None:
    part = {"LightGCN": [0.2, 0.24], "RecGOAT": [0.3], "content kNN": []}
    figure = row_figure({"Main": part}, metric="recall@10", baselines={"Main": "LightGCN"})
    (axes,) = figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in dots] == [([0.2, 0.24], [0, 0]), ([0.3], [1])]
    (through,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert through.get_xdata()[0] == pytest.approx(0.22)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["LightGCN", "RecGOAT", "content kNN"]
    with pytest.raises(UsageError, match="no rows to draw"):
        row_figure({"Main": {"LightGCN": []}}, metric="recall@10", baselines={"Main": "LightGCN"})


@pytest.mark.parametrize("length", [30, 40, 44, 48, 60])
def test_values_of_four_decimals_stand_apart_beside_long_labels(length: int) -> None:
    values = {"n" * length + str(n): [0.0479 + n * 0.00495] for n in range(5)}
    figure = row_figure({"Main": values}, metric="recall@10", baselines={"Main": next(iter(values))})
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert len(boxes) >= 4
    assert all(right.x0 > left.x1 for left, right in pairwise(boxes))
