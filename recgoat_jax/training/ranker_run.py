"""Rankers whose settings validation chooses, as runs: content kNN, item kNN, EASE, and one of these beside a model.

Nothing is trained here: the model of a blend is a run of its own. The directory is read like any other.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

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
from recgoat_jax.models.blend import Blend
from recgoat_jax.models.content_knn import ContentKnn
from recgoat_jax.models.ease import Ease, check_ease, has_content
from recgoat_jax.models.item_knn import LIKENESSES, ItemKnn, Likeness
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.progress import ProgressLine
from recgoat_jax.training.environment import environment
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.loop import train
from recgoat_jax.training.result import (
    MODEL_DIRECTORY,
    RunResult,
    check_same_run,
    data_settings,
    differing_settings,
    read_result,
    stored_settings,
    tell_finished,
    without_places,
    write_result,
)

CHOSEN = "chosen"
"""Name of what validation chose in ``config.json``, such as ``{"k": 30}``."""

CHOSEN_BESIDE = "chosen_beside"
"""The same of the ranker that a blend adds."""

BLEND_WEIGHTS = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""From the model alone to mostly the other ranker."""


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
    similarities: tuple[Likeness, ...] = LIKENESSES
    """Likenesses of items that are tried."""
    selection_metric: str = "recall@20"
    """Validation metric that chooses, unrounded."""
    cutoffs: tuple[int, ...] = CUTOFFS
    """Cut-offs k of the metrics that are written."""

    settings: ClassVar = ("k", "similarity")
    """Names of what validation chooses."""

    def __post_init__(self) -> None:
        _check_not_empty(neighbors=self.neighbors, similarities=self.similarities)
        for k in self.neighbors:
            check_positive(neighbors=k)
        if unknown := set(self.similarities) - set(LIKENESSES):
            raise ValueError(f"similarities has {sorted(unknown)}; expected some of {', '.join(LIKENESSES)}.")


@dataclass(frozen=True)
class EaseExperiment:
    """One run of EASE, in full."""

    name: str = "ease"
    """Name of the run, for tables and plots."""
    data: DataConfig = field(default_factory=ExampleData)
    """Where the data comes from."""
    l2: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    """Penalties that are tried on validation; the first of equals is taken."""
    content_weights: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0, 10.0)
    """Weights of content that are tried; above 0 only where the data has content."""
    neighbors: int = 10
    """Nearest items of an item in a content graph that does not come with the data."""
    modality_shares: tuple[tuple[str, float], ...] = ()
    """Relative weights of the modalities in that graph; one that is not named counts 1."""
    selection_metric: str = "recall@20"
    """Validation metric that chooses, unrounded."""
    cutoffs: tuple[int, ...] = CUTOFFS
    """Cut-offs k of the metrics that are written."""

    settings: ClassVar = ("l2", "content_weight")
    """Names of what validation chooses."""

    def __post_init__(self) -> None:
        _check_not_empty(l2=self.l2, content_weights=self.content_weights)
        check_positive(neighbors=self.neighbors)
        for l2, weight in product(self.l2, self.content_weights):
            check_ease(l2, weight)

    @classmethod
    def beside(cls, trained: Experiment, name: str) -> "EaseExperiment":
        """EASE on the data of a model, chosen as the model's epoch is; of RecGOAT with its k and shares of modalities.

        Args:
            trained: the experiment of the model.
            name: of the run.
        """
        loop, model = trained.loop, trained.model
        made = cls(name, trained.data, selection_metric=loop.selection_metric, cutoffs=loop.cutoffs)
        if isinstance(model, RecGoatConfig):
            return replace(made, neighbors=model.neighbors, modality_shares=model.modality_shares)
        return made


MemoryExperiment = ItemKnnExperiment | EaseExperiment
"""Rankers that remember pairs of items, which a blend adds to a model."""


@dataclass(frozen=True)
class BlendExperiment:
    """A trained model, and another ranker's scores added to its own. The model knows nothing of them in training."""

    name: str
    """Name of the run, for tables and plots."""
    trained: Experiment
    """The run of the model."""
    beside: MemoryExperiment
    """The run of the other ranker, on the same data."""
    weights: tuple[float, ...] = BLEND_WEIGHTS
    """Weights of the other scores that are tried on validation; the first of equals is taken."""

    def __post_init__(self) -> None:
        _check_not_empty(weights=self.weights)
        if wrong := [weight for weight in self.weights if not math.isfinite(weight)]:
            raise ValueError(f"weights has {wrong}; expected finite numbers.")
        if len({self.name, self.trained.name, self.beside.name}) < 3:
            raise ValueError(
                f"the names are '{self.name}', '{self.trained.name}' and '{self.beside.name}'; expected three "
                "different ones, since runs are kept under them."
            )
        if self.trained.data != self.beside.data:
            raise ValueError(f"the data is {self.trained.data} and {self.beside.data}; expected the same.")

    @property
    def data(self) -> DataConfig:
        """Where the data comes from."""
        return self.trained.data

    def with_data(self, data: DataConfig) -> "BlendExperiment":
        """The same on other data."""
        return replace(self, trained=replace(self.trained, data=data), beside=replace(self.beside, data=data))


