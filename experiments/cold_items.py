"""Cold items: a tenth of the items is wholly out of train, half of them validated, half tested.

Command:  python -m experiments.cold_items [movielens_1m] [scientific] [--data ROOT] [--out runs/cold_items]
Writes:   experiments/results/cold_items.json and .md

Rows: most popular; content kNN; LightGCN; RecGOAT. Each ranks all items, where a cold item has to win against the
trained ones, and the cold items among themselves. For both rankings validation chooses what needs no training: k of
content kNN, the score of trained vectors, and the temperature with which RecGOAT weighs the neighbours of a cold item.
Finished runs are read, stopped ones go on.
"""

import argparse
import json
import sys
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from flax import nnx

from experiments import lightgcn_movielens_1m, lightgcn_scientific, recgoat_movielens_1m, recgoat_scientific
from recgoat_jax.cli.main import ended
from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import AmazonScientific, Movielens1m, load_data, with_root
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.evaluation.ranking import ScoreBlock
from recgoat_jax.evaluation.significance import compare
from recgoat_jax.files import write_atomically
from recgoat_jax.models import ContentKnn, MostPopularConfig, RecGoatConfig, build_model
from recgoat_jax.report.comparison_table import format_p
from recgoat_jax.serving import Run, Scoring, ServedVectors, load_run, scoring_items
from recgoat_jax.serving.trained import best_parameters, model_config, starting_model
from recgoat_jax.training import Experiment, LoopConfig, train

RESULTS = Path(__file__).parent / "results" / "cold_items.json"
METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20")
CUTOFFS = LoopConfig().cutoffs
NEIGHBORS = (1, 3, 10, 30, 100, 1000)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5)
PATIENCE = 100
"""Validations without a better one that end the training of RecGOAT."""
MAX_EPOCHS = {"scientific": 1000, "movielens_1m": 120}
"""Its epochs at most. On MovieLens-1M an epoch takes long and cold items keep rising slowly."""
BASELINE = "content kNN"
POPULAR = "most popular"
NO_POPULARITY = "catalogue order"
"""What the most popular are among cold items, none of which has a training pair: those with the first rows."""
FAR = 1e6
"""Above every score."""
AMONG = ("all items", "cold items")
"""What is ranked."""
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


class Row(NamedTuple):
    """A row of the table, for one choice of what is ranked.

    Attributes:
        note: what was chosen on validation.
        test: the result.
        tried: what could be chosen, to its validation recall@20.
    """

    note: str
    test: EvalResult
    tried: dict[str, float]


def ranked(dataset: Dataset, split: Literal["valid", "test"], scores: ScoreBlock, among: str) -> EvalResult:
    """Evaluates scores; among cold items the trained ones come last."""
    cold = dataset.item_counts == 0
    last = np.finfo(np.float32).min

    def of_cold(users: np.ndarray) -> np.ndarray:
        return np.where(cold, scores(users), last)

    return Evaluator(dataset, split, cutoffs=CUTOFFS).from_scores(scores if among == "all items" else of_cold)


def content_knn(dataset: Dataset, among: str) -> Row:
    """Content kNN with the k that is best on validation."""
    knn, found = ContentKnn(dataset, k=NEIGHBORS[0]), {}
    for k in NEIGHBORS:
        found[k] = ranked(dataset, "valid", knn.with_k(k), among).means["recall@20"]
    best = max(NEIGHBORS, key=lambda k: found[k])
    tried = {f"k = {k}": value for k, value in found.items()}
    return Row(f"k = {best}", ranked(dataset, "test", knn.with_k(best), among), tried)


def candidates(run: Run) -> dict[str, ServedVectors]:
    """Vectors of a run, by what is chosen: the score, and for RecGOAT the temperature of cold items."""
    config, found = model_config(run), {"": run.vectors}
    if isinstance(config, MostPopularConfig):
        return found
    if isinstance(config, RecGoatConfig):
        dataset = run.dataset_with_features
        model = starting_model(run, dataset)
        params = best_parameters(run, model)
        for temperature in TEMPERATURES:
            other = build_model(replace(config, cold_temperature=temperature), dataset, rngs=nnx.Rngs(0))
            nnx.update(other, params)
            users, items = other.vectors()
            found[f", temperature {temperature}"] = ServedVectors(np.asarray(users), np.asarray(items))
        del found[""]
    known = run.dataset.item_counts > 0
    return {
        f"{scoring}{chosen}": ServedVectors(users, scoring_items(items, scoring, trained=known))
        for chosen, (users, items) in found.items()
        for scoring in typing.get_args(Scoring)
    }


