"""Rankers with one setting, chosen on validation, as runs: content kNN, item kNN, and item kNN beside a trained model.

Nothing is trained but the model of a blend, which is a run of its own. The directory is read like any other.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgoat_jax.data import Dataset
from recgoat_jax.data.feature_files import load_npz
from recgoat_jax.encoders.recipes import DataConfig, ExampleData, load_data
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.evaluation.evaluate import CUTOFFS
from recgoat_jax.evaluation.ranking import ScoreBlock, VectorPair
from recgoat_jax.files import CONFIG_FILE, ENVIRONMENT_FILE, VECTORS_FILE, write_atomically
from recgoat_jax.graphs.knn import check_positive
from recgoat_jax.lock import run_lock
from recgoat_jax.models.content_knn import ContentKnn
from recgoat_jax.models.item_knn import Blend, ItemKnn
from recgoat_jax.progress import ProgressLine
from recgoat_jax.training.environment import environment
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.loop import train
from recgoat_jax.training.result import (
    RunResult,
    check_same_run,
    data_settings,
    differing_settings,
    read_result,
    stored_settings,
    tell_finished,
    write_result,
)

CHOSEN = "chosen"
"""Name of what validation chose in ``config.json``, such as ``{"k": 30}``."""

BLEND_WEIGHTS = (0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""From small to large: what item kNN adds up grows with the number of items that users have."""


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
    cutoffs: tuple[int, ...] = CUTOFFS
    """Cut-offs k of the metrics that are written."""

    def __post_init__(self) -> None:
        _check_not_empty(neighbors=self.neighbors)


@dataclass(frozen=True)
class ItemKnnExperiment:
    """One run of item kNN, in full."""

    name: str = "item_knn"
    """Name of the run, for tables and plots."""
    data: DataConfig = field(default_factory=ExampleData)
    """Where the data comes from."""
    neighbors: tuple[int, ...] = (3, 10, 30, 100, 300, 1000)
    """Numbers of neighbours k that are tried on validation; the first of equals is taken."""
    selection_metric: str = "recall@20"
    """Validation metric that chooses k, unrounded."""
    cutoffs: tuple[int, ...] = CUTOFFS
    """Cut-offs k of the metrics that are written."""

    def __post_init__(self) -> None:
        _check_not_empty(neighbors=self.neighbors)


@dataclass(frozen=True)
class BlendExperiment(Experiment):
    """A trained model, and item kNN's scores added to its own. The model knows nothing of them in training."""

    model_name: str = ""
    """Name of the model's own run."""
    item_neighbors: int = 30
    """Neighbours k of item kNN."""
    weights: tuple[float, ...] = BLEND_WEIGHTS
    """Weights of item kNN's scores that are tried on validation; the first of equals is taken."""

    def __post_init__(self) -> None:
        _check_not_empty(weights=self.weights)
        check_positive(item_neighbors=self.item_neighbors)
        if not self.model_name or self.model_name == self.name:
            raise ValueError(f"model_name is '{self.model_name}'; expected a name, other than that of the blend.")

    @classmethod
    def of(cls, trained: Experiment, name: str) -> "BlendExperiment":
        """The blend of an experiment's model.

        Args:
            trained: the experiment.
            name: of the blend.
        """
        return cls(**_settings(trained, name=name, model_name=trained.name))

    @property
    def trained(self) -> Experiment:
        """The experiment of the model alone."""
        return Experiment(**_settings(self, name=self.model_name))


def _settings(experiment: Experiment, **other: Any) -> dict[str, Any]:
    """The settings that every experiment has, some of them others."""
    return {one.name: getattr(experiment, one.name) for one in fields(Experiment)} | other


RankerExperiment = ContentKnnExperiment | ItemKnnExperiment | BlendExperiment
"""Experiments that choose one setting of a ranker."""


class _Search(NamedTuple):
    """A ranker's one setting.

    Attributes:
        model: what is run, for the result.
        setting: name of the setting.
        candidates: values to try.
        ranker: of a value.
        metric: validation metric that chooses.
        cutoffs: cut-offs of the metrics that are written.
        seed: of the run.
        vectors: those that a blend is made with.
    """

    model: str
    setting: str
    candidates: Sequence[Any]
    ranker: Callable[[Any], ScoreBlock]
    metric: str
    cutoffs: tuple[int, ...]
    seed: int = 0
    vectors: VectorPair | None = None


