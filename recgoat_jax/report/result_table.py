"""Result tables of a data set: rows over seeds, in parts with a baseline each, as JSON, Markdown and LaTeX."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.significance import compare, mean_of_repeats
from recgoat_jax.models.most_popular import MostPopularConfig
from recgoat_jax.report.comparison_table import TABLE_METRICS, format_p
from recgoat_jax.report.dots import row_figure
from recgoat_jax.report.markdown import markdown_table, mean_and_spread
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.ranker_run import BlendExperiment, RankerExperiment, settings_json
from recgoat_jax.training.result import without_places

AnyExperiment = Experiment | RankerExperiment
"""What a row runs."""


@dataclass(frozen=True)
class TableRow:
    """A row.

    Attributes:
        label: its name in the table.
        experiment: what is run; the command sets the seed.
        published: Recall@10 and NDCG@10 of the paper, where it has the row.
        baseline: label of the row of its part that it is tested against; None: the part's baseline.
    """

    label: str
    experiment: AnyExperiment
    published: tuple[float, float] | None = None
    baseline: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that is set, as JSON values, seed and the data's place aside."""
        return without_places(settings_json(self.experiment)) | {"seed": 0}

    @property
    def has_seeds(self) -> bool:
        """Whether a seed changes anything."""
        found = self.experiment
        trained = found.trained if isinstance(found, BlendExperiment) else found
        return isinstance(trained, Experiment) and not isinstance(trained.model, MostPopularConfig)

    def with_seed(self, seed: int) -> AnyExperiment:
        """What is run with a seed, where one changes anything."""
        found = self.experiment
        if isinstance(found, BlendExperiment):
            return replace(found, trained=replace(found.trained, seed=seed))
        return replace(found, seed=seed) if isinstance(found, Experiment) and self.has_seeds else found


@dataclass(frozen=True)
class TablePart:
    """Rows that are compared with each other.

    Attributes:
        title: heading.
        rows: its rows.
        baseline: label of the row that the others are tested against, unless they name another.
        most_seeds: of the seeds that are asked for, how many this part takes; None: all.
        note: what a reader should know.
    """

    title: str
    rows: tuple[TableRow, ...]
    baseline: str
    most_seeds: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        labels = [row.label for row in self.rows]
        if self.baseline not in labels or len(set(labels)) < len(labels) or len(labels) < 2:
            raise UsageError(
                f"part '{self.title}': found rows {labels} and the baseline '{self.baseline}'; expected two rows or "
                "more with different labels, the baseline among them."
            )
        for row in self.rows:
            others = [
                one.label
                for one in self.rows
                if one.label != row.label and one.baseline is None and row.label != self.baseline
            ]
            if row.baseline is not None and row.baseline not in others:
                raise UsageError(
                    f"part '{self.title}', row '{row.label}': found the baseline '{row.baseline}'; expected "
                    f"{'one of ' + ', '.join(others) if others else 'none for the baseline of the part'}."
                )

    def seeds_of(self, row: TableRow, seeds: Sequence[int]) -> tuple[int, ...]:
        """Seeds that a row is run with."""
        return tuple(seeds[: self.most_seeds if row.has_seeds else 1])


@dataclass(frozen=True)
class ResultTable:
    """All parts of a data set.

    Attributes:
        title: heading.
        parts: key, as in ``--parts``, to part.
    """

    title: str
    parts: Mapping[str, TablePart]

    def __post_init__(self) -> None:
        known: dict[str, AnyExperiment] = {}
        labels: dict[str, AnyExperiment] = {}
        for part in self.parts.values():
            for row in part.rows:
                if labels.setdefault(row.label, row.experiment) != row.experiment:
                    raise UsageError(
                        f"part '{part.title}': found the label '{row.label}' for another experiment than before; "
                        "expected the same rows under a label everywhere."
                    )
                found = row.experiment
                beside = [found.trained, found.beside] if isinstance(found, BlendExperiment) else []
                for one in (row.experiment, *beside):
                    if known.setdefault(one.name, one) != one:
                        raise UsageError(
                            f"part '{part.title}', row '{row.label}': found the name '{one.name}' of another "
                            "experiment; expected a name for each experiment, since runs are kept under it."
                        )


