"""Cold items: a tenth of the items is wholly out of train, half of them validated, half tested; all items are ranked.

Command:  python -m experiments.cold_items [movielens_1m] [scientific] [--data ROOT] [--out runs/cold_items]
Writes:   experiments/results/cold_items.json and .md

Rows: most popular; content kNN, its k chosen on validation; LightGCN; RecGOAT; kNN and RecGOAT with the scores of cold
items multiplied by a factor, RecGOAT's chosen on validation, content kNN's the largest: how far new items are pushed up
against trained ones is a choice of its own, which costs trained items places. Finished runs are read, stopped ones
go on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments import lightgcn_movielens_1m, lightgcn_scientific, recgoat_movielens_1m, recgoat_scientific
from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import AmazonScientific, Movielens1m, load_data, with_root
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.evaluation.ranking import ScoreBlock, VectorPair
from recgoat_jax.evaluation.significance import compare
from recgoat_jax.models import ContentKnn, MostPopularConfig, RecGoatConfig
from recgoat_jax.report.tables import format_p
from recgoat_jax.serving import Run, load_run
from recgoat_jax.training import Experiment, LoopConfig, train

RESULTS = Path(__file__).parent / "results" / "cold_items.json"
METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20")
CUTOFFS = LoopConfig().cutoffs
NEIGHBORS = (1, 3, 10, 30, 100, 1000)
FACTORS = (1.0, 1.5, 2.0, 3.0, 5.0)
BASELINE = "content kNN, cold items pushed"
SETS: dict[str, tuple[AmazonScientific | Movielens1m, Experiment, Experiment]] = {
    "scientific": (
        AmazonScientific(Path("prepared/amazon-scientific-cold"), protocol="cold_items"),
        lightgcn_scientific.CONFIG,
        recgoat_scientific.CONFIG,
    ),
    "movielens_1m": (
        Movielens1m(Path("prepared/movielens-1m-cold"), protocol="cold_items"),
        lightgcn_movielens_1m.CONFIG,
        recgoat_movielens_1m.CONFIG,
    ),
}


def content_knn(dataset: Dataset, *, factor: float) -> tuple[str, EvalResult]:
    """Test result of the k that is best on validation, scores of cold items multiplied by a factor."""
    valid, test = (Evaluator(dataset, split, cutoffs=CUTOFFS) for split in ("valid", "test"))
    factors = np.where(dataset.item_counts == 0, np.float32(factor), np.float32(1))

    def scores(k: int) -> ScoreBlock:
        knn = ContentKnn(dataset, k=k)
        return lambda users: knn(users) * factors

    found = {k: valid.from_scores(scores(k)).means["recall@20"] for k in NEIGHBORS}
    best = max(NEIGHBORS, key=lambda k: found[k])
    return f"k = {best}, factor {factor:g}", test.from_scores(scores(best))


def rows(data: AmazonScientific | Movielens1m, lightgcn: Experiment, recgoat: Experiment) -> Iterator[Experiment]:
    """What is trained."""
    yield replace(lightgcn, name="most popular", data=data, model=MostPopularConfig())
    yield replace(lightgcn, name="LightGCN", data=data)
    yield replace(recgoat, name="RecGOAT", data=data)


def pushed(run: Run) -> tuple[str, EvalResult]:
    """Test result with the factor on cold items that is best on validation."""
    dataset = run.dataset
    cold = (dataset.item_counts == 0)[:, None]
    valid, test = (Evaluator(dataset, split, cutoffs=CUTOFFS) for split in ("valid", "test"))

    def vectors(factor: float) -> VectorPair:
        return run.vectors.users, np.where(cold, factor * run.vectors.items, run.vectors.items)

    found = {factor: valid(vectors(factor)).means["recall@20"] for factor in FACTORS}
    best = max(FACTORS, key=lambda factor: found[factor])
    return f"factor {best:g}", test(vectors(best))


def measured(name: str, *, root: Path | None, out: Path) -> list[dict[str, Any]]:
    """The rows of a data set, each tested against content kNN."""
    data, lightgcn, recgoat = SETS[name]
    data = data if root is None else with_root(data, root)
    assert isinstance(data, AmazonScientific | Movielens1m)
    dataset = load_data(data).dataset
    found: dict[str, tuple[str, EvalResult]] = {
        BASELINE: content_knn(dataset, factor=max(FACTORS)),
        "content kNN": content_knn(dataset, factor=1.0),
    }
    for experiment in rows(data, lightgcn, recgoat):
        folder = out / name / experiment.name.replace(" ", "_")
        run = train(experiment, workdir=folder)
        finished = load_run(folder)
        found[experiment.name] = (f"epoch {run.best_epoch}", finished.per_user)
        if isinstance(experiment.model, RecGoatConfig):
            found["RecGOAT, cold items pushed"] = pushed(finished)
    tested = compare({row: result for row, (_, result) in found.items()}, baseline=BASELINE, metrics=METRICS)
    p_values = {(one.candidate, one.metric): one.corrected_p for one in tested}
    return [
        {
            "row": row,
            "note": note,
            "test": {metric: result.means[metric] for metric in METRICS},
            "p": {metric: p_values.get((row, metric)) for metric in METRICS},
            "users": len(result.users),
        }
        for row, (note, result) in found.items()
    ]


def as_markdown(found: dict[str, list[dict[str, Any]]]) -> str:
    """One table a data set."""
    lines: list[str] = []
    for name, table in found.items():
        lines += [
            f"**{name}**, {table[0]['users']:,} users with cold items to find",
            "",
            f"| | {' | '.join(METRICS)} | p of recall@20 against {BASELINE} |",
            "|---|" + "---|" * (len(METRICS) + 1),
        ]
        for row in sorted(table, key=lambda one: one["test"]["recall@20"]):
            p = row["p"]["recall@20"]
            cells = " | ".join(f"{row['test'][metric]:.4f}" for metric in METRICS)
            lines.append(f"| {row['row']} ({row['note']}) | {cells} | {'' if p is None else format_p(p)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; by default all")
    parser.add_argument("--data", type=Path, help="root of the shared research data")
    parser.add_argument("--out", type=Path, default=Path("runs/cold_items"), help="where the runs lie")
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in given.sets or list(SETS):
        found[name] = measured(name, root=given.data, out=given.out)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(as_markdown(found))
    print(as_markdown(found))


if __name__ == "__main__":
    main()
