"""Maps: near stays near, and the points that are drawn."""

import sys

import numpy as np
import pytest

from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.report.maps import embed_views, map_figure


def test_what_is_alike_is_near_whatever_its_length() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 10)
    centres = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])
    text, image = (centres[group] + 0.05 * rng.normal(size=(20, 4)) for _ in range(2))
    found = embed_views({"text": text, "image": 100 * image}, seed=1)
    assert {name: points.shape for name, points in found.items()} == {"text": (20, 2), "image": (20, 2)}
    points, groups = np.concatenate([*found.values()]), np.tile(group, 2)
    middles = np.array([points[groups == number].mean(axis=0) for number in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, groups)
    again = embed_views({"text": text, "image": 100 * image}, seed=1)
    np.testing.assert_array_equal(again["image"], found["image"])


def test_the_points_that_are_drawn() -> None:
    text, image = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[4.0, 5.0]])
    figure = map_figure({"before": {"text": text, "image": image}, "after": {"image": image}})
    before, after = figure.axes
    np.testing.assert_array_equal(before.collections[0].get_offsets(), text)
    np.testing.assert_array_equal(before.collections[1].get_offsets(), image)
    # A view keeps its colour from panel to panel.
    np.testing.assert_array_equal(after.collections[0].get_facecolor(), before.collections[1].get_facecolor())
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["text", "image"]
    with pytest.raises(UsageError, match="no map to draw"):
        map_figure({})


def test_what_cannot_be_mapped_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="3 vectors to map; expected four or more"):
        embed_views({"text": np.ones((3, 2))})
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MissingExtraError, match=r"'openTSNE' is not installed.*recgoat-jax\[report\]"):
        embed_views({"text": np.ones((4, 2))})
