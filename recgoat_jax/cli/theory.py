"""``recgoat theory``: both sides of the paper's bounds on a finished run and on planted data, with verdicts."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from recgoat_jax.files import write_atomically
from recgoat_jax.report.planted import NOISES, PlantedPoint, planted_json, planted_sweep
from recgoat_jax.report.run_theory import RunTheory, TheoryOptions, measure_run
from recgoat_jax.report.run_views import RunViews
from recgoat_jax.report.style import save
from recgoat_jax.report.theory_figures import bounds_figure, counter_example_figure, planted_figure
from recgoat_jax.report.theory_tables import planted_tables, planted_verdicts, run_tables
from recgoat_jax.serving.run import load_run

NUMBERS = "theory.json"
"""File of all numbers."""
PAGE = "theory.md"
"""File of tables, verdicts and figures."""

_SMALL_BATCH = 8


@dataclass(frozen=True)
class TheoryCommand:
    """Measures the lemmas and theorems of the RecGOAT paper on a run of RecGOAT, before and after training.

    Beside it the same on planted data, whose constants are known, and the counter-example of lemma 3.3.
    """

    run: tyro.conf.Positional[Path]
    """Run directory of a RecGOAT with weighted fusion."""
    out: Path | None = None
    """Directory of page, numbers and figures; None: theory, in the run directory."""
    pairs: int = TheoryOptions.pairs
    """(user, item) pairs of the sample, half held out, half drawn; exact transport takes time with their cube."""
    batch: int = TheoryOptions.batch
    """Rows of a batch of InfoNCE, at most the number of pairs."""
    seed: int = TheoryOptions.seed
    """Seed of the sample and of the planted data."""
    noises: tuple[float, ...] = NOISES
    """Noises of the planted modalities, in lengths of an item vector."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    checkpoints: Path | None = None
    """Checkpoints of the run, where they are not in its directory."""
    json: bool = False
    """Print JSON instead of text."""


class Theory(NamedTuple):
    """What the command made.

    Attributes:
        run: what was measured on the run.
        planted: what was measured on planted data.
        page: the page.
        seconds: time that it took, imports aside.
    """

    run: RunTheory
    planted: tuple[PlantedPoint, ...]
    page: Path
    seconds: float


def run(command: TheoryCommand, *, called: str = "recgoat theory") -> Theory:
    """Measures what the command asks for, and writes page, numbers and figures.

    Args:
        command: the command.
        called: the command line, for the page.
    """
    started = time.monotonic()
    options = TheoryOptions(command.pairs, command.batch, command.seed)
    finished = load_run(command.run, data=command.data)
    out = finished.directory / "theory" if command.out is None else command.out
    views = RunViews(finished, checkpoints=command.checkpoints)
    measured = measure_run(views, name=finished.name, options=options)
    rows = max(2 * _SMALL_BATCH, options.pairs // _SMALL_BATCH * _SMALL_BATCH)
    planted = planted_sweep(
        noises=command.noises,
        batches=(_SMALL_BATCH, rows),
        pairs=rows,
        temperature=measured.temperature,
        seed=command.seed,
    )
    figures = {
        "counter_example": counter_example_figure(temperature=measured.temperature),
        "bounds": bounds_figure(measured.rows("aligned")),
        "planted": planted_figure(planted),
    }
    for name, figure in figures.items():
        save(figure, out / name)
    write_atomically(out / PAGE, page(measured, planted, command=called))
    theory = Theory(measured, planted, out / PAGE, time.monotonic() - started)
    write_atomically(out / NUMBERS, json.dumps(as_json(theory), indent=1) + "\n")
    return theory


def page(measured: RunTheory, planted: Sequence[PlantedPoint], *, command: str) -> str:
    """The page, in Markdown; its figures lie beside it."""
    parts = [
        f"# The theory, measured on {measured.name}",
        f"Made by `{command}`. Numbers: `{NUMBERS}`.",
        "## Lemma 3.3 is false as printed",
        "All fused vectors equal, those of the modality opposite: the distance is 2, and the printed bound is below it "
        "for batches small enough. For large batches the bound cannot fail, and is never below the distance of "
        "unrelated directions.",
        "![Counter-example of lemma 3.3](counter_example.png)",
        "## On the run",
        run_tables(measured),
        "![Left sides and bounds, modalities after transport](bounds.png)",
        "## On planted data",
        planted_tables(planted),
        "![Errors and lemma 3.3 over noise](planted.png)",
    ]
    return "\n\n".join(parts) + "\n"


def as_json(theory: Theory) -> dict[str, Any]:
    """The numbers for a program."""
    return {
        "page": str(theory.page),
        "seconds": round(theory.seconds, 1),
        "run": theory.run.to_json(),
        "planted": planted_json(theory.planted),
    }


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat theory``; returns the exit code."""
    command = tyro.cli(TheoryCommand, args=list(arguments), prog="recgoat theory")
    theory = run(command, called=shlex.join(["recgoat", "theory", *arguments]))
    if command.json:
        print(json.dumps(as_json(theory)))
        return 0
    print(run_tables(theory.run), planted_verdicts(theory.planted), sep="\n\n")
    print(f"\npage: {theory.page} ({theory.seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["NUMBERS", "PAGE", "Theory", "TheoryCommand", "as_json", "main", "page", "run"]
