"""The Baby table: BPR-MF, LightGCN, LightGCN at RecGOAT's width, RecGOAT; mean and spread over seeds.

Command:  python -m experiments.baby_table --seeds 0 1 2 [--data ROOT] [--out runs/baby]
Cost:     about an hour for three seeds on 2 CPU cores; finished runs are read, stopped ones go on
Writes:   experiments/results/amazon_baby.json and amazon_baby.md
"""

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path

from experiments.bpr_baby import CONFIG as BPR
from experiments.lightgcn_baby import CONFIG as LIGHTGCN
from experiments.lightgcn_baby_tuned import CONFIG as LIGHTGCN_TUNED
from experiments.recgoat_baby import CONFIG as RECGOAT
from recgoat_jax.encoders.recipes import with_root
from recgoat_jax.training import RunResult, train

PUBLISHED = {"bpr_baby": (0.0357, 0.0192), "lightgcn_baby": (0.0479, 0.0257), "recgoat_baby": (0.0671, 0.0369)}
"""Recall@10 and NDCG@10 of the RecGOAT paper's table 1 (its RecGOAT row was chosen on test)."""

CONFIGS = {config.name: config for config in (BPR, LIGHTGCN, LIGHTGCN_TUNED, RECGOAT)}

RESULTS = Path(__file__).parent / "results"
METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")


def row(name: str, runs: list[RunResult]) -> str:
    """A line of the Markdown table: means, recall@10 of each seed, what it cost."""
    means = [statistics.mean(run.test[metric] for run in runs) for metric in METRICS]
    spread = statistics.stdev(run.test["recall@10"] for run in runs) if len(runs) > 1 else float("nan")
    published = " / ".join(f"{value:.4f}" for value in PUBLISHED[name]) if name in PUBLISHED else "-"
    epochs = ", ".join(str(run.best_epoch) for run in runs)
    seconds = statistics.mean(run.seconds for run in runs)
    cells = [f"{means[0]:.4f} ± {spread:.4f}", *(f"{value:.4f}" for value in means[1:]), published, epochs]
    return f"| `{name}` | {len(runs)} | " + " | ".join(cells) + f" | {seconds:.0f} |"


def main() -> None:
    """Runs what is missing, then writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=list(CONFIGS), default=list(CONFIGS), help="runs to include")
    parser.add_argument("--data", type=Path, default=None, help="root of the shared research data")
    parser.add_argument("--out", type=Path, default=Path("runs/baby"), help="folder of the run directories")
    arguments = parser.parse_args()
    runs: dict[str, list[RunResult]] = {}
    for config in (CONFIGS[name] for name in arguments.rows):
        experiment = (
            replace(config, data=with_root(config.data, arguments.data)) if arguments.data is not None else config
        )
        runs[config.name] = [
            train(replace(experiment, seed=seed), workdir=arguments.out / f"{config.name}-seed{seed}")
            for seed in arguments.seeds
        ]
    RESULTS.mkdir(exist_ok=True)
    head = ["run", "seeds", *METRICS, "published R@10 / N@10", "best epochs", "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [row(name, results) for name, results in runs.items()]
    (RESULTS / "amazon_baby.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stored = {
        name: [
            {"seed": run.seed, "best_epoch": run.best_epoch, "seconds": run.seconds, "commit": run.commit}
            | {"dataset": run.dataset, "valid": dict(run.valid), "test": dict(run.test)}
            for run in results
        ]
        for name, results in runs.items()
    }
    (RESULTS / "amazon_baby.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
