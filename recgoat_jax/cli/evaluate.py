"""``recgoat evaluate``: full-ranking metrics, and slices, of a finished run."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from recgoat_jax.cli.output_file import check_output_file
from recgoat_jax.evaluation import EvalResult, evaluate
from recgoat_jax.evaluation.evaluate import CUTOFFS, ExcludedSplit
from recgoat_jax.evaluation.slices import SliceRow, slice_names, slice_rows
from recgoat_jax.serving.run import load_run


@dataclass(frozen=True)
class EvaluateCommand:
    """Evaluates the stored vectors of a finished run by full ranking."""

    run: tyro.conf.Positional[Path]
    """Run directory."""
    split: Literal["valid", "test"] = "test"
    """Split whose held-out items are ranked."""
    cutoffs: tuple[int, ...] = CUTOFFS
    """Cut-offs k."""
    exclude: tuple[ExcludedSplit, ...] = ("train",)
    """Splits whose items are no candidates; the published protocol leaves validation items in at test."""
    slices: bool = False
    """Add groups of users and items: activity, popularity, missing modalities, cold items."""
    groups: int = 4
    """Quantile groups of a slice."""
    beyond_accuracy: bool = False
    """Add coverage, Gini and novelty of the lists."""
    per_user: Path | None = None
    """File to write the metrics of every user to (Parquet)."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    json: bool = False
    """Print JSON instead of tables."""


def run(command: EvaluateCommand) -> tuple[EvalResult, list[SliceRow]]:
    """Evaluates what the command asks for; writes the file of per-user metrics where one is named."""
    check_output_file(command.per_user)
    finished = load_run(command.run, data=command.data)
    result = evaluate(
        finished.vectors,
        finished.dataset,
        command.split,
        cutoffs=command.cutoffs,
        exclude=command.exclude,
        with_beyond_accuracy=command.beyond_accuracy,
    )
    if command.per_user is not None:
        result.write_parquet(command.per_user)
    if not command.slices:
        return result, []
    return result, slice_rows(result, finished.dataset_with_features, num_groups=command.groups)


def as_json(result: EvalResult, slices: Sequence[SliceRow]) -> dict[str, object]:
    """The result for a program."""
    return {
        "split": result.split,
        "protocol": result.protocol,
        "dataset": result.dataset_hash,
        "dataset_name": result.dataset_name,
        "excluded": list(result.excluded),
        "users": len(result.users),
        "metrics": {**result.means, **result.beyond},
        "slices": [asdict(row) for row in slices],
    }


def metric_table(result: EvalResult) -> Table:
    """Metrics by rows, cut-offs by columns."""
    table = Table(
        title=f"{result.split} of {result.dataset_name} ({result.protocol}), {len(result.users)} users\n"
        f"no candidates: items of {', '.join(result.excluded) or 'no split'}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("metric")
    values = {**result.means, **result.beyond}
    for k in result.cutoffs:
        table.add_column(f"@{k}", justify="right")
    for name in dict.fromkeys(key.partition("@")[0] for key in values):
        table.add_row(name, *(f"{values[f'{name}@{k}']:.4f}" for k in result.cutoffs))
    return table


def slice_table(result: EvalResult, rows: Sequence[SliceRow]) -> Table:
    """Recall of each group; over users for groups of users, over held-out items for groups of items."""
    table = Table(title="recall by group", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("group")
    for name in ("users", "items", *(f"@{k}" for k in result.cutoffs)):
        table.add_column(name, justify="right")
    for name in slice_names(rows):
        table.add_row(f"[bold]{name}[/bold]")
        for row in rows:
            if row.slice == name:
                values = (f"{row.metrics[f'recall@{k}']:.4f}" for k in result.cutoffs)
                table.add_row(f"  {row.group}", str(row.users), str(row.targets), *values)
    return table


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat evaluate``; returns the exit code."""
    command = tyro.cli(EvaluateCommand, args=list(arguments), prog="recgoat evaluate")
    result, slices = run(command)
    if command.json:
        print(json.dumps(as_json(result, slices)))
        return 0
    console = Console()
    console.print(metric_table(result))
    if slices:
        console.print(slice_table(result, slices))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["EvaluateCommand", "as_json", "main", "metric_table", "run", "slice_table"]
