"""The bounds of the theory on a trained run: a sample of pairs, its views before and after training, and the tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.models.rec_goat_contrasts import Representation
from recgoat_jax.report.run_views import MOMENTS, REPRESENTATIONS, Moment, RunViews, Scored
from recgoat_jax.report.theory import ViewBounds, as_fields, view_bounds
from recgoat_jax.report.verdicts import Statement, fusion_statements, statement_fields, statements

_ROUNDS = 100


@dataclass(frozen=True)
class TheoryOptions:
    """What is measured.

    Attributes:
        pairs: (user, item) pairs of the sample, at most; half of them held out, half drawn at random.
        batch: B of InfoNCE, at most the number of pairs; the sample is cut to whole batches.
        seed: of the sample.
    """

    pairs: int = 1024
    batch: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pairs < 2 or self.batch < 2:
            raise UsageError(f"{self.pairs} pairs in batches of {self.batch}; expected two or more of each.")


class PairSample(NamedTuple):
    """Pairs with their true preference.

    Attributes:
        users: user rows.
        items: item rows; an item may be there several times.
        preferences: 1 for a held-out pair, 0 for a pair that nobody has seen.
    """

    users: Int[np.ndarray, " pairs"]
    items: Int[np.ndarray, " pairs"]
    preferences: Float[np.ndarray, " pairs"]


class Measured(NamedTuple):
    """All bounds at one moment and of one representation.

    Attributes:
        moment: before or after training.
        representation: modalities after or before transport.
        score_lipschitz: K, the largest length of a user vector.
        views: name to bounds.
    """

    moment: Moment
    representation: Representation
    score_lipschitz: float
    views: dict[str, ViewBounds]

    def statements(self) -> Iterator[tuple[str, Statement]]:
        """View and statement, and at the end the statements about all views."""
        for name, bounds in self.views.items():
            for one in statements(bounds):
                yield name, one
        for one in fusion_statements(self.views):
            yield "all", one


class RunTheory(NamedTuple):
    """What was measured on a run.

    Attributes:
        name: of the run.
        dataset: name of its data.
        pairs: pairs of the sample.
        batch: B.
        temperature: tau, that of the run.
        seed: of the sample.
        measured: bounds, in order.
    """

    name: str
    dataset: str
    pairs: int
    batch: int
    temperature: float
    seed: int
    measured: tuple[Measured, ...]

    def statements(self) -> list[Statement]:
        """All of them; the ID view, which no transport changes, is counted once a moment."""
        return [
            one
            for measured in self.measured
            for view, one in measured.statements()
            if view != "id" or measured.representation == "aligned"
        ]

    def rows(self, representation: Representation) -> dict[str, ViewBounds]:
        """Labels such as ``"text, after training"`` to bounds, both moments of a view together."""
        found = [one for one in self.measured if one.representation == representation]
        return {
            f"{name}, {one.moment} training": one.views[name]
            for name in (found[0].views if found else ())
            for one in found
        }

    def to_json(self) -> dict[str, Any]:
        """For ``theory.json``."""
        return {
            **{key: value for key, value in self._asdict().items() if key != "measured"},
            "measured": [
                {
                    "moment": one.moment,
                    "representation": one.representation,
                    "score_lipschitz": one.score_lipschitz,
                    "views": {name: as_fields(bounds) for name, bounds in one.views.items()},
                    "statements": statement_fields(one.statements()),
                }
                for one in self.measured
            ],
        }


def held_out_pairs(
    dataset: Dataset, allowed: Bool[np.ndarray, " items"], *, pairs: int, seed: int, split: str = "test"
) -> PairSample:
    """Draws held-out pairs, and for the same users as many items that they have in no split.

    The paper does not say what the true preference of a pair is on real data. Here it is the 0/1 label of this sample.

    Args:
        dataset: prepared data.
        allowed: items that may be drawn.
        pairs: pairs in all, at most.
        seed: of the draw.
        split: the held-out split.

    Returns:
        The pairs in random order; as many with preference 1 as with 0.

    Raises:
        UsageError: no held-out pair of an allowed item, or nothing that could stand against it.
    """
    rng = np.random.default_rng(seed)
    held_out = getattr(dataset, split)
    rows = np.flatnonzero(allowed[held_out.items])
    rows = rng.permutation(rows)[: pairs // 2]
    users, positives = held_out.users[rows].astype(np.int64), held_out.items[rows].astype(np.int64)
    candidates = np.flatnonzero(allowed)
    seen = np.concatenate(
        [_codes(dataset, one.users, one.items) for one in (dataset.train, dataset.valid, dataset.test)]
    )
    seen, negatives = np.unique(seen), np.full(len(users), -1, np.int64)
    # A user who has nearly everything may be left without a negative: the pair is dropped with it.
    for _ in range(_ROUNDS):
        open_rows = np.flatnonzero(negatives < 0)
        if not len(open_rows):
            break
        drawn = rng.choice(candidates, len(open_rows))
        new = ~np.isin(_codes(dataset, users[open_rows], drawn), seen)
        negatives[open_rows[new]] = drawn[new]
    found = negatives >= 0
    if not found.any():
        raise UsageError(
            f"found {len(rows)} {split} pairs of items with every view, and no items to set against them; expected one "
            "of each or more."
        )
    users, positives, negatives = users[found], positives[found], negatives[found]
    order = rng.permutation(2 * len(users))
    preferences = np.repeat([1.0, 0.0], len(users))
    return PairSample(np.tile(users, 2)[order], np.concatenate([positives, negatives])[order], preferences[order])


def _codes(
    dataset: Dataset, users: Int[np.ndarray, " pairs"], items: Int[np.ndarray, " pairs"]
) -> Int[np.ndarray, " pairs"]:
    """A number for each pair of rows."""
    return np.asarray(users, np.int64) * dataset.num_items + items


def measure_run(
    views: RunViews,
    *,
    name: str,
    options: TheoryOptions,
    representations: tuple[Representation, ...] = REPRESENTATIONS,
) -> RunTheory:
    """Measures all bounds on one sample of pairs, before and after training.

    Args:
        views: of the run.
        name: of the run.
        options: size and seed of the sample.
        representations: modalities after transport, before it, or both.

    Returns:
        The bounds. The preference is 0 or 1 and has no Lipschitz constant: L* is put at 0, which makes printed bounds
        of errors lower estimates of what the paper says.

    Raises:
        UsageError: no pair to measure on.
    """
    sample = held_out_pairs(views.dataset, views.complete, pairs=options.pairs, seed=options.seed)
    batch = min(options.batch, len(sample.users))
    whole = len(sample.users) // batch * batch
    sample = PairSample(*(one[:whole] for one in sample))
    measured = tuple(
        _measured(views.scored(moment, representation), sample, moment, representation, views.temperature, batch)
        for moment in MOMENTS
        for representation in representations
    )
    about = views.dataset.manifest.name
    return RunTheory(name, about, whole, batch, views.temperature, options.seed, measured)


def _measured(
    scored: Scored,
    sample: PairSample,
    moment: Moment,
    representation: Representation,
    temperature: float,
    batch: int,
) -> Measured:
    largest = float(np.linalg.norm(scored.users, axis=1).max())
    users, fused = scored.users[sample.users], scored.fused[sample.items]
    bounds = {
        name: view_bounds(
            users,
            sample.preferences,
            view[sample.items],
            fused,
            score_lipschitz=largest,
            preference_lipschitz=0.0,
            temperature=temperature,
            batch=batch,
        )
        for name, view in scored.views.items()
    }
    return Measured(moment, representation, largest, bounds)


__all__ = ["Measured", "PairSample", "RunTheory", "TheoryOptions", "held_out_pairs", "measure_run"]
