"""``recgoat theory``: a trained run from end to end, its numbers by another way, and what cannot be measured."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.cli import theory
from recgoat_jax.cli.main import main
from recgoat_jax.data import Dataset
from recgoat_jax.report.run_theory import RunTheory, TheoryOptions, held_out_pairs, measure_run
from recgoat_jax.report.run_views import RunViews
from recgoat_jax.serving import load_run
from recgoat_jax.serving.trained import starting_model
from tests.runs import random_dataset, random_vectors, write_run

OPTIONS = TheoryOptions(pairs=20, batch=8)


@pytest.fixture(scope="module")
def measured(views: RunViews) -> RunTheory:
    return measure_run(views, name="mine", options=OPTIONS)


def test_a_run_is_measured_whole(directories: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out"
    arguments = ["theory", str(directories[0]), "--out", str(out), "--pairs", "16", "--noises", "0.5"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "**recgoat** on blocks: 16 pairs (seed 0)" in printed
    assert "so lemma 3.3 may fail as printed" in printed
    assert f"page: {out / 'theory.md'}" in printed
    figures = [f"{name}.{kind}" for name in ("bounds", "counter_example", "planted") for kind in ("png", "pdf")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*figures, "theory.json", "theory.md"])
    page = (out / "theory.md").read_text(encoding="utf-8")
    assert f"`recgoat {' '.join(arguments)}`" in page
    assert all(f"({name})" in page for name in figures if name.endswith("png"))
    assert all(line in page for line in printed.splitlines() if line.startswith("| "))
    numbers = json.loads((out / "theory.json").read_text(encoding="utf-8"))
    assert [(one["moment"], one["representation"]) for one in numbers["run"]["measured"]] == [
        ("before", "aligned"),
        ("before", "unaligned"),
        ("after", "aligned"),
        ("after", "unaligned"),
    ]
    assert {point["world"] for point in numbers["planted"]} == {"alike", "one clean", "turned round"}


def test_numbers_for_a_program(
    measured: RunTheory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = theory.Theory(measured, (), Path("there/theory.md"), 1.26)
    monkeypatch.setattr(theory, "run", lambda command, *, called: made)
    assert main(["theory", "mine", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["page"], printed["seconds"], printed["planted"]) == ("there/theory.md", 1.3, [])
    first = printed["run"]["measured"][0]
    assert first["views"]["text"]["errors"]["direct"] == pytest.approx(
        measured.measured[0].views["text"].errors.direct, abs=1e-6
    )
    assert {one["verdict"] for one in first["statements"]} <= {"holds", "says nothing", "does not hold"}


def test_the_trained_vectors_are_those_of_the_run(
    measured: RunTheory, views: RunViews, world: Dataset, directories: list[Path]
) -> None:
    # 20 pairs make two whole batches of 8.
    assert (measured.pairs, measured.batch, measured.temperature) == (16, 8, 0.2)
    pairs = held_out_pairs(world, views.complete, pairs=20, seed=0)
    users, items, preferences = (one[:16] for one in pairs)
    run = load_run(directories[0])
    scores = np.sum(run.vectors.users[users] * run.vectors.items[items], axis=1)
    after = measured.measured[2]
    assert after.score_lipschitz == pytest.approx(np.linalg.norm(run.vectors.users, axis=1).max(), rel=1e-5)
    text = after.views["text"]
    assert text.errors.fused_error == pytest.approx(np.abs(scores - preferences).mean(), rel=1e-4)
    alone = views.vectors("aligned")["text"]
    cosines = np.sum(alone * run.vectors.items, axis=1)
    cosines /= np.linalg.norm(alone, axis=1) * np.linalg.norm(run.vectors.items, axis=1)
    assert text.instance.distance == pytest.approx(np.sqrt(2 - 2 * cosines[items]).mean(), rel=1e-4)


def test_before_training_is_another_model(measured: RunTheory, views: RunViews) -> None:
    before, after = measured.measured[0], measured.measured[2]
    for name in views.names:
        assert before.views[name].errors.fused_error != after.views[name].errors.fused_error
    scored = views.scored("before", "unaligned")
    fused = np.asarray(views.scored("before", "aligned").fused)
    np.testing.assert_array_equal(scored.fused, fused)
    # The start weights are half ID and a quarter each, and the views scaled as they are summed.
    complete = views.complete
    aligned = views.scored("before", "aligned").views
    by_hand = 0.5 * aligned["id"] + 0.25 * aligned["image"] + 0.25 * aligned["text"]
    np.testing.assert_allclose(fused[complete], by_hand[complete], atol=1e-5)


def test_the_start_is_kept(views: RunViews, directories: list[Path]) -> None:
    # Parameters of a model and of the state that it was split into are the same objects to flax.
    start = nnx.state(starting_model(load_run(directories[0]), views.dataset), nnx.Param)
    for kept, made in zip(jax.tree.leaves(views._start), jax.tree.leaves(start), strict=True):
        np.testing.assert_array_equal(kept, made)


def test_true_bounds_hold_on_the_run(measured: RunTheory) -> None:
    for one in measured.statements():
        if one.name.split(", ")[-1] in ("direct", "corrected") or one.name == "lemma 3.4, printed":
            assert one.verdict != "does not hold", one
    names = [view for view, _ in measured.measured[1].statements()]
    assert set(names) == {"id", "image", "text", "all"}
    ids = sum(one.name == "lemma 3.4, direct" for one in measured.statements())
    assert ids == 2 * (1 + 2 * 2)


def test_what_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = random_dataset()
    path = write_run(tmp_path / "run", made, random_vectors(made))
    assert main(["theory", str(path)]) == 2
    assert "a run of LightGcn, whose items have no views; expected RecGoat" in capsys.readouterr().err
    assert main(["theory", str(path), "--pairs", "1"]) == 2
    assert "1 pairs in batches of 1024; expected two or more of each" in capsys.readouterr().err