RankerExperiment = ContentKnnExperiment | MemoryExperiment | BlendExperiment
"""Experiments that choose settings of a ranker."""

Settings = Mapping[str, Any]
"""Names of settings to values."""


class _Search(NamedTuple):
    """A ranker's settings.

    Attributes:
        model: what is run, for the result.
        candidates: settings to try.
        ranker: of settings.
        metric: validation metric that chooses.
        cutoffs: cut-offs of the metrics that are written.
        seed: of the run.
        vectors: those that a blend is made with.
    """

    model: str
    candidates: Sequence[Settings]
    ranker: Callable[[Settings], ScoreBlock]
    metric: str
    cutoffs: tuple[int, ...]
    seed: int = 0
    vectors: VectorPair | None = None


def settings_json(experiment: Experiment | RankerExperiment) -> dict[str, Any]:
    """The settings of anything that runs, as JSON values; a blend says once where the data of both its runs lies."""
    if isinstance(experiment, BlendExperiment):
        told = to_json(experiment)
        both = {name: without_places(told[name]) for name in ("trained", "beside")}
        return told | both | {"data": to_json(experiment.data)}
    return to_json(experiment)


def run_ranker(
    experiment: RankerExperiment,
    *,
    workdir: Path,
    model_workdir: Path | None = None,
    beside_workdir: Path | None = None,
    quiet: bool = False,
) -> RunResult:
    """Chooses the settings on validation and tests those, or reads the result.

    Args:
        experiment: data, candidates, metric.
        workdir: the run directory; made when missing.
        model_workdir: for a blend, the run directory of its model, which is trained there if it is not yet; None: the
            directory of the model's name beside ``workdir``.
        beside_workdir: the same of its other ranker.
        quiet: no progress line.

    Returns:
        The result, as in ``result.json``; its epoch is 0. The directory has no vectors, or, of a blend, those of the
        model. What was chosen is in the configuration as `CHOSEN`.

    Raises:
        UsageError: data that the ranker cannot use, a directory of another run, or a metric that is not computed.
        DataError: the data is missing or has changed.
    """
    line = None if quiet else ProgressLine(experiment.name)
    workdir.mkdir(parents=True, exist_ok=True)
    with run_lock(workdir):
        loaded = load_data(experiment.data)
        dataset, config = loaded.dataset, settings_json(experiment) | data_settings(loaded)
        stored = stored_settings(workdir) or {}
        check_same_run(workdir, config | {name: stored[name] for name in (CHOSEN, CHOSEN_BESIDE) if name in stored})
        finished = read_result(workdir)
        if finished is not None and CHOSEN in stored:
            tell_finished(workdir, line)
            return finished
        if finished is not None:
            raise UsageError(
                f"{workdir}: found a run of {finished.model}; expected one for which validation chose settings. "
                "Choose another directory, or delete this one."
            )
        if isinstance(experiment, BlendExperiment):
            model_workdir = model_workdir or workdir.with_name(experiment.trained.name)
            _trained(experiment.trained, dataset, model_workdir, quiet=quiet)
            beside_workdir = beside_workdir or workdir.with_name(experiment.beside.name)
            run_ranker(experiment.beside, workdir=beside_workdir, quiet=quiet)
            config[CHOSEN_BESIDE] = (stored_settings(beside_workdir) or {})[CHOSEN]
            config[MODEL_DIRECTORY] = os.path.relpath(model_workdir.resolve(), workdir.resolve())
        started = time.monotonic()
        search = _search(experiment, dataset, model_workdir, config.get(CHOSEN_BESIDE))
        valid = _validated(search, dataset, line)
        place = max(range(len(valid)), key=lambda one: valid[one].means[search.metric])
        best = dict(search.candidates[place])
        test = Evaluator(dataset, "test", cutoffs=search.cutoffs).from_scores(search.ranker(best))
        described = environment()
        write_atomically(workdir / CONFIG_FILE, json.dumps(config | {CHOSEN: best}, indent=2) + "\n")
        write_atomically(workdir / ENVIRONMENT_FILE, json.dumps(described, indent=2) + "\n")
        result = RunResult(
            directory=workdir,
            name=experiment.name,
            model=search.model,
            protocol=dataset.manifest.protocol,
            dataset=dataset.manifest.hash,
            dataset_name=dataset.manifest.name,
            valid=valid[place].means,
            test=test.means,
            best_epoch=0,
            epochs=0,
            seconds=round(time.monotonic() - started, 3),
            seed=search.seed,
            commit=described["commit"],
        )
        write_result(result, search.vectors, test)
        if line:
            line.show(f"test {search.metric} {test.means[search.metric]:.4f} ({shown_settings(best)})", final=True)
        return result


