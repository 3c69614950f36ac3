"""The theory measured: both sides of the paper's bounds on planted data and on RecGOAT, before and after training.

Command:  python -m experiments.theory [--workdir runs/theory]
Cost:     about 4 minutes on 2 CPU cores, nearly all of it training
Writes:   experiments/results/theory.json and .md, docs/images/theory_*.png

The run is ``experiments/recgoat_ml_100k.py``; a finished one is read.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from experiments.recgoat_ml_100k import CONFIG
from recgoat_jax.files import write_atomically
from recgoat_jax.report.planted import planted_json, planted_sweep
from recgoat_jax.report.run_theory import TheoryOptions, measure_run
from recgoat_jax.report.run_views import RunViews
from recgoat_jax.report.style import save
from recgoat_jax.report.theory_figures import bounds_figure, counter_example_figure, planted_figure
from recgoat_jax.report.theory_tables import planted_tables, run_tables
from recgoat_jax.serving import load_run
from recgoat_jax.training import train

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "theory.json"
IMAGES = HERE.parent / "docs" / "images"
OPTIONS = TheoryOptions()


def main() -> None:
    """Trains where there is no run, measures, draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, default=Path("runs/theory"))
    arguments = parser.parse_args()
    run = load_run(train(CONFIG, workdir=arguments.workdir).directory)
    measured = measure_run(RunViews(run), name=run.name, options=OPTIONS)
    planted = planted_sweep()
    numbers = {"options": asdict(OPTIONS), "run": measured.to_json(), "planted": planted_json(planted)}
    write_atomically(RESULTS, json.dumps(numbers, indent=1) + "\n")
    tables = f"{run_tables(measured)}\n\n{planted_tables(planted)}\n"
    write_atomically(RESULTS.with_suffix(".md"), tables)
    print(tables)
    figures = {
        "counter_example": counter_example_figure(),
        "bounds": bounds_figure(measured.rows("aligned")),
        "planted": planted_figure(planted),
    }
    for name, figure in figures.items():
        # The PDF is for print; the pages show the picture.
        _, pdf = save(figure, IMAGES / f"theory_{name}")
        pdf.unlink()


if __name__ == "__main__":
    main()
