"""``recgoat report``: the figures of a finished run, and one page that holds them all."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from recgoat_jax.errors import UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.report.report_page import report_page
from recgoat_jax.report.run_figures import Drawn, LeftOut, ReportOptions, draw_run
from recgoat_jax.serving.run import load_run

PAGE = "report.html"
"""File of the page in the folder of the figures."""


@dataclass(frozen=True)
class ReportCommand:
    """Draws all figures that apply to a finished run, as PNG, PDF and one page; says which do not and why."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directory; further ones of the same experiment with other seeds are drawn beside it, a dot a seed."""
    out: Path | None = None
    """Directory of figures and page; None: report, in the run directory."""
    metric: str | None = None
    """Metric of the figures; None: the one that chose the epoch."""
    users: int = ReportOptions.users
    """Validation users that every mixture of views is tried on, at most."""
    items: int = ReportOptions.items
    """Items on the maps, at most; each is there once a view."""
    seed: int = ReportOptions.seed
    """Seed of the samples and the maps."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    checkpoints: Path | None = None
    """Checkpoints of the first run, where they are not in its directory."""
    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True)
class Report:
    """What the command made.

    Attributes:
        page: the HTML page.
        figures: each figure, drawn or left out, in order.
        seconds: time that it took, imports aside.
    """

    page: Path
    figures: tuple[Drawn | LeftOut, ...]
    seconds: float


def run(command: ReportCommand, *, called: str = "recgoat report", quiet: bool = True) -> Report:
    """Draws what the command asks for and writes the page.

    Args:
        command: the command.
        called: the command line, for the captions.
        quiet: whether figures are not named while they are drawn.
    """
    if not command.runs:
        raise UsageError("no run given; expected a run directory: recgoat report RUN.")
    started = time.monotonic()
    runs = [load_run(path, data=command.data) for path in command.runs]
    out = runs[0].directory / "report" if command.out is None else command.out
    options = ReportOptions(command.metric, command.users, command.items, command.seed)
    figures: list[Drawn | LeftOut] = []
    for one in draw_run(runs, out, options=options, checkpoints=command.checkpoints):
        figures.append(one)
        if not quiet:
            print(f"{one.title}: {one.png}" if isinstance(one, Drawn) else f"{one.title}: left out: {one.reason}")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / PAGE, report_page(runs[0], figures, command=called, others=runs[1:]))
    return Report(out / PAGE, tuple(figures), time.monotonic() - started)


def as_json(report: Report) -> dict[str, Any]:
    """The report for a program."""
    drawn = [one for one in report.figures if isinstance(one, Drawn)]
    return {
        "page": str(report.page),
        "figures": [
            {"title": one.title, "caption": one.caption, "png": str(one.png), "pdf": str(one.pdf)} for one in drawn
        ],
        "left_out": {one.title: one.reason for one in report.figures if isinstance(one, LeftOut)},
        "seconds": round(report.seconds, 1),
    }


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat report``; returns the exit code."""
    command = tyro.cli(ReportCommand, args=list(arguments), prog="recgoat report")
    called = shlex.join(["recgoat", "report", *arguments])
    report = run(command, called=called, quiet=command.json)
    if command.json:
        print(json.dumps(as_json(report)))
        return 0
    print(f"page: {report.page} ({report.seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["PAGE", "Report", "ReportCommand", "as_json", "main", "run"]
