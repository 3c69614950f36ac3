"""Is the fused vector better than every view alone, and do its weights matter? Mixtures of trained views, on test.

Command:  python -m experiments.fusion lastfm ml_100k --seeds 0 1 2 [--data ROOT] [--out runs/tables]
Cost:     two minutes a seed on 2 CPU cores where the run is not there yet, else some seconds
Writes:   experiments/results/fusion.json and .md; other sets that it holds stay

The runs are those of ``recgoat table``; finished ones are read. Nothing is chosen here, and nothing is trained anew for
a mixture: user vectors and views are those of the run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import recgoat_baby, recgoat_lastfm, recgoat_ml_100k, recgoat_movielens_1m, recgoat_movielens_small
from recgoat_jax.cli.main import ended
from recgoat_jax.encoders.recipes import ExampleData, with_root
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.files import write_atomically
from recgoat_jax.report.markdown import markdown_table, mean_and_spread
from recgoat_jax.report.mixtures import Mixtures, simplex_grid
from recgoat_jax.report.run_views import REPRESENTATIONS, RunViews
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, train

RESULTS = Path(__file__).parent / "results" / "fusion.json"
METRICS = ("recall@10", "ndcg@10")
STEPS = 10
SETS: dict[str, Experiment] = {
    "baby": recgoat_baby.CONFIG,
    "lastfm": recgoat_lastfm.CONFIG,
    "ml_100k": recgoat_ml_100k.CONFIG,
    "movielens_1m": recgoat_movielens_1m.CONFIG,
    "movielens_small": recgoat_movielens_small.CONFIG,
}


def measured(views: RunViews) -> dict[str, Any]:
    """Of one run: test metrics of the fused vectors, of each view in their place, and of mixtures."""
    evaluator = Evaluator(views.dataset, "test", cutoffs=(10,), metrics=("recall", "ndcg"))
    grid = simplex_grid(len(views.names), STEPS)
    found: dict[str, Any] = {"learned": dict(zip(views.names, views.learned.tolist(), strict=True))}
    for representation in REPRESENTATIONS:
        mixtures = views.mixtures(grid, evaluator, metric=METRICS[0], representation=representation)
        # Mixtures that leave no view out: what a corner does is told by the views alone.
        of_all = (grid > 0).all(axis=1)
        inner = Mixtures(grid[of_all], mixtures.values[of_all])
        found[representation] = {
            "alone": views.alone(evaluator, metrics=METRICS, representation=representation),
            "spread": mixtures.spread,
            "inner_spread": inner.spread,
            "best": dict(zip(views.names, mixtures.best.tolist(), strict=True)),
            "best_value": float(mixtures.values.max()),
        }
    return found


def as_markdown(found: dict[str, list[dict[str, Any]]]) -> str:
    """Two tables: views alone, and what the weights change."""
    first, second = [], []
    for name, runs in found.items():
        for representation in REPRESENTATIONS:
            alone = [run[representation]["alone"] for run in runs]
            for view in alone[0][METRICS[0]]:
                cells = [mean_and_spread([one[metric][view] for one in alone]) for metric in METRICS]
                first.append([name, "fused" if view == "fused" else f"{view} alone, {representation}", *cells])
            shares = ", ".join(
                f"{view} {mean_and_spread([run['learned'][view] for run in runs])}" for view in runs[0]["learned"]
            )
            best = "; ".join(
                dict.fromkeys(
                    ", ".join(f"{view} {weight:.1f}" for view, weight in run[representation]["best"].items())
                    for run in runs
                )
            )
            spreads = [_percent([run[representation][key] for run in runs]) for key in ("spread", "inner_spread")]
            second.append([name, representation, shares, *spreads, best])
    spread = "(max - min) / max of recall@10"
    head = ["data", "views", "learned weights", spread, "the same, no weight 0", "best mixture"]
    tables = (markdown_table(["data", "vectors", *METRICS], first), markdown_table(head, second))
    return "\n\n".join(tables) + "\n"


def _percent(values: Sequence[float]) -> str:
    return f"{100 * min(values):.1f} to {100 * max(values):.1f} %"


def main() -> int:
    """Trains where there is no run, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", choices=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, help="root of the shared research data")
    parser.add_argument("--out", type=Path, default=Path("runs/tables"), help="where the runs lie")
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in given.sets:
        experiment = SETS[name]
        if given.data is not None and not isinstance(experiment.data, ExampleData):
            experiment = replace(experiment, data=with_root(experiment.data, given.data))
        found[name] = []
        for seed in given.seeds:
            workdir = given.out / f"{experiment.name}-seed{seed}"
            train(replace(experiment, seed=seed), workdir=workdir)
            found[name].append({"seed": seed} | measured(RunViews(load_run(workdir))))
        write_atomically(RESULTS, json.dumps(found, indent=1) + "\n")
        write_atomically(RESULTS.with_suffix(".md"), as_markdown(found))
    print(as_markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(ended("fusion", main))
