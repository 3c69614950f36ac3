"""Content kNN as a run: nothing is trained, k is chosen on validation, and the directory is read like any other."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from recgoat_jax.data import Dataset
from recgoat_jax.encoders.recipes import DataConfig, ExampleData, load_data
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.files import CONFIG_FILE, ENVIRONMENT_FILE, write_atomically
from recgoat_jax.lock import run_lock
from recgoat_jax.models.content_knn import ContentKnn
from recgoat_jax.progress import ProgressLine
from recgoat_jax.training.environment import environment
from recgoat_jax.training.experiment import to_json
from recgoat_jax.training.result import (
    RunResult,
    check_same_run,
    data_settings,
    read_result,
    tell_finished,
    write_result,
)

CHOSEN = "chosen_neighbors"
"""Name of the chosen k in ``config.json``."""


@dataclass(frozen=True)
class ContentKnnExperiment:
    """One run of content kNN, in full."""

    name: str = "content_knn"
    """Name of the run, for tables and plots."""
    data: DataConfig = field(default_factory=ExampleData)
    """Where the data comes from; it has item features."""
    neighbors: tuple[int, ...] = (1, 3, 10, 30, 100, 1000)
    """Numbers of neighbours k that are tried on validation; the first of equals is taken."""
    modalities: tuple[str, ...] | None = None
    """Modalities to use, by name; None: all that the data set has."""
    selection_metric: str = "recall@20"
    """Validation metric that chooses k, unrounded."""
    cutoffs: tuple[int, ...] = (5, 10, 20, 50)
    """Cut-offs k of the metrics that are written."""

    def __post_init__(self) -> None:
        if not self.neighbors:
            raise ValueError("neighbors is empty; expected one number of neighbours or more.")


def run_content_knn(experiment: ContentKnnExperiment, *, workdir: Path, quiet: bool = False) -> RunResult:
    """Chooses k on validation and tests that one, or reads the result.

    Args:
        experiment: data, candidates for k, metric.
        workdir: the run directory; made when missing.
        quiet: no progress line.

    Returns:
        The result, as in ``result.json``; its epoch is 0, and the directory has no vectors. k is in the configuration
        as `CHOSEN`.

    Raises:
        UsageError: data without item features, a directory of another run, or a metric that is not computed.
        DataError: the data is missing or has changed.
    """
    line = None if quiet else ProgressLine(experiment.name)
    workdir.mkdir(parents=True, exist_ok=True)
    with run_lock(workdir):
        loaded = load_data(experiment.data)
        dataset, config = loaded.dataset, to_json(experiment) | data_settings(loaded)
        check_same_run(workdir, config | {CHOSEN: _stored_k(workdir)})
        if (finished := read_result(workdir)) is not None:
            tell_finished(workdir, line)
            return finished
        started, metric = time.monotonic(), experiment.selection_metric
        knn = ContentKnn(dataset, k=experiment.neighbors[0], modalities=experiment.modalities)
        valid = _validated(experiment, knn, dataset, line)
        best = max(experiment.neighbors, key=lambda k: valid[k].means[metric])
        test = Evaluator(dataset, "test", cutoffs=experiment.cutoffs).from_scores(knn.with_k(best))
        described = environment()
        write_atomically(workdir / CONFIG_FILE, json.dumps(config | {CHOSEN: best}, indent=2) + "\n")
        write_atomically(workdir / ENVIRONMENT_FILE, json.dumps(described, indent=2) + "\n")
        result = RunResult(
            directory=workdir,
            name=experiment.name,
            model="ContentKnn",
            protocol=dataset.manifest.protocol,
            dataset=dataset.manifest.hash,
            dataset_name=dataset.manifest.name,
            valid=valid[best].means,
            test=test.means,
            best_epoch=0,
            epochs=0,
            seconds=round(time.monotonic() - started, 3),
            seed=0,
            commit=described["commit"],
        )
        write_result(result, None, test)
        if line:
            line.show(f"test {metric} {test.means[metric]:.4f} (k = {best})", final=True)
        return result


def _validated(
    experiment: ContentKnnExperiment, knn: ContentKnn, dataset: Dataset, line: ProgressLine | None
) -> dict[int, EvalResult]:
    """Validation of every candidate for k."""
    evaluator = Evaluator(dataset, "valid", cutoffs=experiment.cutoffs)
    found = {}
    for number, k in enumerate(experiment.neighbors, start=1):
        if line:
            line.show(f"k = {k}, {number} of {len(experiment.neighbors)}")
        found[k] = evaluator.from_scores(knn.with_k(k))
        if experiment.selection_metric not in found[k].means:
            raise UsageError(
                f"selection_metric is '{experiment.selection_metric}'; expected one of {', '.join(found[k].means)}."
            )
    return found


def _stored_k(workdir: Path) -> int | None:
    """What an earlier run chose; None where there is none."""
    path = workdir / CONFIG_FILE
    return json.loads(path.read_text(encoding="utf-8")).get(CHOSEN) if path.exists() else None


__all__ = ["CHOSEN", "ContentKnnExperiment", "run_content_knn"]
