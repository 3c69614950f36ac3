"""Figures and pages of a study: the best so far, hollow dots, the chosen trial, and the right numbers."""

from dataclasses import replace

import numpy as np
import pytest

from recgoat_jax.errors import UsageError
from recgoat_jax.report.study_figures import search_figure, validation_against_test_figure
from recgoat_jax.report.study_tables import study_page, unblinded_page
from recgoat_jax.training.study_record import StudyConfig, StudyRecord, TrialRecord
from recgoat_jax.training.unblind import RankCorrelation, Unblinded, UnblindedTrial


def test_the_line_is_the_best_so_far_and_pruned_trials_are_hollow() -> None:
    figure = search_figure(
        [0, 1, 3, 4], [0.2, 0.1, 0.4, 0.3], ["complete", "pruned", "complete", "complete"], metric="recall@20"
    )
    line, complete, pruned, star = figure.axes[0].get_lines()
    assert line.get_ydata().tolist() == [0.2, 0.2, 0.4, 0.4]  # type: ignore[union-attr]  # an array
    assert np.asarray(complete.get_xydata()).tolist() == [[0, 0.2], [3, 0.4], [4, 0.3]]
    assert np.asarray(pruned.get_xydata()).tolist() == [[1, 0.1]]
    assert (complete.get_markerfacecolor(), pruned.get_markerfacecolor()) == (complete.get_color(), "none")
    assert np.asarray(star.get_xydata()).tolist() == [[3, 0.4]]
    with pytest.raises(UsageError, match="no trial to draw"):
        search_figure([], [], [], metric="recall@20")


def test_the_chosen_trial_is_a_star_at_its_test_value() -> None:
    figure = validation_against_test_figure(
        [0.3, 0.2], [0.1, 0.2], ["complete", "complete"], metric="recall@20", chosen=0
    )
    dots, star, level = figure.axes[0].get_lines()
    assert np.asarray(level.get_ydata()).tolist() == [0.1, 0.1]
    assert np.asarray(dots.get_xydata()).tolist() == [[0.3, 0.1], [0.2, 0.2]]
    assert np.asarray(star.get_xydata()).tolist() == [[0.3, 0.1]]


def test_pages_say_what_was_spent_and_what_was_lost() -> None:
    trials = (
        TrialRecord(0, "complete", {"rate": 0.1}, 0.25, 3, 9, 90.0, "trial-0000"),
        TrialRecord(1, "failed", {"rate": 9.0}, None, None, None, None, "trial-0001", reason="not finite"),
        TrialRecord(2, "pruned", {"rate": 0.2}, 0.2, 2, 2, 30.0, "trial-0002"),
        TrialRecord(3, "complete", {"rate": 0.3}, 0.3, 5, 6, 60.0, "trial-0003"),
    )
    record = StudyRecord("x", "recall@20", StudyConfig(trials=8), {}, "1.0", {"rate": "0.1 to 9"}, trials)
    page = study_page(record)
    assert (
        "4 of 8 trials (2 complete, 1 pruned, 1 failed), 3.0 minutes of training and validation. No limit of time."
        in page
    )
    assert "No trial began after 30 minutes" in study_page(replace(record, config=StudyConfig(minutes=30.0)))
    assert page.index("| 3 | 0.3 | 5 | 6 | 60 | 0.3 |") < page.index("| 0 | 0.25 ") < page.index("| 2 (pruned) | 0.2 ")
    assert "- trial 1: not finite" in page
    unblinded = Unblinded(
        "x",
        "recall@20",
        (UnblindedTrial(3, "complete", 0.3, 0.18), UnblindedTrial(0, "complete", 0.25, 0.2)),
        RankCorrelation(2, None),
        RankCorrelation(2, None),
    )
    page = unblinded_page(unblinded)
    assert "0.1800 on test, rank 2 of 2 there. The best on test is trial 0 with 0.2000" in page
    assert "lost 0.0200 (10.0 %)" in page
    assert "| 3 | 0.3000 | 0.1800 | 1 | 2 |" in page
