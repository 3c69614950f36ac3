"""Tables of several seeds: figures against statsmodels and scipy, rendering, and rows that do not fit together."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import ExampleData
from recgoat_jax.errors import UsageError
from recgoat_jax.models import BprMfConfig, MostPopularConfig
from recgoat_jax.report.result_table import ResultTable, TablePart, TableRow, latex, markdown, part_content
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment
from recgoat_jax.training.ranker_run import ContentKnnExperiment
from tests.runs import random_dataset, random_vectors, write_run

POPULAR = TableRow("most popular", Experiment("popular", model=MostPopularConfig()))
BPR = TableRow("BPR_100%", Experiment("bpr", model=BprMfConfig()), published=(0.0357, 0.0192))
KNN = TableRow("content kNN", ContentKnnExperiment("knn"))
PART = TablePart("Main & more", (POPULAR, BPR, KNN), "most popular", note="A note.")
METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[TableRun]]:
    folder = tmp_path_factory.mktemp("rows")
    made = {"most popular": [0], "BPR_100%": [1, 2], "content kNN": [3]}
    return {
        label: [
            TableRun.of(
                load_run(
                    write_run(
                        folder / f"{label}-{seed}",
                        dataset,
                        random_vectors(dataset, seed=seed),
                        name=label,
                        seed=seed,
                    )
                ),
                {"name": label},
            )
            for seed in seeds
        ]
        for label, seeds in made.items()
    }


@pytest.fixture(scope="module")
def content(runs: dict[str, list[TableRun]]) -> dict:
    return part_content(PART, runs, seeds=(0, 1), command="recgoat table it.py")


def row_of(content: dict, label: str) -> dict:
    return next(row for row in content["rows"] if row["label"] == label)


def test_means_and_spreads_are_over_seeds(content: dict, runs: dict[str, list[TableRun]]) -> None:
    row = row_of(content, "BPR_100%")
    for metric in METRICS:
        a, b = (run.record["test"][metric] for run in runs["BPR_100%"])
        np.testing.assert_allclose(row["mean"][metric], (a + b) / 2)
        np.testing.assert_allclose(row["spread"][metric], abs(a - b) / np.sqrt(2))
    assert row_of(content, "most popular")["spread"]["recall@10"] is None


def test_tests_are_over_users_and_corrected_over_the_part(content: dict, runs: dict[str, list[TableRun]]) -> None:
    """scipy's paired t-test of the mean over seeds, statsmodels' Holm over all eight comparisons."""
    base = runs["most popular"][0].per_user.values
    p_values, found = [], []
    for label in ("BPR_100%", "content kNN"):
        for metric in METRICS:
            mean = np.mean([run.per_user.values[metric] for run in runs[label]], axis=0)
            outcome = scipy.stats.ttest_rel(mean, base[metric])
            p_values.append(outcome.pvalue)
            found.append(row_of(content, label)["against_baseline"][metric])
            interval = outcome.confidence_interval(0.95)
            np.testing.assert_allclose(found[-1]["interval"], [interval.low, interval.high], rtol=1e-6)
            np.testing.assert_allclose(found[-1]["difference"], np.mean(mean - base[metric]), rtol=1e-6)
    np.testing.assert_allclose([one["p"] for one in found], p_values, rtol=1e-6)
    np.testing.assert_allclose(
        [one["corrected_p"] for one in found], multipletests(p_values, method="holm")[1], rtol=1e-6
    )
    assert content["comparisons"] == 8
    assert content["complete"]


def test_a_row_without_all_its_seeds_is_shown_and_not_tested(runs: dict[str, list[TableRun]]) -> None:
    some = {**runs, "BPR_100%": runs["BPR_100%"][:1]}
    del some["content kNN"]
    content = part_content(PART, some, seeds=(0, 1), command="c")
    assert not content["complete"]
    assert row_of(content, "BPR_100%")["against_baseline"] is None
    page = markdown("T", {"main": content})
    assert "| content kNN | not run |" in page
    assert "Rows or seeds are missing." in page


def test_a_row_may_have_its_own_baseline(content: dict, runs: dict[str, list[TableRun]]) -> None:
    own = replace(PART, rows=(POPULAR, BPR, replace(KNN, baseline="BPR_100%")))
    found = part_content(own, runs, seeds=(0, 1), command="c")
    bpr = np.mean([run.per_user.values["ndcg@20"] for run in runs["BPR_100%"]], axis=0)
    outcome = scipy.stats.ttest_rel(runs["content kNN"][0].per_user.values["ndcg@20"], bpr)
    np.testing.assert_allclose(row_of(found, "content kNN")["against_baseline"]["ndcg@20"]["p"], outcome.pvalue)
    assert (
        row_of(found, "BPR_100%")["against_baseline"]["ndcg@20"]["p"]
        == (row_of(content, "BPR_100%")["against_baseline"]["ndcg@20"]["p"])
    )
    assert "Baseline: most popular; of content kNN: BPR_100%." in markdown("T", {"main": found})
    # Without that row neither is tested.
    few = part_content(own, {**runs, "BPR_100%": runs["BPR_100%"][:1]}, seeds=(0, 1), command="c")
    assert [row["against_baseline"] for row in few["rows"]] == [None, None, None]
    with pytest.raises(UsageError, match="found the baseline 'BPR_100%'; expected one of most popular"):
        replace(own, rows=(POPULAR, replace(BPR, baseline=POPULAR.label), own.rows[2]))
    for wrong in (replace(KNN, baseline="x"), replace(KNN, baseline=KNN.label), replace(POPULAR, baseline=KNN.label)):
        with pytest.raises(UsageError, match=f"row '{wrong.label}': found the baseline '{wrong.baseline}'"):
            replace(PART, rows=(*(row for row in PART.rows if row.label != wrong.label), wrong))


def test_the_page_and_the_paper_show_the_same_figures(content: dict) -> None:
    page, paper = markdown("A data set", {"main": content}), latex({"main": content})
    bpr = row_of(content, "BPR_100%")
    shown = f"{bpr['mean']['recall@10']:.4f} ± {bpr['spread']['recall@10']:.4f}"
    assert shown in page
    assert shown.replace("±", r"$\pm$") in paper
    assert r"BPR\_100\%" in paper
    assert "0.0357 / 0.0192" in page
    assert "```sh\nrecgoat table it.py\n```" in page
    assert "A note." in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    rows = [line for line in paper.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in rows}) == 1
    assert paper.count(r"\begin{tabular}") == paper.count(r"\end{tabular}") == 1


def test_labels_are_written_for_latex(content: dict) -> None:
    rows = [
        row | ({"label": r"kNN #1 | a $x$ ~ {b}^2 \c"} if row["label"] == "content kNN" else {})
        for row in content["rows"]
    ]
    paper = latex({"main": content | {"rows": rows}})
    assert r"kNN \#1 | a \$x\$ \textasciitilde{} \{b\}\textasciicircum{}2 \textbackslash{}c & " in paper


def test_settings_are_all_but_the_seed_and_the_place() -> None:
    wide = replace(BPR.experiment, model=BprMfConfig(dim=128))
    assert replace(BPR, experiment=wide).settings != BPR.settings
    moved = replace(BPR.experiment, seed=5, data=ExampleData(Path("elsewhere")))
    assert replace(BPR, label="x", experiment=moved).settings == BPR.settings


def test_parts_of_several_runs_are_told(content: dict) -> None:
    def page(change: Callable[[dict], dict]) -> str:
        rows = [
            row | {"runs": [change(run) for run in row["runs"]]} if row["label"] == "BPR_100%" else row
            for row in content["rows"]
        ]
        return markdown("T", {"main": content, "old": content | {"rows": rows}})

    told = "**Not the same runs in all parts**: BPR_100%."
    assert page(lambda run: run | {"test": run["test"] | {"ndcg@20": run["test"]["ndcg@20"] + 1e-16}}).count(told) == 1
    # More seeds, or the same figures in other time, are no other runs.
    assert "Not the same" not in page(lambda run: run | {"seconds": 2.0})
    assert "Not the same" not in page(lambda run: run | {"seed": run["seed"] + 5})


def test_figures_of_a_changed_tree_say_so(content: dict) -> None:
    runs = [{"commit": "a" * 40, "modified": changed, "best_epoch": 1, "seconds": 1.0} for changed in (False, True)]
    rows = [
        row | {"runs": [one | more for one, more in zip(row["runs"], runs, strict=False)]} for row in content["rows"]
    ]
    assert f"Commits: {'a' * 12}, {'a' * 12} with changes." in markdown("T", {"main": content | {"rows": rows}})


def test_rows_without_a_seed_are_run_once() -> None:
    part = replace(PART, most_seeds=2)
    assert [part.seeds_of(row, (5, 6, 7)) for row in part.rows] == [(5,), (5, 6), (5,)]


def test_parts_and_tables_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(UsageError, match="expected two rows or more"):
        TablePart("P", (POPULAR, BPR), "LightGCN")
    with pytest.raises(UsageError, match="different labels"):
        TablePart("P", (POPULAR, POPULAR), "most popular")
    other = TableRow("BPR, wide", replace(BPR.experiment, model=BprMfConfig(dim=128)))
    with pytest.raises(UsageError, match="the label 'BPR_100%' for another experiment"):
        ResultTable("T", {"a": PART, "b": TablePart("Q", (POPULAR, replace(other, label="BPR_100%")), "most popular")})
    with pytest.raises(UsageError, match="the name 'bpr' of another experiment"):
        ResultTable("T", {"a": PART, "b": TablePart("Q", (POPULAR, other), "most popular")})
