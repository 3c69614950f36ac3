"""Both sides of the bounds: cases by hand, brute force, and random draws on which an inequality must hold."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.report.planted import WORLDS, planted_sample, planted_sweep
from recgoat_jax.report.run_theory import TheoryOptions, held_out_pairs
from recgoat_jax.report.theory import (
    ViewBounds,
    error_bounds,
    exact_wasserstein,
    instance_bounds,
    mean_distance,
    unit,
    view_bounds,
)
from recgoat_jax.report.theory_figures import bounds_figure, counter_example_figure, planted_figure
from recgoat_jax.report.theory_tables import planted_tables, table
from recgoat_jax.report.verdicts import Statement, fusion_statements, statements, summary
from tests.runs import random_dataset
from tests.worlds import interactions

TAU = 0.2
EQUAL = np.tile([[1.0, 0.0]], (8, 1))


def measured(view: np.ndarray, fused: np.ndarray, *, seed: int = 0) -> ViewBounds:
    """Bounds with random users and a preference that is linear, with L* = 2."""
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=view.shape), rng.normal(size=view.shape)
    wanted = 2 * items[:, 0] / np.linalg.norm(items, axis=1)
    longest = float(np.linalg.norm(users, axis=1).max())
    return view_bounds(
        users, wanted, view, fused, score_lipschitz=longest, preference_lipschitz=2.0, temperature=TAU, batch=len(view)
    )


@pytest.mark.parametrize(("batch", "bound"), [(2, 0.745), (8, 1.290)])
def test_opposite_vectors_break_the_printed_lemma(batch: int, bound: float) -> None:
    # All logits are equal, so that the loss is ln B whatever they are.
    found = instance_bounds(-EQUAL, EQUAL, temperature=TAU, batch=batch)
    assert found.loss == pytest.approx(math.log(batch), rel=1e-6)
    assert found.distance == 2
    assert found.printed == pytest.approx(bound, abs=5e-4)
    assert found.printed == pytest.approx(math.sqrt(4 * TAU * math.log(batch)))
    # 2 tau (ln B - ln B) + 2 (1 + 1): Jensen's inequality is tight where all logits are equal.
    assert found.corrected == pytest.approx(2)
    assert not found.always_holds
    verdicts = {one.name: one.verdict for one in statements(measured(-EQUAL, EQUAL)._replace(instance=found))}
    assert verdicts["lemma 3.3, printed"] == "does not hold"
    assert verdicts["lemma 3.3, corrected"] == "says nothing"


def test_equal_and_orthogonal_vectors_by_hand() -> None:
    rows = np.eye(4)
    same = instance_bounds(3 * rows, rows, temperature=TAU, batch=4)
    # Cosines 1 on the diagonal, 0 elsewhere.
    loss = math.log(math.exp(5) + 3) - 5
    assert (same.distance, same.loss) == (0, pytest.approx(loss, abs=1e-6))
    assert same.corrected == pytest.approx(math.sqrt(2 * TAU * (loss - math.log(4)) + 1.5), abs=1e-6)
    # Every row against the next: cosine 0 of the pair, 1 of one other row.
    apart = instance_bounds(rows, rows[[1, 2, 3, 0]], temperature=TAU, batch=4)
    assert (apart.distance, apart.loss) == (pytest.approx(math.sqrt(2)), pytest.approx(math.log(math.exp(5) + 3)))
    assert apart.shuffled == pytest.approx(0.75 * math.sqrt(2))
    assert apart.mean_cosine == pytest.approx(0.25)


def test_batches_are_means_of_batches() -> None:
    rng = np.random.default_rng(0)
    view, fused = rng.normal(size=(2, 6, 3))
    parts = [instance_bounds(view[at : at + 3], fused[at : at + 3], temperature=TAU, batch=3) for at in (0, 3)]
    whole = instance_bounds(view, fused, temperature=TAU, batch=3)
    for field in ("loss", "distance", "mean_cosine"):
        assert getattr(whole, field) == pytest.approx(np.mean([getattr(one, field) for one in parts]), abs=1e-6)
    for batch in (1, 4):
        with pytest.raises(UsageError, match=f"6 rows in batches of {batch}"):
            instance_bounds(view, fused, temperature=TAU, batch=batch)


def test_contrast_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(1)
    view, fused = rng.normal(size=(2, 7, 4))
    logits = unit(view) @ unit(fused).T / TAU
    by_hand = np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))
    assert instance_bounds(view, fused, temperature=TAU, batch=7).loss == pytest.approx(by_hand, rel=1e-5)


def test_wasserstein_against_all_permutations() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 6, 3))
    best = min(mean_distance(x, y[list(order)]) for order in itertools.permutations(range(6)))
    assert exact_wasserstein(x, y) == pytest.approx(best)
    assert exact_wasserstein(x, x[::-1]) == 0


def test_errors_by_hand() -> None:
    users, view, fused = np.array([[2.0], [1.0]]), np.array([[1.0], [3.0]]), np.array([[0.0], [1.0]])
    # Scores 2, 3 and 0, 1 against 1, 1: errors 1, 2 and 1, 0. Distances 1 and 2; W1 pairs 1-1, 3-0 or 1-0, 3-1: 1.5.
    found = error_bounds(users, np.ones(2), view, fused, score_lipschitz=2.0, preference_lipschitz=0.5)
    assert (found.view_error, found.fused_error, found.difference) == (1.5, 0.5, 1.0)
    assert (found.distance, found.wasserstein) == (1.5, 1.5)
    assert (found.direct, found.printed) == (3.0, 7.5)
    assert found.shuffled == 2 * (1 + 0 + 3 + 2) / 4


@pytest.mark.parametrize("seed", range(20))
def test_true_bounds_hold_on_random_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = rng.uniform(-1, 1)
    fused, noise = rng.normal(size=(2, 8, 3)) + rng.normal(size=(2, 1, 3))
    found = measured(share * fused + (1 - abs(share)) * noise, fused, seed=seed)
    verdicts = {one.name: one.verdict for one in statements(found)}
    assert verdicts.keys() >= {"lemma 3.4, direct", "alignment consistency, corrected"}
    assert all(verdict != "does not hold" for name, verdict in verdicts.items() if not name.endswith("3.3, printed"))
    errors, instance = found.errors, found.instance
    assert errors.difference <= errors.direct <= errors.printed
    assert errors.wasserstein <= errors.distance + 1e-9
    assert instance.distance <= instance.corrected + 1e-5
    assert found.consistency.errors.distance == pytest.approx(instance.distance)


def test_the_printed_lemma_fails_on_random_unit_vectors() -> None:
    view, fused = np.random.default_rng(3).normal(size=(2, 200, 32))
    small = instance_bounds(view, fused, temperature=TAU, batch=2)
    assert small.distance > small.printed
    assert small.distance <= small.corrected
    large = instance_bounds(view, fused, temperature=TAU, batch=200)
    assert large.always_holds
    assert large.printed > math.sqrt(2) > large.shuffled - 0.01


def test_the_theorems_fail_where_lemma_33_does() -> None:
    # The view has the fused vectors of other items: W1 is 0. Each user lies along the error of one item.
    z = unit(np.random.default_rng(5).normal(size=(64, 32)))
    other = np.roll(z, 32, axis=0)
    users = unit(other - z)
    constants = {"score_lipschitz": 1.0, "preference_lipschitz": 0.0, "temperature": TAU, "batch": 2}
    found = view_bounds(users, np.sum(users * z, axis=1), other, z, **constants)
    assert found.errors.wasserstein == pytest.approx(0, abs=1e-9)
    assert found.errors.difference == pytest.approx(mean_distance(other, z))
    verdicts = {one.name: one.verdict for one in statements(found)}
    assert verdicts["alignment consistency, printed"] == "does not hold"
    assert verdicts["lemma 3.4, printed"] != "does not hold"
    exchanged = view_bounds(users, np.sum(users * other, axis=1), other, z, **constants)
    assert fusion_statements({"text": exchanged})[0].verdict == "does not hold"


def test_verdicts() -> None:
    assert Statement("", 1.0, 2.0, 3.0).verdict == "holds"
    assert Statement("", 1.0, 3.0, 3.0).verdict == "says nothing"
    assert Statement("", 1.0, 0.9, 3.0).verdict == "does not hold"
    # Float32 rounding of the loss is no counter-example.
    assert Statement("", 1.0, 1 - 1e-7).verdict == "holds"
    assert Statement("", 1.0, 1.0, strict=True).verdict == "does not hold"
    assert summary([Statement("a", 1, 2), Statement("a", 2, 1), Statement("b", 1, 2)]) == {
        "a": {"holds": 1, "says nothing": 0, "does not hold": 1},
        "b": {"holds": 1, "says nothing": 0, "does not hold": 0},
    }


def test_fusion_is_judged_against_the_best_view() -> None:
    fused = np.random.default_rng(4).normal(size=(8, 3))
    views = {name: measured(share * fused, fused) for name, share in (("id", 1.0), ("text", 3.0), ("image", 0.9))}
    errors = {name: one.errors.view_error for name, one in views.items()}
    bound, *claims = fusion_statements(views)
    assert bound.name.startswith("fusion comprehensiveness")
    assert [one.name.split(" every ")[1] for one in claims] == [
        "modality, as scored",
        "modality, unit length",
        "view, as scored",
        "view, unit length",
    ]
    assert claims[0].right == min(errors["text"], errors["image"])
    # The ID view is the fused one: its error is never above itself.
    assert claims[2].right == min(errors.values())
    assert claims[3].verdict == "does not hold"
    assert len(fusion_statements({"text": views["text"]})) == 3


def test_planted_worlds() -> None:
    world = WORLDS["turned round"]
    sample = planted_sample(world, 0.0, pairs=40, dim=5, seed=1)
    items = -sample.views["second"]
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1)
    np.testing.assert_allclose(sample.preferences, np.sum(sample.users * items, axis=1))
    np.testing.assert_allclose(sample.fused, 0.9 * sample.views["first"] - 0.1 * items)
    assert sample.lipschitz == np.linalg.norm(sample.users, axis=1).max()
    noisy = planted_sample(replace(world, first_noise=None), 0.5, pairs=4000, dim=5, seed=1)
    noise = noisy.views["second"] + planted_sample(world, 0.0, pairs=4000, dim=5, seed=1).views["second"] * -1
    assert np.sqrt(np.square(noise).sum(axis=1).mean()) == pytest.approx(0.5, rel=0.02)


def test_a_sweep_in_tables_and_figures() -> None:
    points = planted_sweep(noises=(0.0, 1.0), batches=(8, 32), pairs=32, dim=16)
    assert [(point.world, point.noise) for point in points] == [
        (name, noise) for name in WORLDS for noise in (0.0, 1.0)
    ]
    by_name = {(point.world, point.noise): dict(summary(one for _, one in point.statements())) for point in points}
    assert by_name["turned round", 0.0]["lemma 3.3, printed, B = 8"]["does not hold"] == 1
    for counts in by_name.values():
        held = {name for name, of_name in counts.items() if not of_name["does not hold"]}
        assert held >= {"lemma 3.3, corrected, B = 8", "lemma 3.4, printed", "lemma 3.4, direct"}
    fused = "fused error below that of every modality, as scored"
    assert by_name["alike", 1.0][fused]["holds"] == 1
    assert by_name["one clean", 1.0][fused]["does not hold"] == 1
    text = planted_tables(points)
    assert "| lemma 3.3, printed, B = 8 | holds (4) | holds (4) | holds (2); does not hold (2) |" in text
    figure = planted_figure(points)
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == list(WORLDS)
    distance = figure.axes[3].lines[0]
    assert list(distance.get_ydata()) == [point.batches["second"][-1].distance for point in points[:2]]
    with pytest.raises(UsageError, match="no point of a sweep"):
        planted_figure([])
    with pytest.raises(UsageError, match="0 noises and 2 batch sizes"):
        planted_sweep(noises=())


def test_figures_of_bounds() -> None:
    opposite = measured(-EQUAL, EQUAL)
    figure = bounds_figure({"text, before": opposite, "text, after": measured(EQUAL, EQUAL + [[0.0, 1.0]])})
    distance, errors, theorem = figure.axes
    left, corrected, printed = distance.lines
    # As shares of the distance of shuffled rows, which is 2 as well.
    assert [line.get_xdata()[0] for line in (left, corrected, printed)] == pytest.approx([1, 1, 1.290 / 2], abs=1e-3)
    assert list(left.get_ydata()) == [0, 1]
    assert [len(axes.lines) for axes in (errors, theorem)] == [3, 4]
    assert [label.get_text() for label in distance.get_yticklabels()] == ["text, before", "text, after"]
    with pytest.raises(UsageError, match="no bounds to draw"):
        bounds_figure({})


def test_counter_example_is_drawn_with_its_numbers() -> None:
    circle, curve = counter_example_figure(temperature=TAU).axes
    assert any("$B$ = 2: 0.745\nbound at $B$ = 8: 1.290" in one.get_text() for one in circle.texts)
    at_loss, at_zero = curve.lines[:2]
    assert at_loss.get_ydata()[0] == pytest.approx(0.745, abs=1e-3)
    np.testing.assert_allclose(np.asarray(at_zero.get_ydata()) * math.sqrt(2), at_loss.get_ydata())


def test_held_out_pairs() -> None:
    data = random_dataset()
    allowed = np.arange(data.num_items) % 5 != 0
    sample = held_out_pairs(data, allowed, pairs=20, seed=0)
    assert len(sample.users) == len(sample.items) == 20
    assert sample.preferences.sum() == 10
    known = {
        split: set(zip(one.users.tolist(), one.items.tolist(), strict=True))
        for split, one in (("train", data.train), ("valid", data.valid), ("test", data.test))
    }
    for user, item, preference in zip(*(one.tolist() for one in sample), strict=True):
        assert allowed[item]
        assert ((user, item) in known["test"]) == (preference == 1)
        assert preference == 1 or not any((user, item) in one for one in known.values())
    positives = sample.users[sample.preferences == 1]
    assert sorted(positives) == sorted(sample.users[sample.preferences == 0])
    again = held_out_pairs(data, allowed, pairs=20, seed=0)
    np.testing.assert_array_equal(sample.items, again.items)
    everything = replace(
        data, train=interactions({(u, i) for u in range(data.num_users) for i in range(data.num_items)})
    )
    with pytest.raises(UsageError, match="no items to set against them"):
        held_out_pairs(everything, allowed, pairs=20, seed=0)
    with pytest.raises(UsageError, match="1 pairs in batches of 1024"):
        TheoryOptions(pairs=1)


def test_tables() -> None:
    assert table(["a", "b"], [["x", 0.12345]]) == "| a | b |\n|---|---|\n| x | 0.1235 |"