def ranked_vectors(dataset: Dataset, split: Literal["valid", "test"], vectors: ServedVectors, among: str) -> EvalResult:
    """`ranked` for scores that are dot products."""
    evaluator = Evaluator(dataset, split, cutoffs=CUTOFFS)
    if among == "all items":
        return evaluator(vectors)
    # A further column puts trained items behind all others and leaves the scores of cold ones as they are.
    behind = np.where(dataset.item_counts == 0, 0.0, -FAR)[:, None]
    users = np.hstack([vectors.users, np.ones((len(vectors.users), 1))], dtype=np.float32)
    return evaluator((users, np.hstack([vectors.items, behind], dtype=np.float32)))


def trained(dataset: Dataset, served: dict[str, ServedVectors], epoch: int, among: str) -> Row:
    """A trained model's result, with the candidate that is best on validation."""
    tried = {
        name: ranked_vectors(dataset, "valid", vectors, among).means["recall@20"] for name, vectors in served.items()
    }
    best = max(tried, key=lambda name: tried[name])
    note = ", ".join(part for part in (f"epoch {epoch}" if epoch else "", best) if part)
    return Row(note, ranked_vectors(dataset, "test", served[best], among), tried)


def rows(name: str, data: AmazonScientific | Movielens1m) -> Iterator[Experiment]:
    """What is trained on a data set."""
    _, lightgcn, recgoat = SETS[name]
    loop = replace(recgoat.loop, patience=PATIENCE, max_epochs=MAX_EPOCHS[name])
    yield replace(lightgcn, name=POPULAR, data=data, model=MostPopularConfig())
    yield replace(lightgcn, name="LightGCN", data=data)
    # The first epochs find cold items well, trained ones being short still; later ones find fewer, and the last most.
    yield replace(recgoat, name="RecGOAT", data=data, loop=loop)


def measured(name: str, *, root: Path | None, out: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a data set, each tested against content kNN, by what is ranked."""
    recipe = SETS[name][0]
    data = recipe if root is None else with_root(recipe, root)
    assert isinstance(data, AmazonScientific | Movielens1m)
    dataset = load_data(data).dataset
    runs = {}
    for experiment in rows(name, data):
        folder = out / name / experiment.name.replace(" ", "_")
        epoch = train(experiment, workdir=folder).best_epoch
        runs[experiment.name] = epoch, candidates(load_run(folder))
    tables = {}
    for among in AMONG:
        found = {BASELINE: content_knn(dataset, among)}
        found |= {row: trained(dataset, served, epoch, among) for row, (epoch, served) in runs.items()}
        tested = compare({row: one.test for row, one in found.items()}, baseline=BASELINE, metrics=METRICS)
        p_values = {(one.candidate, one.metric): one.corrected_p for one in tested}
        tables[among] = [
            {
                "row": NO_POPULARITY if row == POPULAR and among == "cold items" else row,
                "note": one.note,
                "test": {metric: one.test.means[metric] for metric in METRICS},
                "p": {metric: p_values.get((row, metric)) for metric in METRICS},
                "users": len(one.test.users),
                "tried": one.tried,
            }
            for row, one in found.items()
        ]
    return tables


def as_markdown(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """A table for each data set and choice of what is ranked."""
    lines: list[str] = []
    for name, tables in found.items():
        for among, table in tables.items():
            lines += [
                f"**{name}**, {among} ranked, {table[0]['users']:,} users with cold items to find",
                "",
                f"| | {' | '.join(METRICS)} | p against {BASELINE}: recall@20 / ndcg@20 |",
                "|---|" + "---|" * (len(METRICS) + 1),
            ]
            for row in sorted(table, key=lambda one: one["test"]["recall@20"]):
                label = f"{row['row']} ({row['note']})" if row["note"] else row["row"]
                cells = " | ".join(f"{row['test'][metric]:.4f}" for metric in METRICS)
                known = [row["p"][metric] for metric in ("recall@20", "ndcg@20")]
                told = "" if None in known else " / ".join(format_p(p) for p in known)
                lines.append(f"| {label} | {cells} | {told} |")
            lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sets", nargs="*", choices=[*SETS, []], metavar="SET", help=f"of {', '.join(SETS)}; by default all"
    )
    parser.add_argument("--data", type=Path, help="root of the shared research data")
    parser.add_argument("--out", type=Path, default=Path("runs/cold_items"), help="where the runs lie")
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in given.sets or list(SETS):
        found[name] = measured(name, root=given.data, out=given.out)
        write_atomically(RESULTS, json.dumps(found, indent=1) + "\n")
        write_atomically(RESULTS.with_suffix(".md"), as_markdown(found))
    print(as_markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(ended("cold_items", main))