def part_content(
    part: TablePart, runs: Mapping[str, Sequence[TableRun]], *, seeds: Sequence[int], command: str
) -> dict[str, Any]:
    """Figures of a part, as JSON values.

    Args:
        part: the part.
        runs: label of a row to its finished runs, a run a seed; rows without any may be left out.
        seeds: seeds that were asked for.
        command: what makes it.

    Returns:
        Every run, mean and standard deviation over seeds, and, where row and baseline are complete, the paired t-test
        over users of the means over seeds, with its 95 % interval, Holm-corrected over all comparisons of the part.
    """
    complete = {
        row.label: mean_of_repeats([run.per_user for run in runs[row.label]])
        for row in part.rows
        if len(runs.get(row.label, ())) == len(part.seeds_of(row, seeds))
    }
    tested: dict[str, dict[str, Any]] = {}
    own = {row.label: row.baseline for row in part.rows if row.baseline is not None}
    # A row whose own baseline is missing is shown and not tested, like one that is itself incomplete.
    testable = {label: found for label, found in complete.items() if own.get(label, label) in complete}
    if part.baseline in testable and len(testable) > 1:
        own = {label: other for label, other in own.items() if label in testable}
        for one in compare(testable, baseline=part.baseline, metrics=TABLE_METRICS, own=own):
            tested.setdefault(one.candidate, {})[one.metric] = {
                "difference": one.test.difference,
                "interval": [one.test.low, one.test.high],
                "p": one.test.p_value,
                "corrected_p": one.corrected_p,
            }
    rows = [_row_content(row, runs.get(row.label, ()), tested.get(row.label)) for row in part.rows]
    return {
        "title": part.title,
        "baseline": part.baseline,
        "note": part.note,
        "command": command,
        "complete": len(complete) == len(part.rows),
        "comparisons": sum(map(len, tested.values())),
        "rows": rows,
    }


def _row_content(row: TableRow, runs: Sequence[TableRun], tested: Mapping[str, Any] | None) -> dict[str, Any]:
    values = {metric: [run.record["test"][metric] for run in runs] for metric in TABLE_METRICS}
    return {
        "label": row.label,
        "experiment": row.experiment.name,
        "published": row.published,
        "baseline": row.baseline,
        "mean": {metric: statistics.mean(found) if found else None for metric, found in values.items()},
        "spread": {metric: statistics.stdev(found) if len(found) > 1 else None for metric, found in values.items()},
        "against_baseline": tested,
        "runs": [dict(run.record) for run in runs],
    }


