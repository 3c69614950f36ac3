"""``recgoat compare``: finished runs side by side, with paired tests over users."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.significance import TestName
from recgoat_jax.report.comparison_table import TABLE_METRICS, ComparisonTable, comparison_table
from recgoat_jax.serving.run import load_run


@dataclass(frozen=True)
class CompareCommand:
    """Compares finished runs by their stored per-user test metrics; refuses what is not like for like."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, two or more."""
    baseline: str | None = None
    """Name of the run that the others are tested against; by default the first."""
    metrics: tuple[str, ...] = TABLE_METRICS
    """Metrics to show."""
    test: TestName = "t"
    """Paired test over users."""
    level: float = 0.05
    """Corrected p-value below which a difference counts as significant."""
    seed: int = 0
    """Seed of the bootstrap."""
    format: Literal["text", "markdown", "json"] = "text"
    """How to print the table."""
    json: bool = False
    """The same as --format json."""


def run(command: CompareCommand) -> ComparisonTable:
    """Compares what the command asks for."""
    if len(command.runs) < 2:
        raise UsageError(f"{len(command.runs)} run to compare; expected two run directories or more.")
    return comparison_table(
        [load_run(path) for path in command.runs],
        baseline=command.baseline,
        metrics=command.metrics,
        test=command.test,
        level=command.level,
        seed=command.seed,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat compare``; returns the exit code."""
    command = tyro.cli(CompareCommand, args=list(arguments), prog="recgoat compare")
    table = run(command)
    match "json" if command.json else command.format:
        case "json":
            print(json.dumps(table.to_json()))
        case "markdown":
            print(table.to_markdown())
        case "text":
            Console().print(table.to_rich())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["CompareCommand", "main", "run"]