def run_ranker(
    experiment: RankerExperiment, *, workdir: Path, model_workdir: Path | None = None, quiet: bool = False
) -> RunResult:
    """Chooses the setting on validation and tests that one, or reads the result.

    Args:
        experiment: data, candidates, metric.
        workdir: the run directory; made when missing.
        model_workdir: for a blend, the run directory of its model, which is trained there if it is not yet; None: the
            directory of the model's name beside ``workdir``.
        quiet: no progress line.

    Returns:
        The result, as in ``result.json``; its epoch is 0. The directory has no vectors, or, of a blend, those of the
        model. What was chosen is in the configuration as `CHOSEN`.

    Raises:
        UsageError: data without item features, a directory of another run, or a metric that is not computed.
        DataError: the data is missing or has changed.
    """
    line = None if quiet else ProgressLine(experiment.name)
    workdir.mkdir(parents=True, exist_ok=True)
    with run_lock(workdir):
        loaded = load_data(experiment.data)
        dataset, config = loaded.dataset, to_json(experiment) | data_settings(loaded)
        stored = stored_settings(workdir) or {}
        check_same_run(workdir, config | {CHOSEN: stored.get(CHOSEN)})
        finished = read_result(workdir)
        if finished is not None and CHOSEN in stored:
            tell_finished(workdir, line)
            return finished
        if finished is not None:
            raise UsageError(
                f"{workdir}: found a run of {finished.model}; expected one for which validation chose a setting. "
                "Choose another directory, or delete this one."
            )
        if isinstance(experiment, BlendExperiment):
            model_workdir = model_workdir or workdir.with_name(experiment.model_name)
            _trained(experiment.trained, dataset, model_workdir, quiet=quiet)
        started = time.monotonic()
        search = _search(experiment, dataset, model_workdir)
        valid = _validated(search, dataset, line)
        best = max(search.candidates, key=lambda candidate: valid[candidate].means[search.metric])
        test = Evaluator(dataset, "test", cutoffs=search.cutoffs).from_scores(search.ranker(best))
        described = environment()
        write_atomically(workdir / CONFIG_FILE, json.dumps(config | {CHOSEN: {search.setting: best}}, indent=2) + "\n")
        write_atomically(workdir / ENVIRONMENT_FILE, json.dumps(described, indent=2) + "\n")
        result = RunResult(
            directory=workdir,
            name=experiment.name,
            model=search.model,
            protocol=dataset.manifest.protocol,
            dataset=dataset.manifest.hash,
            dataset_name=dataset.manifest.name,
            valid=valid[best].means,
            test=test.means,
            best_epoch=0,
            epochs=0,
            seconds=round(time.monotonic() - started, 3),
            seed=search.seed,
            commit=described["commit"],
        )
        write_result(result, search.vectors, test)
        if line:
            line.show(f"test {search.metric} {test.means[search.metric]:.4f} ({search.setting} = {best})", final=True)
        return result


def _trained(experiment: Experiment, dataset: Dataset, workdir: Path, *, quiet: bool) -> None:
    """Trains the model of a blend, if it is not yet; a finished run is only read, wherever its data lay."""
    finished = read_result(workdir)
    if finished is None:
        train(experiment, workdir=workdir, quiet=quiet)
        return
    found = differing_settings(stored_settings(workdir) or {}, to_json(experiment))
    if finished.dataset != dataset.manifest.hash:
        found.append(f"data: stored {finished.dataset[:12]}, given {dataset.manifest.hash[:12]}")
    if found:
        raise UsageError(
            f"{workdir}: found another model than that of the blend ({'; '.join(found[:5])}); expected the same "
            "settings and data. Name the directory of that model's run."
        )


def _search(experiment: RankerExperiment, dataset: Dataset, model_workdir: Path | None) -> _Search:
    sizes = {"num_users": dataset.num_users, "num_items": dataset.num_items}
    match experiment:
        case ContentKnnExperiment(neighbors=neighbors):
            content = ContentKnn(dataset, k=neighbors[0], modalities=experiment.modalities)
            return _Search(
                "ContentKnn", "k", neighbors, content.with_k, experiment.selection_metric, experiment.cutoffs
            )
        case ItemKnnExperiment(neighbors=neighbors):
            items = ItemKnn(dataset.train, **sizes, k=max(neighbors))
            return _Search("ItemKnn", "k", neighbors, items.with_k, experiment.selection_metric, experiment.cutoffs)
        case BlendExperiment(loop=loop):
            assert model_workdir is not None
            arrays = load_npz(model_workdir / VECTORS_FILE, names=("users", "items"))
            vectors = (np.asarray(arrays["users"]), np.asarray(arrays["items"]))
            items = ItemKnn(dataset.train, **sizes, k=experiment.item_neighbors)
            return _Search(
                "Blend",
                "weight",
                experiment.weights,
                lambda weight: Blend(vectors, items, weight=weight),
                loop.selection_metric,
                loop.cutoffs,
                experiment.seed,
                vectors,
            )


def _validated(search: _Search, dataset: Dataset, line: ProgressLine | None) -> dict[Any, EvalResult]:
    """Validation of every candidate."""
    evaluator = Evaluator(dataset, "valid", cutoffs=search.cutoffs)
    found = {}
    for number, candidate in enumerate(search.candidates, start=1):
        if line:
            line.show(f"{search.setting} = {candidate}, {number} of {len(search.candidates)}")
        found[candidate] = evaluator.from_scores(search.ranker(candidate))
        if search.metric not in found[candidate].means:
            raise UsageError(
                f"selection_metric is '{search.metric}'; expected one of {', '.join(found[candidate].means)}."
            )
    return found


def _check_not_empty(**candidates: Sequence[Any]) -> None:
    for name, values in candidates.items():
        if not values:
            raise ValueError(f"{name} is empty; expected one value or more.")


__all__ = [
    "BLEND_WEIGHTS",
    "CHOSEN",
    "BlendExperiment",
    "ContentKnnExperiment",
    "ItemKnnExperiment",
    "RankerExperiment",
    "run_ranker",
]