def markdown(title: str, parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables with what a reader needs beside them.

    Args:
        title: heading.
        parts: key to content, as of `part_content`.

    Returns:
        A Markdown page.
    """
    lines = [f"# {title}"]
    if changed := _rows_of_several_runs(parts):
        told = "Other settings, data or hardware; run the older parts again."
        lines += ["", f"**Not the same runs in all parts**: {', '.join(changed)}. {told}"]
    for part in parts.values():
        head = ["", *TABLE_METRICS, "recall@10 less baseline [95 %]", "p R@10 / N@10", "published R@10 / N@10"]
        head += ["seeds", "best epochs", "seconds"]
        lines += ["", f"## {part['title']}", "", "```sh", part["command"], "```", ""]
        lines += [markdown_table(head, [[row["label"], *_cells(row), *_cost(row)] for row in part["rows"]])]
        lines += ["", _caption(part)]
    return "\n".join(lines) + "\n"


def _rows_of_several_runs(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Labels of rows that have other figures with the same seed in another part."""
    first: dict[tuple[str, int], Any] = {}
    rows = [row for part in parts.values() for row in part["rows"]]
    changed = [
        row["label"]
        for row in rows
        if any(first.setdefault((row["label"], run["seed"]), run["test"]) != run["test"] for run in row["runs"])
    ]
    return list(dict.fromkeys(changed))


def latex(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The same for a paper that loads ``booktabs``: a ``tabular`` a part, without cost.

    Args:
        parts: key to content, as of `part_content`.

    Returns:
        LaTeX.
    """
    lines = []
    for part in parts.values():
        head = ["", *(metric.replace("recall", "Recall").replace("ndcg", "NDCG") for metric in TABLE_METRICS)]
        head += ["$\\Delta$ Recall@10 [95\\,\\%]", "$p$ R@10 / N@10", "published"]
        lines += [
            "",
            f"% {part['title']}: {part['command']}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
        ]
        lines += [" & ".join(head) + r" \\", r"\midrule"]
        for row in part["rows"]:
            cells = [_escaped(text) for text in [row["label"], *_cells(row)]]
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines[1:]) + "\n"


def table_figure(parts: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The first metric of every row, a dot a seed.

    Args:
        parts: key to content, as of `part_content`.

    Returns:
        The figure, a panel a part.
    """
    metric = TABLE_METRICS[0]
    values = {
        part["title"]: {row["label"]: [run["test"][metric] for run in row["runs"]] for row in part["rows"]}
        for part in parts.values()
    }
    return row_figure(values, metric=metric, baselines={part["title"]: part["baseline"] for part in parts.values()})


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Figures, difference, p and published figures of a row."""
    if not row["runs"]:
        return ["not run", *[""] * (len(TABLE_METRICS) + 2)]
    cells = [mean_and_spread([run["test"][metric] for run in row["runs"]]) for metric in TABLE_METRICS]
    against = row["against_baseline"]
    if against is None:
        cells += ["", ""]
    else:
        first = against[TABLE_METRICS[0]]
        low, high = first["interval"]
        cells.append(f"{first['difference']:+.4f} [{low:+.4f}, {high:+.4f}]")
        cells.append(" / ".join(_short_p(against[metric]["corrected_p"]) for metric in TABLE_METRICS[:2]))
    cells.append(" / ".join(f"{value:.4f}" for value in row["published"] or ()))
    return cells


def _short_p(p_value: float) -> str:
    return format_p(p_value)[1:].lstrip("=")


def _cost(row: Mapping[str, Any]) -> list[str]:
    """Seeds, epochs and seconds of a row."""
    runs = row["runs"]
    if not runs:
        return ["", "", ""]
    chosen = ", ".join(run.get("chosen") or str(run["best_epoch"]) for run in runs)
    return [str(len(runs)), chosen, f"{statistics.mean(run['seconds'] for run in runs):.0f}"]


def _caption(part: Mapping[str, Any]) -> str:
    runs = [run for row in part["rows"] for run in row["runs"]]
    own = "".join(f"; of {row['label']}: {row['baseline']}" for row in part["rows"] if row.get("baseline"))
    text = f"Baseline: {part['baseline']}{own}. Means and standard deviations over seeds; epochs chosen on validation."
    if part["comparisons"]:
        text += (
            f" p: paired t-test over users of the means over seeds, Holm-corrected over the {part['comparisons']} "
            "comparisons of this part; the intervals are not corrected. How seeds differ is in the spread, not in p."
        )
    if not part["complete"]:
        text += " Rows or seeds are missing."
    if part["note"]:
        text += f" {part['note']}"
    hardware = sorted({run["hardware"] for run in runs if run.get("hardware")})
    commits = sorted(
        {run["commit"][:12] + (" with changes" if run.get("modified") else "") for run in runs if run["commit"]}
    )
    if hardware:
        text += f" Hardware: {'; '.join(hardware)}."
    return text + (f" Commits: {', '.join(commits)}." if commits else "")


_LATEX = str.maketrans(
    {
        **{character: rf"\{character}" for character in "&%_#${}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "<": "$<$",
        ">": "$>$",
    }
)


def _escaped(text: str) -> str:
    """A cell as LaTeX."""
    return text.translate(_LATEX)


__all__ = [
    "AnyExperiment",
    "ResultTable",
    "TablePart",
    "TableRow",
    "latex",
    "markdown",
    "part_content",
    "table_figure",
]
