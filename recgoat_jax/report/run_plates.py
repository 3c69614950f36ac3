"""What each figure of a run shows: its numbers from the run's files, the figure, and a caption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation.evaluate import Evaluator
from recgoat_jax.evaluation.metrics import METRIC_NAMES, MetricName
from recgoat_jax.evaluation.slices import ITEM_POPULARITY, USER_ACTIVITY, SliceRow, slice_rows
from recgoat_jax.files import CONFIG_FILE, METRICS_FILE, PER_USER_FILE
from recgoat_jax.models.rec_goat_contrasts import Representation
from recgoat_jax.report.dots import group_figure, view_figure
from recgoat_jax.report.figures import curves_figure, fusion_weights_figure, series
from recgoat_jax.report.maps import embed_views, map_figure
from recgoat_jax.report.mixtures import mixture_figure, simplex_grid
from recgoat_jax.report.plans import alignment_figure, effective_axes, plan_figure
from recgoat_jax.report.run_theory import TheoryOptions, measure_run
from recgoat_jax.report.run_views import REPRESENTATIONS, Moment, RunViews, sampled_rows
from recgoat_jax.report.theory_figures import bounds_figure
from recgoat_jax.report.verdicts import summary
from recgoat_jax.serving.run import Run

CHECKPOINT = "checkpoints/best"
"""Named in captions: where trained parameters are read."""

_COST = "transport/{}/cost"
_STEPS = {2: 20, 3: 10}


@dataclass(frozen=True)
class ReportOptions:
    """What figures show.

    Attributes:
        metric: metric of all figures but those that need several; None: the one that chose the epoch.
        users: validation users that every mixture is tried on, at most.
        items: items on a map, at most; each is there once a view.
        seed: of samples and maps.
    """

    metric: str | None = None
    users: int = 2000
    items: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if self.users < 1 or self.items < 4:
            raise UsageError(f"{self.users} users and {self.items} items; expected 1 or more users, 4 or more items.")


class Plate(NamedTuple):
    """A figure with what is said of it."""

    figure: Figure
    caption: str
    sources: tuple[str, ...]


class Subject:
    """The runs that are drawn: the first, and further seeds of the same experiment."""

    def __init__(self, runs: Sequence[Run], options: ReportOptions, checkpoints: Path | None) -> None:
        self.runs, self.options, self._checkpoints = runs, options, checkpoints
        self.run = runs[0]
        self.metric = options.metric or str(self.run.config.get("loop", {}).get("selection_metric", "recall@20"))
        known = sorted(self.run.result["test"])
        if self.metric not in known:
            raise UsageError(f"the run has no metric '{self.metric}'; expected one of {', '.join(known)}.")

    @cached_property
    def views(self) -> RunViews:
        """Of the first run."""
        return RunViews(self.run, checkpoints=self._checkpoints)

    @property
    def cutoff(self) -> int:
        """Cut-off k of the metric."""
        return int(self.metric.partition("@")[2])

    @property
    def metric_name(self) -> MetricName:
        """The metric without its cut-off."""
        return next(name for name in METRIC_NAMES if name == self.metric.partition("@")[0])

    @property
    def seeds(self) -> str:
        """For a caption."""
        return "a dot a seed" if len(self.runs) > 1 else "one seed"


def _curves(subject: Subject) -> Plate:
    caption = (
        f"Mean training loss of each epoch, and validation {subject.metric}, all items ranked; the dot is the epoch "
        "that validation chose."
    )
    return Plate(curves_figure(subject.runs, metric=subject.metric), caption, (METRICS_FILE,))


def _fusion_weights(subject: Subject) -> Plate:
    caption = "Weights of the views in the item vector, as training moves them. An item that lacks a view has its "
    caption += "weight on the others."
    return Plate(fusion_weights_figure(subject.run), caption, (METRICS_FILE,))


def _mixtures(subject: Subject) -> Plate:
    views, options = subject.views, subject.options
    if len(views.names) not in _STEPS:
        raise UsageError(
            f"{len(views.names)} views ({', '.join(views.names)}); expected two or three, a line or a triangle."
        )
    users = sampled_rows(np.unique(views.dataset.valid.users), most=options.users, seed=options.seed)
    evaluator = Evaluator(
        views.dataset, "valid", cutoffs=(subject.cutoff,), metrics=(subject.metric_name,), users=users
    )
    grid = simplex_grid(len(views.names), _STEPS[len(views.names)])
    panels = {
        name: views.mixtures(grid, evaluator, metric=subject.metric, representation=name) for name in REPRESENTATIONS
    }
    figure = mixture_figure(panels, names=views.names, metric=subject.metric, learned=views.learned.tolist())
    found = "; ".join(
        f"{name}: best {mixtures.values.max():.4f} at {_weights(views.names, mixtures.best)}, (max - min) / max "
        f"{100 * mixtures.spread:.1f} %"
        for name, mixtures in panels.items()
    )
    caption = (
        f"Validation {subject.metric} of {len(users):,} users for {len(grid)} mixtures of the trained views, after and "
        f"before transport; nothing is trained anew, and the user vectors are those of the run. Star: best mixture; "
        f"cross: learned weights, {_weights(views.names, views.learned)}. {found[:1].upper()}{found[1:]}. An item that "
        "lacks a view has its weight on the others."
    )
    return Plate(figure, caption, (CHECKPOINT, CONFIG_FILE))


def _weights(names: Sequence[str], weights: np.ndarray) -> str:
    return ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, weights.tolist(), strict=True))


def _single_views(subject: Subject) -> Plate:
    metrics = list(dict.fromkeys([subject.metric, f"ndcg@{subject.cutoff}"]))
    labels: dict[Representation, str] = {"aligned": "as they are fused", "unaligned": "before transport"}
    panels = {metric: {label: {} for label in labels.values()} for metric in metrics}
    for run in subject.runs:
        views = subject.views if run is subject.run else RunViews(run)
        evaluator = Evaluator(
            views.dataset, "test", cutoffs=(subject.cutoff,), metrics=tuple({subject.metric_name, "ndcg"})
        )
        for representation, label in labels.items():
            found = views.alone(evaluator, metrics=metrics, representation=representation)
            for metric, of_metric in found.items():
                for row, value in of_metric.items():
                    panels[metric][label].setdefault(row, []).append(value)
    caption = (
        f"Test metrics of the fused item vectors and of each view in their place, {subject.seeds}; hollow: the view "
        "before transport. The user vectors are those of the run. Alone, an item without the modality scores 0."
    )
    return Plate(view_figure(panels), caption, (CHECKPOINT, CONFIG_FILE))


def _plans(subject: Subject) -> Plate:
    plans = subject.views.plans()
    if not plans:
        transport = subject.run.config["model"]["transport"]
        raise UsageError(f"the model solves no transport plan (transport '{transport}'); expected one that does.")
    figure = plan_figure(
        {name: {"before training": one.before[0], "after training": one.after[0]} for name, one in plans.items()}
    )
    changes = "; ".join(
        f"{name}: {effective_axes(one.before[0]):.1f} axes before, {effective_axes(one.after[0]):.1f} after, cost "
        f"{one.before[1]:.3f} before, {one.after[1]:.3f} after"
        for name, one in plans.items()
    )
    caption = (
        "Transport plans from the feature axes of each modality (rows) to those of the ID vectors (columns), scaled so "
        "that every column sums to 1, with the parameters that training started from and with the best ones. Lines: "
        "sums of columns and of rows, 1 where the plan is doubly stochastic. Above each: exp(entropy), how many axes "
        f"of the modality make up an ID axis in the mean. {changes[:1].upper()}{changes[1:]}."
    )
    return Plate(figure, caption, (CHECKPOINT, CONFIG_FILE))


def _alignment(subject: Subject) -> Plate:
    run = subject.run
    names = [key.split("/")[1] for line in run.log for key in line if key.startswith("transport/")]
    logged = {name: series(run, None, _COST.format(name)) for name in dict.fromkeys(names)}
    best = run.result["best_epoch"]
    try:
        found = subject.views.plans()
    except DataError:
        if not logged:
            raise
        # Without a checkpoint the log says all but where it began.
        found = {}
    if not found and not logged:
        raise UsageError(f"{run.name} solves no transport plan; expected a run that does.")
    distances: dict[str, tuple[Sequence[int], Sequence[float]]] = {**logged}
    for name, one in found.items():
        epochs, costs = logged.get(name, ([best or 1], [one.after[1]]))
        distances[name] = ([0, *epochs], [one.before[1], *costs])
    sources = ((METRICS_FILE,) if logged else ()) + ((CHECKPOINT, CONFIG_FILE) if found else ())
    caption = (
        "Cost of the transport plan from each modality to the ID vectors, the mean of 1 - correlation under the plan: "
        "0 for equal axes, about 1 for unrelated ones; epoch 0 is before training."
    )
    return Plate(alignment_figure(distances, best_epoch=best), caption, sources)


def _maps(subject: Subject) -> Plate:
    views, options = subject.views, subject.options
    rows = sampled_rows(np.flatnonzero(views.complete), most=options.items, seed=options.seed)
    if len(rows) < 4:
        raise UsageError(f"{len(rows)} items have training pairs and every view; expected four or more for a map.")
    panels = {}
    titles: dict[tuple[Moment, Representation], str] = {
        ("before", "unaligned"): "before training",
        ("after", "unaligned"): "trained, before transport",
        ("after", "aligned"): "trained, after transport",
    }
    for (moment, representation), title in titles.items():
        chosen = {name: vectors[rows] for name, vectors in views.vectors(representation, moment).items()}
        panels[title] = embed_views(chosen, seed=options.seed)
    caption = (
        f"Maps (t-SNE of cosines) of {len(rows):,} items, drawn at random (seed {options.seed}) from those with "
        "training pairs and every view; each is there once a view. Where colours mix, views of an item, or of like "
        "items, are near. The first is of the parameters that training started from; axes have no meaning."
    )
    return Plate(map_figure(panels), caption, (CHECKPOINT, CONFIG_FILE))


def _bounds(subject: Subject) -> Plate:
    options = TheoryOptions(seed=subject.options.seed)
    theory = measure_run(subject.views, name=subject.run.name, options=options, representations=("aligned",))
    counts = summary(theory.statements())
    nothing = sum(of_name["says nothing"] for name, of_name in counts.items() if name.endswith("printed"))
    printed = sum(sum(of_name.values()) for name, of_name in counts.items() if name.endswith("printed"))
    failed = sum(of_name["does not hold"] for name, of_name in counts.items() if name.endswith("printed"))
    caption = (
        "Left sides and bounds of lemmas 3.3 and 3.4 and of the theorem of alignment consistency, each divided by a "
        f"number that shuffled rows meet as well, over {theory.pairs:,} pairs, half held out, half drawn at random; "
        f"InfoNCE at temperature {theory.temperature:g} over batches of {theory.batch:,}. From 1 on (grey) a "
        f"bound says nothing. Of {printed} printed right sides, fusion comprehensiveness among them, {nothing} say "
        f"nothing and {failed} do not hold. The preference's Lipschitz constant is put at 0, its least value."
    )
    return Plate(bounds_figure(theory.rows("aligned")), caption, (CHECKPOINT, CONFIG_FILE))


def _slices(subject: Subject) -> Plate:
    metric = f"recall@{subject.cutoff}"
    rows = [slice_rows(run.per_user, run.dataset) for run in subject.runs]
    panels: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, list[int]] = {}
    titles = {USER_ACTIVITY: "Users by training items", ITEM_POPULARITY: "Items by training users"}
    for name, title in titles.items():
        groups: dict[str, list[SliceRow]] = {}
        for row in (row for of_run in rows for row in of_run if row.slice == name):
            groups.setdefault(row.group, []).append(row)
        panels[title] = {group: [row.metrics[metric] for row in found] for group, found in groups.items()}
        sizes[title] = [found[0].users if name == USER_ACTIVITY else found[0].targets for found in groups.values()]
    caption = (
        f"Test {metric}, {subject.seeds}: the mean over users, in groups of about equal size by their number of "
        "training items (n users); and the share of held-out items that are found, by their number of training users "
        "(n held-out items)."
    )
    return Plate(group_figure(panels, metric=metric, sizes=sizes), caption, (PER_USER_FILE,))


PLATES: tuple[tuple[str, str, Callable[[Subject], Plate]], ...] = (
    ("curves", "Loss and validation", _curves),
    ("fusion_weights", "Fusion weights over epochs", _fusion_weights),
    ("mixtures", "Every mixture of the views", _mixtures),
    ("single_views", "Each view alone, and fused", _single_views),
    ("plans", "Transport plans before and after training", _plans),
    ("alignment", "Distance of the modalities from the ID vectors", _alignment),
    ("bounds", "What the bounds of the theory say", _bounds),
    ("maps", "Maps of the views before and after training and transport", _maps),
    ("slices", "User activity and item popularity", _slices),
)
"""File name, title and maker of each figure, in the order of a report. A maker raises what says why it cannot."""


__all__ = ["PLATES", "Plate", "ReportOptions", "Subject"]
