import io
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from rich.console import Console
from statsmodels.stats.multitest import multipletests

from recgoat_jax.cli import compare as command
from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.report import comparison_table
from recgoat_jax.report.comparison_table import format_p, run_labels
from recgoat_jax.serving import Run, load_run
from tests.runs import random_dataset, random_vectors, write_run

METRICS = ("recall@10", "ndcg@20")


def informed_vectors(dataset: Dataset, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Random vectors, with columns that score the test pairs up, or down."""
    users, items = random_vectors(dataset, seed=4)
    known = np.zeros((dataset.num_users, dataset.num_items), np.float32)
    known[dataset.test.users, dataset.test.items] = strength
    return np.hstack([users, known]), np.hstack([items, np.eye(dataset.num_items, dtype=np.float32)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    directory, dataset = tmp_path_factory.mktemp("runs"), random_dataset(num_users=40)
    strengths = {"base": 1.0, "good": 8.0, "bad": -8.0, "same": 1.0}
    return [
        load_run(write_run(directory / name, dataset, informed_vectors(dataset, s), name=name))
        for name, s in strengths.items()
    ]


def test_cells_hold_means_lift_and_corrected_p(runs: list[Run]) -> None:
    table = comparison_table(runs, metrics=METRICS)
    values = {run.name: run.per_user.values for run in runs}
    raw = [
        1.0 if name == "same" else scipy.stats.ttest_rel(values[name][m], values["base"][m]).pvalue
        for name in ("good", "bad", "same")
        for m in METRICS
    ]
    corrected = iter(multipletests(raw, method="holm")[1])
    for name, cells in table.rows.items():
        for metric, cell in zip(METRICS, cells, strict=True):
            assert cell.mean == pytest.approx(values[name][metric].mean())
            if name == "base":
                assert cell.comparison is None
                continue
            assert cell.comparison is not None
            assert cell.comparison.corrected_p == pytest.approx(next(corrected))
            assert cell.comparison.lift == pytest.approx(cell.mean / values["base"][metric].mean() - 1)
            assert cell.significant == (name != "same")
            assert cell.bold == (name == "good")


def test_bold_marks_significant_gains_only(runs: list[Run]) -> None:
    lines = comparison_table(runs, metrics=METRICS).to_markdown().splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    assert {name: row.count("**") for name, row in rows.items() if name in ("base", "good", "bad", "same")} == {
        "base": 0, "good": 4, "bad": 0, "same": 0,
    }  # fmt: skip
    assert "(+" in rows["good"]
    assert "p<.001" in rows["good"]
    assert "(-" in rows["bad"]
    assert rows["same"].count("(+0.0% p=1.000)") == 2
    assert "Holm-corrected over 6 comparisons" in lines[-1]


def test_strict_level_takes_the_bold_away(runs: list[Run]) -> None:
    assert "**" not in comparison_table(runs, metrics=METRICS, level=1e-300).to_markdown()


def test_another_baseline(runs: list[Run]) -> None:
    table = comparison_table(runs, baseline="good", metrics=METRICS, test="wilcoxon")
    assert table.rows["good"][0].comparison is None
    assert not any(cell.bold for cells in table.rows.values() for cell in cells)
    with pytest.raises(UsageError, match="baseline 'x' matches 0 runs; expected exactly one of base, good"):
        comparison_table(runs, baseline="x")


def test_one_run_has_no_tests(runs: list[Run]) -> None:
    table = comparison_table(runs[:1], metrics=METRICS)
    assert "p<" not in table.to_markdown()
    assert "Holm" not in table.caption


def test_text_table_fits_a_terminal(runs: list[Run]) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(comparison_table(runs, metrics=("recall@10", "ndcg@10", "recall@20", "ndcg@20")).to_rich())
    text = console.export_text()
    assert "…" not in text
    assert text.count("p<.001") >= 4


def test_same_names_are_told_apart_by_directory(tmp_path: Path) -> None:
    dataset = random_dataset()
    runs = [
        load_run(write_run(tmp_path / f"seed{seed}", dataset, random_vectors(dataset, seed=seed), name="bpr"))
        for seed in (0, 1)
    ]
    assert run_labels(runs) == [f"bpr [{tmp_path / 'seed0'}]", f"bpr [{tmp_path / 'seed1'}]"]
    with pytest.raises(UsageError, match="given twice"):
        run_labels([runs[0], runs[0]])
    with pytest.raises(UsageError, match="matches 2 runs"):
        comparison_table(runs, baseline="bpr")


def test_wrong_arguments_are_refused(runs: list[Run]) -> None:
    with pytest.raises(UsageError, match="no run to compare"):
        comparison_table([])
    with pytest.raises(UsageError, match="level 1.5"):
        comparison_table(runs, level=1.5)
    with pytest.raises(UsageError, match="'base' has no metric recall@7"):
        comparison_table(runs[:1], metrics=("recall@7",))


def test_p_values_are_written_short() -> None:
    assert [format_p(p) for p in (0.0001, 0.0123, 0.5, 1.0)] == ["p<.001", "p=.012", "p=.500", "p=1.000"]


def test_command_prints_every_format(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(run.directory) for run in runs]
    arguments = [*paths, "--metrics", *METRICS]
    assert command.main([*arguments, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("| run | recall@10 | ndcg@20 |")
    assert command.main([*arguments, "--json", "--test", "bootstrap", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    good = found["runs"]["good"]["recall@10"]
    assert good["significant"] is True
    assert good["interval"][0] < good["difference"] < good["interval"][1]
    assert command.main(arguments) == 0
    assert "good" in capsys.readouterr().out


def test_command_refuses_what_is_not_like_for_like(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected two run directories or more"):
        command.main([str(runs[0].directory)])
    other = random_dataset(num_users=40, seed=7)
    stranger = write_run(tmp_path / "stranger", other, random_vectors(other), name="stranger")
    with pytest.raises(UsageError, match="'base' and 'stranger' cannot be compared: data hash") as caught:
        command.main([str(runs[0].directory), str(stranger)])
    assert caught.value.exit_code == 2