def shown_settings(settings: Settings) -> str:
    """Settings for people: ``"k = 30, similarity = cosine"``."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def memory_ranker(experiment: MemoryExperiment, dataset: Dataset) -> Callable[[Settings], Ease | ItemKnn]:
    """What makes a ranker that remembers pairs of items; what settings share is computed once.

    Args:
        experiment: which ranker.
        dataset: prepared data.

    Returns:
        From settings, as in ``candidates`` and `CHOSEN`, to the ranker.
    """
    match experiment:
        case ItemKnnExperiment(neighbors=neighbors):
            sizes = {"num_users": dataset.num_users, "num_items": dataset.num_items}
            most: dict[str, ItemKnn] = {}

            def item_knn(settings: Settings) -> ItemKnn:
                kind = settings["similarity"]
                if kind not in most:
                    most[kind] = ItemKnn(dataset.train, **sizes, k=max(neighbors), similarity=kind)
                return most[kind].with_k(settings["k"])

            return item_knn
        case EaseExperiment():
            shares = dict(experiment.modality_shares)
            last: Ease | None = None

            def ease(settings: Settings) -> Ease:
                nonlocal last
                if last is None:
                    last = Ease(dataset, **settings, neighbors=experiment.neighbors, modality_shares=shares)
                else:
                    last = last.with_settings(**settings)
                return last

            return ease


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


def _search(
    experiment: RankerExperiment, dataset: Dataset, model_workdir: Path | None, chosen_beside: Settings | None
) -> _Search:
    match experiment:
        case ContentKnnExperiment(neighbors=neighbors):
            content = ContentKnn(dataset, k=neighbors[0], modalities=experiment.modalities)
            candidates: list[Settings] = [{"k": k} for k in neighbors]
            metric, cutoffs = experiment.selection_metric, experiment.cutoffs
            return _Search("ContentKnn", candidates, lambda one: content.with_k(one["k"]), metric, cutoffs)
        case ItemKnnExperiment():
            candidates = [
                {"k": k, "similarity": kind} for kind, k in product(experiment.similarities, experiment.neighbors)
            ]
            ranker = memory_ranker(experiment, dataset)
            return _Search("ItemKnn", candidates, ranker, experiment.selection_metric, experiment.cutoffs)
        case EaseExperiment():
            weights = [weight for weight in experiment.content_weights if weight == 0 or has_content(dataset)]
            candidates = [
                {"l2": l2, "content_weight": weight} for weight, l2 in product(weights or (0.0,), experiment.l2)
            ]
            ranker = memory_ranker(experiment, dataset)
            return _Search("Ease", candidates, ranker, experiment.selection_metric, experiment.cutoffs)
        case BlendExperiment(trained=trained, beside=beside):
            assert model_workdir is not None
            assert chosen_beside is not None
            arrays = load_npz(model_workdir / VECTORS_FILE, names=("users", "items"))
            vectors = (np.asarray(arrays["users"]), np.asarray(arrays["items"]))
            blend = Blend(vectors, memory_ranker(beside, dataset)(chosen_beside), weight=0.0)
            return _Search(
                "Blend",
                [{"weight": weight} for weight in experiment.weights],
                lambda one: blend.with_weight(one["weight"]),
                trained.loop.selection_metric,
                trained.loop.cutoffs,
                trained.seed,
                vectors,
            )


def _validated(search: _Search, dataset: Dataset, line: ProgressLine | None) -> list[EvalResult]:
    """Validation of every candidate."""
    evaluator = Evaluator(dataset, "valid", cutoffs=search.cutoffs)
    found = []
    for number, candidate in enumerate(search.candidates, start=1):
        if line:
            line.show(f"{shown_settings(candidate)}, {number} of {len(search.candidates)}")
        found.append(evaluator.from_scores(search.ranker(candidate)))
        if search.metric not in found[-1].means:
            raise UsageError(f"selection_metric is '{search.metric}'; expected one of {', '.join(found[-1].means)}.")
    return found


def _check_not_empty(**candidates: Sequence[Any]) -> None:
    for name, values in candidates.items():
        if not values:
            raise ValueError(f"{name} is empty; expected one value or more.")


__all__ = [
    "BLEND_WEIGHTS",
    "CHOSEN",
    "CHOSEN_BESIDE",
    "BlendExperiment",
    "ContentKnnExperiment",
    "EaseExperiment",
    "ItemKnnExperiment",
    "MemoryExperiment",
    "RankerExperiment",
    "memory_ranker",
    "run_ranker",
    "settings_json",
    "shown_settings",
]
