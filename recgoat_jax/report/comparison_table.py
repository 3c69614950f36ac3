"""The table of finished runs: test figures of the validation-selected epoch, lift over a baseline, paired tests."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.significance import Comparison, TestName, check_comparable, compare
from recgoat_jax.report.markdown import markdown_table
from recgoat_jax.serving.run import Run

TABLE_METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
"""Metrics of the published tables."""

TEST_TITLES: dict[TestName, str] = {
    "t": "paired t-test",
    "wilcoxon": "Wilcoxon signed-rank test",
    "bootstrap": "bootstrap",
}


@dataclass(frozen=True)
class Cell:
    """One figure of the table.

    Attributes:
        mean: mean over users.
        comparison: against the baseline; None in the baseline's own row.
        significant: whether the difference is, in either direction.
    """

    mean: float
    comparison: Comparison | None
    significant: bool

    @property
    def bold(self) -> bool:
        """Whether the run is better than the baseline, significantly."""
        return self.significant and self.comparison is not None and self.comparison.test.difference > 0


@dataclass(frozen=True)
class ComparisonTable:
    """Runs side by side.

    Attributes:
        metrics: columns.
        rows: label of a run to its cells, one a metric; in the order given.
        baseline: label of the baseline.
        caption: data, protocol, test and level, in words.
    """

    metrics: tuple[str, ...]
    rows: dict[str, tuple[Cell, ...]]
    baseline: str
    caption: str

    def to_markdown(self) -> str:
        """A Markdown table."""
        rows = [[label, *cells] for label, cells in self._texts(mark="**{}**", note=" ({} {})")]
        return "\n".join([markdown_table(["run", *self.metrics], rows), "", self.caption])

    def to_rich(self) -> Table:
        """The same for a terminal, narrow enough for 80 columns."""
        table = Table(caption=self.caption, caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("run")
        for metric in self.metrics:
            table.add_column(metric, justify="right")
        for label, cells in self._texts(mark="[bold]{}[/bold]", note="\n{} {}"):
            table.add_row(label.replace("[", r"\["), *cells)
        return table

    def to_json(self) -> dict[str, Any]:
        """The same for a program."""
        rows = {
            label: {metric: _cell_json(cell) for metric, cell in zip(self.metrics, cells, strict=True)}
            for label, cells in self.rows.items()
        }
        return {"baseline": self.baseline, "caption": self.caption, "runs": rows}

    def _texts(self, *, mark: str, note: str) -> Iterator[tuple[str, list[str]]]:
        for label, cells in self.rows.items():
            texts = []
            for cell in cells:
                text = f"{cell.mean:.4f}"
                text = mark.format(text) if cell.bold else text
                if cell.comparison is not None:
                    lift = f"{100 * cell.comparison.lift:+.1f}%" if cell.comparison.baseline_mean else "baseline 0"
                    text += note.format(lift, format_p(cell.comparison.corrected_p))
                texts.append(text)
            yield label, texts


def format_p(p_value: float) -> str:
    """``"p=.012"``, ``"p<.001"``."""
    return "p<.001" if p_value < 0.001 else f"p={p_value:.3f}".replace("=0.", "=.")


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Names of the runs, with the directory where a name comes more than once (seeds, variants).

    Raises:
        UsageError: the same directory twice.
    """
    counts = Counter(run.name for run in runs)
    labels = [run.name if counts[run.name] == 1 else f"{run.name} [{run.directory}]" for run in runs]
    if len(set(labels)) < len(labels):
        repeated = next(label for label, count in Counter(labels).items() if count > 1)
        raise UsageError(f"run {repeated} is given twice; expected each run directory once.")
    return labels


def comparison_table(
    runs: Sequence[Run],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] = TABLE_METRICS,
    test: TestName = "t",
    level: float = 0.05,
    seed: int = 0,
) -> ComparisonTable:
    """Compares finished runs by their stored per-user test metrics.

    Args:
        runs: finished runs on the same data, protocol and split, one at least.
        baseline: name (or label, see `run_labels`) of the run that the others are tested against; default: the first.
        metrics: columns.
        test: paired test over users.
        level: below which corrected p-value a difference counts as significant.
        seed: of the bootstrap.

    Returns:
        The table; p-values are corrected by Holm over all cells that are tested.

    Raises:
        UsageError: runs of different protocols, data or splits; an unknown baseline or metric.
    """
    if not runs:
        raise UsageError("no run to compare; expected one or more.")
    if not 0 < level < 1:
        raise UsageError(f"level {level}; expected a number between 0 and 1, such as 0.05.")
    results = {label: run.per_user for label, run in zip(run_labels(runs), runs, strict=True)}
    base = _find_baseline(baseline, list(results))
    check_comparable(results)
    first = results[base]
    for label, result in results.items():
        if missing := [metric for metric in metrics if metric not in result.values]:
            raise UsageError(
                f"'{label}' has no metric {', '.join(missing)}; expected some of {', '.join(result.values)}."
            )
    tested = compare(results, baseline=base, metrics=metrics, test=test, seed=seed) if len(results) > 1 else []
    found = {(c.candidate, c.metric): c for c in tested}
    rows = {}
    for label, result in results.items():
        comparisons = [found.get((label, metric)) for metric in metrics]
        rows[label] = tuple(
            Cell(result.means[metric], c, significant=c is not None and c.corrected_p < level)
            for metric, c in zip(metrics, comparisons, strict=True)
        )
    caption = (
        f"Split '{first.split}' of {first.dataset_name} ({first.protocol}, data {first.dataset_hash[:12]}), means over "
        f"{len(first.users)} users, epoch chosen on validation."
    )
    if tested:
        caption += (
            f" With each mean: lift over {base} and p of the {TEST_TITLES[test]} over users, Holm-corrected over "
            f"{len(tested)} comparisons; bold: better, p < {level:g}."
        )
    return ComparisonTable(tuple(metrics), rows, base, caption)


def _find_baseline(wanted: str | None, labels: Sequence[str]) -> str:
    if wanted is None:
        return labels[0]
    matching = [label for label in labels if label == wanted or label.startswith(f"{wanted} [")]
    if len(matching) != 1:
        raise UsageError(
            f"baseline '{wanted}' matches {len(matching)} runs; expected exactly one of {', '.join(labels)}."
        )
    return matching[0]


def _cell_json(cell: Cell) -> dict[str, Any]:
    if cell.comparison is None:
        return {"mean": cell.mean}
    outcome = cell.comparison.test
    interval = None if outcome.low != outcome.low else [outcome.low, outcome.high]
    lift = cell.comparison.lift
    return {
        "mean": cell.mean,
        "difference": outcome.difference,
        "interval": interval,
        "lift": None if lift != lift else lift,
        "p": outcome.p_value,
        "corrected_p": cell.comparison.corrected_p,
        "significant": cell.significant,
    }


__all__ = ["TABLE_METRICS", "Cell", "ComparisonTable", "comparison_table", "format_p", "run_labels"]
