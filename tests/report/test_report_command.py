"""``recgoat report``: a trained run from end to end, what is left out and why, and the page."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation import Evaluator, evaluate
from recgoat_jax.models.rec_goat import RecGoat
from recgoat_jax.report.run_figures import Drawn, LeftOut, draw_run
from recgoat_jax.report.run_plates import PLATES, ReportOptions, Subject
from recgoat_jax.report.run_views import RunViews, sampled_rows
from recgoat_jax.serving import load_run
from recgoat_jax.serving.trained import starting_model
from tests.runs import random_dataset, random_vectors, write_run

VIEWS = ("id", "image", "text")
ALL_FILES = ("alignment", "bounds", "curves", "fusion_weights", "maps", "mixtures", "plans", "single_views", "slices")


class Pictures(HTMLParser):
    """Addresses of everything that the page would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_run_is_drawn_whole(directories: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *map(str, directories), "--out", str(tmp_path / "new" / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["left_out"] == {}
    out = tmp_path / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [f"{name}.{kind}" for name in ALL_FILES for kind in ("png", "pdf")] + ["report.html"]
    )
    page = (out / "report.html").read_text(encoding="utf-8")
    pictures = Pictures(page).found
    assert len(pictures) == len(ALL_FILES)
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    assert page.count(f"recgoat report {directories[0]} {directories[1]} --out") == 1 + len(ALL_FILES)
    for one in printed["figures"]:
        assert one["title"] in page
    captions = {one["title"]: one["caption"] for one in printed["figures"]}
    assert "for 66 mixtures" in captions["Every mixture of the views"]
    assert "a dot a seed" in captions["Each view alone, and fused"]
    assert "beside it seeds 1" in page


def test_without_the_extra_its_figures_alone_are_left_out(
    directories: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mpltern", None)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    assert main(["report", str(directories[0]), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"Every mixture of the views: left out: 'mpltern' is not installed.*recgoat-jax\[report\]", printed
    )
    assert re.search(r"Maps of the views .*: left out: 'openTSNE' is not installed", printed)
    assert printed.count("left out") == 2
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Not drawn</h2>" in page
    assert "&#x27;mpltern&#x27; is not installed" in page


def test_a_run_without_views_says_so(tmp_path: Path) -> None:
    made = random_dataset(name="<b>mine</b>")
    path = write_run(tmp_path / "run", made, random_vectors(made))
    assert main(["report", str(path)]) == 0
    found = list(draw_run([load_run(path)], tmp_path / "out"))
    assert [one.png.stem for one in found if isinstance(one, Drawn)] == ["curves", "slices"]
    reasons = [one.reason for one in found if isinstance(one, LeftOut)]
    assert len(reasons) == 7
    assert "has no fusion weights" in reasons[0]
    assert all("lightgcn is a run of LightGcn, whose items have no views" in reason for reason in reasons[1:])
    page = (path / "report" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;mine" in page
    assert "<b>mine" not in page


def test_what_is_gone_is_a_reason_and_what_is_wrong_an_error(directories: list[Path], tmp_path: Path) -> None:
    found = list(draw_run([load_run(directories[0])], tmp_path, checkpoints=tmp_path))
    left = {one.title: one.reason for one in found if isinstance(one, LeftOut)}
    assert len(left) == 5
    assert all("found no checkpoint; expected the checkpoints of the run" in reason for reason in left.values())
    first = load_run(directories[0])
    with pytest.raises(UsageError, match="no run to report on"):
        list(draw_run([], tmp_path))
    with pytest.raises(UsageError, match="expected runs that differ in their seed alone"):
        list(draw_run([first, first], tmp_path))
    assert main(["report", str(directories[0]), "--metric", "recall@7"]) == 2
    assert main(["report", str(tmp_path / "none")]) == DataError.exit_code


def test_mixtures_by_hand(views: RunViews, world: Dataset, directories: list[Path]) -> None:
    run = load_run(directories[0])
    assert views.names == VIEWS
    evaluator = Evaluator(world, "test", cutoffs=(5,), metrics=("recall",))
    alone = views.alone(evaluator, metrics=["recall@5"])["recall@5"]
    # With the learned weights they are the vectors that the run stored.
    assert alone["fused"] == pytest.approx(run.result["test"]["recall@5"])
    text = views.vectors("aligned")["text"]
    by_hand = evaluate((run.vectors.users, text), world, "test", cutoffs=(5,)).means["recall@5"]
    assert alone["text"] == pytest.approx(by_hand)
    image = views.vectors("unaligned")["image"] * world.item_features["image"].present[:, None]
    by_hand = evaluate((run.vectors.users, image), world, "test", cutoffs=(5,)).means["recall@5"]
    unaligned = views.alone(evaluator, metrics=["recall@5"], representation="unaligned")["recall@5"]
    assert unaligned["image"] == pytest.approx(by_hand)
    assert set(unaligned) == {"image", "text"}
    few = Evaluator(world, "test", cutoffs=(5,), metrics=("recall",), users=np.array([2, 7]))
    mixtures = views.mixtures(np.array([[0.2, 0.3, 0.5]]), few, metric="recall@5")
    assert mixtures.values.shape == (1,)
    assert set(few.plan.targets.users) == {2, 7}


def test_plans_before_and_after(views: RunViews, directories: list[Path]) -> None:
    log = load_run(directories[0]).log
    plans = views.plans()
    assert set(plans) == {"image", "text"}
    for name, one in plans.items():
        for plan, _ in (one.before, one.after):
            np.testing.assert_allclose(plan.sum(axis=0), 1, atol=1e-5)
            np.testing.assert_allclose(plan.sum(axis=1), 1, atol=2e-2)
        logged = [line[f"transport/{name}/cost"] for line in log if f"transport/{name}/cost" in line]
        best = load_run(directories[0]).result["best_epoch"]
        assert one.after[1] == pytest.approx(logged[best - 1], rel=1e-4)
        assert np.abs(one.before[0] - one.after[0]).max() > 1e-3


def test_what_is_drawn_of_before_training_is_the_start(
    views: RunViews, directories: list[Path], world: Dataset
) -> None:
    run = load_run(directories[0])
    start = starting_model(run, world)
    assert isinstance(start, RecGoat)
    for name, vectors in views.vectors("unaligned", "before").items():
        np.testing.assert_allclose(vectors, start.encode().views[name], atol=1e-6)
        assert np.abs(vectors - views.vectors("unaligned")[name]).max() > 1e-3
    (drawn,) = (make(Subject([run], ReportOptions(), None)) for name, _, make in PLATES if name == "alignment")
    for line, (name, plan) in zip(drawn.figure.axes[0].get_lines(), views.plans().items(), strict=False):
        epochs, costs = line.get_data()
        logged = [one[f"transport/{name}/cost"] for one in run.log if f"transport/{name}/cost" in one]
        assert list(epochs) == [0, 1, 2, 3]
        np.testing.assert_allclose(costs, [plan.before[1], *logged], rtol=1e-6)


def test_samples_are_drawn_once_and_in_order() -> None:
    rows = np.arange(100, 200)
    sample = sampled_rows(rows, most=10, seed=3)
    assert len(set(sample)) == 10
    assert list(sample) == sorted(sample)
    assert set(sample) <= set(rows)
    np.testing.assert_array_equal(sample, sampled_rows(rows, most=10, seed=3))
    np.testing.assert_array_equal(sampled_rows(rows, most=100, seed=3), rows)
