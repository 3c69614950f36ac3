"""The theory measured: both sides of the paper's bounds on planted data and on RecGOAT, before and after training.

Command:  python -m experiments.theory [--workdir runs/theory]
Cost:     about 4 minutes on 2 CPU cores, nearly all of it training
Writes:   experiments/results/theory.json and .md, docs/images/theory_*.png

The run is ``experiments/recgoat_ml_100k.py``; a finished one is read. With ``--run RUN`` that finished run alone is
measured, in half a minute: experiments/results/theory_DATASET.json and .md.
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
    parser.add_argument("--run", type=Path, help="a finished run of RecGOAT, measured alone")
    arguments = parser.parse_args()
    if arguments.run is not None:
        another(arguments.run)
        return
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


def another(directory: Path) -> None:
    """Measures a run of another data set."""
    run = load_run(directory)
    measured = measure_run(RunViews(run), name=run.name, options=OPTIONS)
    path = RESULTS.with_name(f"theory_{measured.dataset.replace('-', '_')}.json")
    write_atomically(path, json.dumps({"options": asdict(OPTIONS), "run": measured.to_json()}, indent=1) + "\n")
    write_atomically(path.with_suffix(".md"), f"{run_tables(measured)}\n")
    print(run_tables(measured))


if __name__ == "__main__":
    main()
