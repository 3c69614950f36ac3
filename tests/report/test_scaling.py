"""The scaling figure: what of a plan ends up in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recgoat_jax.errors import UsageError
from recgoat_jax.report import scaling


def plan(topology: str, chips: int, held: float | None) -> dict[str, Any]:
    step = None if held is None else {"held": held * 2**30, "arguments": held * 2**29}
    estimate = None if held is None else {"step": [1.0 / chips, 3.0 / chips]}
    return {
        "topology": topology,
        "chips": chips,
        "capacity": 16 * 2**30,
        "compiled": {"step": step},
        "estimated": estimate,
    }


PLANS = [plan("v5e:8x8", 64, 4.0), plan("v5e:2x2", 4, None), plan("v5e:4x4", 16, 12.0), plan("v5p:4x4x4", 64, 5.0)]


def points_of(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of every line, by its label."""
    lines = axes.get_lines()
    points = {str(line.get_label()): np.asarray(line.get_xydata()) for line in lines}
    return {label: (found[:, 0].tolist(), found[:, 1].tolist()) for label, found in points.items()}


def test_memory_and_time_against_chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    original = scaling.save
    monkeypatch.setattr(scaling, "save", lambda figure, out: (drawn.append(figure), original(figure, out))[1])
    png, pdf = scaling.draw_scaling(PLANS, tmp_path / "figure")
    assert png.exists()
    assert pdf.exists()
    memory, seconds = drawn[0].axes
    lines = points_of(memory)
    assert lines["v5e: a step, at once"] == ([16, 64], [12.0, 4.0])
    assert lines["v5e: tables, moments, graphs"] == ([16, 64], [6.0, 2.0])
    assert lines["v5p: a step, at once"] == ([64], [5.0])
    assert ([4], [16.0]) in lines.values(), "a cross where it does not fit"
    lines = points_of(seconds)
    assert lines["v5e: all overlapped"] == ([16, 64], [1 / 16, 1 / 64])
    assert lines["v5e: nothing overlapped"] == ([16, 64], [3 / 16, 3 / 64])


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no plan to draw"):
        scaling.draw_scaling([], tmp_path / "figure")
