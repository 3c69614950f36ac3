"""The theory in tables and in sentences, as Markdown."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

from recgoat_jax.report.markdown import markdown_table
from recgoat_jax.report.planted import WORLDS, PlantedPoint
from recgoat_jax.report.run_theory import Measured, RunTheory
from recgoat_jax.report.theory import InstanceBounds, ViewBounds
from recgoat_jax.report.verdicts import Statement, Verdict, summary

READING = """\
Left sides and bounds are over the same pairs. *Shuffled* is what a bound would be, at best, if the rows of the view
stood in random order: a bound that holds and is not below it says nothing."""
"""Above the tables."""

_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Row(NamedTuple):
    """A row of the tables.

    Attributes:
        labels: first cells.
        bounds: of a view.
        instances: lemma 3.3, once a batch size.
    """

    labels: tuple[str, ...]
    bounds: ViewBounds
    instances: tuple[InstanceBounds, ...]


def table(head: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A Markdown table; numbers with four decimals."""
    return markdown_table(
        head, ([f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows)
    )


def verdict_table(found: Iterable[Statement]) -> str:
    """Statement by verdict, in how many of its cases."""
    counts = summary(found)
    return table(
        ["statement", *_VERDICTS],
        [[name, *(str(of_name[verdict]) for verdict in _VERDICTS)] for name, of_name in counts.items()],
    )


def bound_tables(labels: Sequence[str], rows: Sequence[Row]) -> str:
    """Lemma 3.3, lemma 3.4 and the theorem of alignment consistency, a row a view."""
    lemma_33 = [
        (*row.labels, str(one.batch), one.loss, one.distance, one.corrected, one.printed, one.shuffled)
        for row in rows
        for one in row.instances
    ]
    lemma_34 = [
        (*row.labels, one.view_error, one.fused_error, one.difference, one.direct, one.printed, one.shuffled)
        + (one.distance, one.wasserstein)
        for row in rows
        for one in (row.bounds.errors,)
    ]
    theorem = [
        (*row.labels, one.errors.view_error, one.errors.fused_error, one.errors.difference, one.errors.direct)
        + (one.corrected, one.printed, one.errors.shuffled)
        for row in rows
        for one in (row.bounds.consistency,)
    ]
    errors = ("view error", "fused error", "difference", "direct")
    parts = [
        "**Lemma 3.3**: mean distance of a view from the fused vectors, unit length",
        table([*labels, "B", "InfoNCE", "distance", "corrected", "printed", "shuffled"], lemma_33),
        "**Lemma 3.4**: difference of the errors, vectors as they score",
        table([*labels, *errors, "printed", "shuffled", "distance", "W1"], lemma_34),
        "**Alignment consistency**: difference of the errors, unit length",
        table([*labels, *errors, "corrected", "printed", "shuffled"], theorem),
    ]
    return "\n\n".join(parts)


def fusion_table(labels: Sequence[str], found: Iterable[tuple[tuple[str, ...], Statement]]) -> str:
    """The statements about all views together."""
    rows = [(*first, one.name, one.left, one.right, one.verdict) for first, one in found]
    head = [*labels, "statement", "fused error", "right side", "verdict"]
    return f"**Fusion comprehensiveness**, and whether the fused error is the least\n\n{table(head, rows)}"


def run_tables(theory: RunTheory) -> str:
    """Everything that was measured on a run, in Markdown."""
    always = theory.temperature * math.log(theory.batch)
    constants = ", ".join(
        f"{one.score_lipschitz:.4f} {one.moment} training"
        for one in theory.measured
        if one.representation == theory.measured[0].representation
    )
    rows = [
        Row((one.moment, "" if name == "id" else one.representation, name), bounds, (bounds.instance,))
        for one in theory.measured
        for name, bounds in one.views.items()
        if name != "id" or _is_first(one, theory)
    ]
    fusion = [
        ((one.moment, one.representation), statement)
        for one in theory.measured
        for view, statement in one.statements()
        if view == "all"
    ]
    about = (
        f"**{theory.name}** on {theory.dataset}: {theory.pairs:,} pairs (seed {theory.seed}), half of them held out, "
        "half drawn from what the same users have in no split; the preference is 1 or 0. "
        f"K is {constants}. L\\* is not known and put at 0, which makes printed bounds of errors lower than what the "
        "paper says. InfoNCE is that between the view and the fused vectors, temperature "
        f"{theory.temperature:g}, batches of {theory.batch:,}: "
        f"{theory.temperature:g} ln B = {always:.3f}, so lemma 3.3 "
    )
    about += (
        "cannot fail as printed, and its bound is never below the root of 2." if always >= 1 else "may fail as printed."
    )
    labels = ("training", "modalities", "view")
    return "\n\n".join(
        [
            about,
            READING,
            verdict_table(theory.statements()),
            bound_tables(labels, rows),
            fusion_table(labels[:2], fusion),
        ]
    )


def planted_verdicts(points: Sequence[PlantedPoint]) -> str:
    """What holds in each planted world and what does not, in Markdown; over noises and modalities."""
    worlds = list(dict.fromkeys(point.world for point in points))
    counts = [
        summary(one for point in points if point.world == world for _, one in point.statements()) for world in worlds
    ]
    about = "; ".join(f"*{name}*: {WORLDS[name].about}" for name in worlds)
    noises = ", ".join(f"{noise:g}" for noise in dict.fromkeys(point.noise for point in points))
    cells = [[name, *(_counted(of_world[name]) for of_world in counts)] for name in counts[0]]
    return "\n\n".join(
        [
            "**Planted**: items on the unit sphere, preferences w . v, so that K = L\\* = "
            f"{points[0].lipschitz:.4f}; two modalities with Gaussian noise of length {noises}. {about}.",
            table(["statement", *worlds], cells),
        ]
    )


def planted_tables(points: Sequence[PlantedPoint]) -> str:
    """`planted_verdicts`, and the numbers of the second modality, which is the noisy one, in Markdown."""
    rows = [Row((point.world, f"{point.noise:g}"), point.views["second"], point.batches["second"]) for point in points]
    least = [
        (point.world, f"{point.noise:g}", *(one.errors.view_error for one in point.views.values()))
        + (point.views["second"].errors.fused_error,)
        for point in points
    ]
    labels = ("world", "noise")
    return "\n\n".join(
        [
            planted_verdicts(points),
            READING,
            "The second modality, the noisy one:",
            bound_tables(labels, rows),
            "**Errors**, as scored",
            table([*labels, "first modality", "second modality", "fused"], least),
        ]
    )


def _counted(of_verdict: Mapping[Verdict, int]) -> str:
    """Such as "holds (6); does not hold (1)"."""
    return "; ".join(f"{verdict} ({count})" for verdict, count in of_verdict.items() if count)


def _is_first(one: Measured, theory: RunTheory) -> bool:
    """Whether it is the representation that the ID view, which no transport changes, is shown with."""
    return one.representation == theory.measured[0].representation


__all__ = [
    "READING",
    "Row",
    "bound_tables",
    "fusion_table",
    "planted_tables",
    "planted_verdicts",
    "run_tables",
    "table",
    "verdict_table",
]
