"""Result tables: every row of a data set over seeds, with a test over users against the row that is to be beaten.

Command:  python -m experiments.tables amazon_baby --seeds 0 1 2 [--data ROOT] [--out runs/tables]
          python -m experiments.tables movielens_small --seeds 0 1 2 [--data ROOT]
          python -m experiments.tables ml_100k --seeds 0 1 2
Cost:     about an hour, ten and five minutes on 2 CPU cores; finished runs are read, stopped ones go on
Writes:   experiments/results/NAME.json and NAME.md
"""

import argparse
import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments import (
    bpr_baby,
    lightgcn_baby,
    lightgcn_baby_tuned,
    lightgcn_ml_100k,
    lightgcn_movielens_small,
    recgoat_baby,
    recgoat_ml_100k,
    recgoat_movielens_small,
)
from recgoat_jax.encoders.recipes import with_root
from recgoat_jax.evaluation.significance import compare, mean_of_repeats
from recgoat_jax.models import MostPopularConfig
from recgoat_jax.report.tables import TABLE_METRICS, format_p
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, RunResult, train

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class ResultTable:
    """Rows of one data set.

    Attributes:
        rows: experiments; their seed is set by the command.
        baseline: name of the row that the others are tested against.
        published: name of a row to the published Recall@10 and NDCG@10.
    """

    rows: tuple[Experiment, ...]
    baseline: str
    published: dict[str, tuple[float, float]]


def _most_popular(beside: Experiment) -> Experiment:
    return replace(beside, name=beside.name.replace("lightgcn", "most_popular"), model=MostPopularConfig())


TABLES = {
    "amazon_baby": ResultTable(
        (bpr_baby.CONFIG, lightgcn_baby.CONFIG, lightgcn_baby_tuned.CONFIG, recgoat_baby.CONFIG),
        baseline="lightgcn_baby_tuned",
        # Table 1 of the RecGOAT paper; its RecGOAT row was chosen on test.
        published={
            "bpr_baby": (0.0357, 0.0192),
            "lightgcn_baby": (0.0479, 0.0257),
            "recgoat_baby": (0.0671, 0.0369),
        },
    ),
    "movielens_small": ResultTable(
        (
            _most_popular(lightgcn_movielens_small.CONFIG),
            lightgcn_movielens_small.CONFIG,
            recgoat_movielens_small.CONFIG,
        ),
        baseline="lightgcn_movielens_small",
        published={},
    ),
    "ml_100k": ResultTable(
        (_most_popular(lightgcn_ml_100k.CONFIG), lightgcn_ml_100k.CONFIG, recgoat_ml_100k.CONFIG),
        baseline="lightgcn_ml_100k",
        published={},
    ),
}


def markdown(table: ResultTable, runs: dict[str, list[RunResult]], p_values: dict[str, dict[str, float]]) -> str:
    """The table: means, Recall@10 with its standard deviation over seeds, p over users, cost."""
    head = ["run", "seeds", *TABLE_METRICS, "p R@10 / N@10", "published R@10 / N@10", "best epochs", "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, results in runs.items():
        means = [statistics.mean(run.test[metric] for run in results) for metric in TABLE_METRICS]
        spread = statistics.stdev(run.test["recall@10"] for run in results) if len(results) > 1 else float("nan")
        published = " / ".join(f"{value:.4f}" for value in table.published.get(name, ())) or "-"
        tested = p_values.get(name)
        tests = "-" if tested is None else " / ".join(format_p(tested[m])[1:].lstrip("=") for m in TABLE_METRICS[:2])
        epochs = ", ".join(str(run.best_epoch) for run in results)
        seconds = statistics.mean(run.seconds for run in results)
        cells = [f"{means[0]:.4f} ± {spread:.4f}", *(f"{mean:.4f}" for mean in means[1:]), tests, published, epochs]
        lines.append(f"| `{name}` | {len(results)} | " + " | ".join(cells) + f" | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def stored(results: list[RunResult], p_values: dict[str, float] | None) -> dict[str, Any]:
    """A row for the JSON file."""
    return {
        "corrected_p": p_values,
        "runs": [
            {"seed": run.seed, "best_epoch": run.best_epoch, "seconds": run.seconds, "commit": run.commit}
            | {"dataset": run.dataset, "valid": dict(run.valid), "test": dict(run.test)}
            for run in results
        ],
    }


def main() -> None:
    """Runs what is missing, then writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=None, help="root of the shared research data")
    parser.add_argument("--out", type=Path, default=Path("runs/tables"), help="folder of the run directories")
    arguments = parser.parse_args()
    table = TABLES[arguments.table]
    runs: dict[str, list[RunResult]] = {}
    for row in table.rows:
        data = row.data if arguments.data is None else with_root(row.data, arguments.data)
        runs[row.name] = [
            train(replace(row, data=data, seed=seed), workdir=arguments.out / f"{row.name}-seed{seed}")
            for seed in arguments.seeds
        ]
    per_user = {
        name: mean_of_repeats([load_run(run.directory).per_user for run in results]) for name, results in runs.items()
    }
    p_values: dict[str, dict[str, float]] = {}
    for comparison in compare(per_user, baseline=table.baseline, metrics=TABLE_METRICS):
        p_values.setdefault(comparison.candidate, {})[comparison.metric] = comparison.corrected_p
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.table}.md").write_text(markdown(table, runs, p_values), encoding="utf-8")
    content = {name: stored(results, p_values.get(name)) for name, results in runs.items()}
    (RESULTS / f"{arguments.table}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
