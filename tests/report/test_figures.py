import json
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.report import draw_curves, draw_fusion_weights
from recgoat_jax.report.style import COLORS, line_style
from recgoat_jax.serving import Run, load_run
from tests.runs import random_dataset, random_vectors, write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    directory, dataset = tmp_path_factory.mktemp("runs"), random_dataset()
    vectors = random_vectors(dataset)
    popular = write_run(directory / "popular", dataset, vectors, name="most-popular", epochs=0)
    plain = write_run(directory / "plain", dataset, vectors, name="lightgcn")
    fused = write_run(directory / "fused", dataset, vectors, name="recgoat", modalities=("id", "text", "image"))
    return [load_run(path) for path in (popular, plain, fused)]


def colours_of(path: Path) -> set[tuple[int, ...]]:
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    return {tuple(row) for row in np.unique(pixels.reshape(-1, 3), axis=0)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_curves_show_every_run(runs: list[Run], tmp_path: Path) -> None:
    png, pdf = draw_curves(runs, tmp_path / "new" / "curves.v1")
    assert (png.name, pdf.name) == ("curves.v1.png", "curves.v1.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert {rgb(colour) for colour in COLORS[:3]} <= colours_of(png)


def test_fusion_weights_show_every_modality(runs: list[Run], tmp_path: Path) -> None:
    png, pdf = draw_fusion_weights(runs[2], tmp_path / "fusion")
    assert pdf.exists()
    assert {rgb(colour) for colour in COLORS[:3]} <= colours_of(png)


def test_the_same_run_gives_the_same_files(runs: list[Run], tmp_path: Path) -> None:
    first, again = (
        draw_fusion_weights(run, tmp_path / run_name) for run, run_name in ((runs[2], "a"), (runs[2].directory, "b"))
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_what_cannot_be_drawn_is_named(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'lightgcn' .* has no fusion weights"):
        draw_fusion_weights(runs[1], tmp_path / "x")
    with pytest.raises(UsageError, match="no run has validation metric 'recall@7'; expected one of .*recall@20"):
        draw_curves(runs, tmp_path / "x", metric="recall@7")
    with pytest.raises(UsageError, match="no run to draw"):
        draw_curves([], tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_lines_stay_different() -> None:
    styles = [json.dumps(line_style(i), sort_keys=True) for i in range(28)]
    assert len(set(styles)) == len(styles)


def test_global_state_of_matplotlib_is_left_alone(runs: list[Run], tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_fusion_weights(runs[2], tmp_path / "fusion")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
