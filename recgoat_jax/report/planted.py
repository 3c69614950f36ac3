r"""Planted data on which the theory's constants are known: items on a sphere, a linear preference, two modalities.

Items v are uniform on the unit sphere. User w prefers :math:`f^*(w, v) = w \cdot v`, so that L* is the largest length
of a user vector, and scores with w itself, so that K is the same number. A modality is the item vector, or that turned
round, plus Gaussian noise whose length is given in lengths of the item vector; the fused vector is a weighted mean of
the two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from recgoat_jax.errors import UsageError
from recgoat_jax.report.theory import InstanceBounds, Rows, ViewBounds, as_fields, instance_bounds, view_bounds
from recgoat_jax.report.verdicts import Statement, fusion_statements, statements

NOISES = (0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Lengths of the noise, in lengths of an item vector."""

BATCHES = (8, 1024)
"""A small batch, for which the printed lemma 3.3 may fail, and one for which it cannot."""

TEMPERATURE = 0.2
"""That of the published program."""


@dataclass(frozen=True)
class PlantedWorld:
    """How two modalities come from the items.

    Attributes:
        about: in words.
        first_noise: noise of the first modality; None: that of the sweep, which the second always has.
        second_sign: 1, or -1 for a second modality that is turned round.
        first_weight: weight of the first modality in the fused vector.
    """

    about: str
    first_noise: float | None = None
    second_sign: float = 1.0
    first_weight: float = 0.5


WORLDS: dict[str, PlantedWorld] = {
    "alike": PlantedWorld("both modalities equally noisy, fused by their mean"),
    "one clean": PlantedWorld("first modality with noise 0.1, fused by the mean all the same", first_noise=0.1),
    "turned round": PlantedWorld(
        "second modality of the opposite sign, with weight 0.1", first_noise=0.1, second_sign=-1.0, first_weight=0.9
    ),
}
"""Name to world."""


class PlantedSample(NamedTuple):
    """Rows of one world.

    Attributes:
        users: ``pairs x dim``, a user a pair.
        preferences: w . v.
        fused: fused vectors.
        views: ``"first"`` and ``"second"``.
        lipschitz: K and L*, the largest length of a user vector.
    """

    users: Rows
    preferences: Float[np.ndarray, " pairs"]
    fused: Rows
    views: dict[str, Rows]
    lipschitz: float


class PlantedPoint(NamedTuple):
    """All bounds of one world at one noise.

    Attributes:
        world: name of the world.
        noise: of the sweep.
        lipschitz: K and L*.
        views: bounds of each modality, InfoNCE over the largest batch.
        batches: modality to lemma 3.3 for every batch size.
    """

    world: str
    noise: float
    lipschitz: float
    views: dict[str, ViewBounds]
    batches: dict[str, tuple[InstanceBounds, ...]]

    def statements(self) -> Iterator[tuple[str, Statement]]:
        """Modality and statement, lemma 3.3 once a batch size, and at the end the statements about both."""
        for name, bounds in self.views.items():
            for instance in self.batches[name]:
                for one in statements(bounds._replace(instance=instance)):
                    if one.name.startswith("lemma 3.3"):
                        yield name, one._replace(name=f"{one.name}, B = {instance.batch}")
            for one in statements(bounds):
                if not one.name.startswith("lemma 3.3"):
                    yield name, one
        for one in fusion_statements(self.views):
            yield "all", one


def planted_sample(world: PlantedWorld, noise: float, *, pairs: int, dim: int, seed: int) -> PlantedSample:
    """Draws a world; the same seed gives the same items, users and directions of noise at every noise.

    Args:
        world: which one.
        noise: length of the noise of the sweep, in lengths of an item vector.
        pairs: users, each with one item.
        dim: width.
        seed: of the draw.

    Returns:
        The rows.
    """
    rng = np.random.default_rng(seed)
    items, directions, *noises = rng.normal(size=(4, pairs, dim))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    lengths = rng.uniform(0.5, 1.0, size=(pairs, 1))
    users = lengths * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    noises = np.asarray(noises) / np.sqrt(dim)
    first = items + (noise if world.first_noise is None else world.first_noise) * noises[0]
    second = world.second_sign * items + noise * noises[1]
    fused = world.first_weight * first + (1 - world.first_weight) * second
    return PlantedSample(
        users, np.sum(users * items, axis=1), fused, {"first": first, "second": second}, float(lengths.max())
    )


def planted_sweep(
    *,
    noises: Sequence[float] = NOISES,
    batches: Sequence[int] = BATCHES,
    pairs: int = 1024,
    dim: int = 64,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> tuple[PlantedPoint, ...]:
    """Measures all bounds over all worlds and noises.

    Args:
        noises: of the sweep.
        batches: batch sizes of InfoNCE, the largest last.
        pairs: rows; a multiple of every batch size.
        dim: width.
        temperature: tau.
        seed: of the draw.

    Returns:
        A point a world and noise.

    Raises:
        UsageError: no noise or no batch size, or rows that do not fill batches.
    """
    if not noises or not batches:
        raise UsageError(f"{len(noises)} noises and {len(batches)} batch sizes; expected one of each or more.")
    return tuple(
        _point(
            name,
            planted_sample(world, noise, pairs=pairs, dim=dim, seed=seed),
            noise=noise,
            batches=batches,
            temperature=temperature,
        )
        for name, world in WORLDS.items()
        for noise in noises
    )


def planted_json(points: Sequence[PlantedPoint]) -> list[dict[str, Any]]:
    """For ``theory.json``."""
    return [
        {
            "world": point.world,
            "noise": point.noise,
            "lipschitz": point.lipschitz,
            "views": {name: as_fields(bounds) for name, bounds in point.views.items()},
            "batches": {name: [as_fields(one) for one in found] for name, found in point.batches.items()},
        }
        for point in points
    ]


def _point(
    name: str, sample: PlantedSample, *, noise: float, batches: Sequence[int], temperature: float
) -> PlantedPoint:
    instances = {
        view: tuple(instance_bounds(rows, sample.fused, temperature=temperature, batch=batch) for batch in batches)
        for view, rows in sample.views.items()
    }
    bounds: dict[str, Any] = {
        view: view_bounds(
            sample.users,
            sample.preferences,
            rows,
            sample.fused,
            score_lipschitz=sample.lipschitz,
            preference_lipschitz=sample.lipschitz,
            temperature=temperature,
            batch=batches[-1],
        )
        for view, rows in sample.views.items()
    }
    return PlantedPoint(name, noise, sample.lipschitz, bounds, instances)


__all__ = [
    "BATCHES",
    "NOISES",
    "TEMPERATURE",
    "WORLDS",
    "PlantedPoint",
    "PlantedSample",
    "PlantedWorld",
    "planted_json",
    "planted_sample",
    "planted_sweep",
]
