r"""Both sides of the bounds of RecGOAT's theory (arXiv 2602.00682, lemmas 3.3 and 3.4 and the theorems), on arrays.

Row i of every array is one (user, item) pair of a sample: the user's vector u, the vector :math:`z^m` of the item in
one view, its fused vector z, the true preference :math:`f^*`. All means, transport and contrast are over the rows of
that one sample, so that an inequality that holds for every distribution holds here to rounding, not up to sampling.

A score is a dot product, :math:`f(u, z) = u \cdot z`, so it is K-Lipschitz in z with K the largest length of a user
vector (assumption 3.1). The two errors are :math:`\epsilon_m = E |u \cdot z^m - f^*|` and
:math:`\epsilon_F = E |u \cdot z - f^*|`. Lemma 3.3 and the theorems speak of unit vectors, lemma 3.4 does not: the
first are measured on rows of length one, the second on the vectors that score.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from recgoat_jax.errors import UsageError
from recgoat_jax.losses import info_nce

Rows = Float[np.ndarray, "pairs dim"]
"""One vector a pair of the sample."""


class InstanceBounds(NamedTuple):
    r"""Lemma 3.3, the distance of a view from the fused vectors, on rows of length one.

    Attributes:
        distance: left side, :math:`E \lVert z^m - z \rVert`.
        printed: :math:`\sqrt{2 \tau L + 2 \tau \ln B}`, the right side of the lemma.
        corrected: :math:`\sqrt{2 \tau (L - \ln B) + 2 (1 - \bar s)}`, which Jensen's inequality gives for the root of
            the mean square, and so for the mean.
        loss: L, InfoNCE between the view and the fused vectors, the mean over batches.
        mean_cosine: :math:`\bar s`, the mean of all :math:`z^m_i \cdot z_j` of a batch.
        batch: B.
        temperature: :math:`\tau`.
        shuffled: :math:`E \lVert z^m_i - z_j \rVert` over all i and j, the distance from the vectors of other items.
    """

    distance: float
    printed: float
    corrected: float
    loss: float
    mean_cosine: float
    batch: int
    temperature: float
    shuffled: float

    @property
    def always_holds(self) -> bool:
        r"""Whether :math:`\tau \ln B \ge 1`: the printed bound cannot fail, and is never below :math:`\sqrt 2`."""
        return self.temperature * math.log(self.batch) >= 1


class ErrorBounds(NamedTuple):
    r"""Lemma 3.4, the difference of two errors.

    Attributes:
        view_error: :math:`\epsilon_m`.
        fused_error: :math:`\epsilon_F`.
        printed: :math:`(K + L^*) (W_1(P_m, Q) + E \lVert z^m - z \rVert)`.
        direct: :math:`K E \lVert z^m - z \rVert`, which needs neither transport nor :math:`L^*`.
        distance: :math:`E \lVert z^m - z \rVert`.
        wasserstein: :math:`W_1(P_m, Q)`, exact, between the two sets of rows.
        shuffled: K times the distance of rows that do not belong together, :math:`K E \lVert z^m_i - z_j \rVert`.
    """

    view_error: float
    fused_error: float
    printed: float
    direct: float
    distance: float
    wasserstein: float
    shuffled: float

    @property
    def difference(self) -> float:
        """Left side, the absolute difference of the errors."""
        return abs(self.view_error - self.fused_error)


class ConsistencyBounds(NamedTuple):
    r"""The theorem of alignment consistency, lemma 3.4 with the bound of lemma 3.3 in it, on rows of length one.

    Attributes:
        errors: errors and the bounds of lemma 3.4 on these rows.
        printed: :math:`(K + L^*) (W_1(P_m, Q) + \sqrt{2 \tau L + 2 \tau \ln B})`.
        corrected: K times the corrected bound of lemma 3.3.
    """

    errors: ErrorBounds
    printed: float
    corrected: float


class ViewBounds(NamedTuple):
    """All bounds of one view.

    Attributes:
        instance: lemma 3.3, on rows of length one.
        errors: lemma 3.4, on the vectors that score.
        consistency: the theorem, on rows of length one.
    """

    instance: InstanceBounds
    errors: ErrorBounds
    consistency: ConsistencyBounds


def unit(x: Rows) -> Rows:
    """Rows of length one; a zero row stays zero."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1.0)


def mean_distance(x: Rows, y: Rows) -> float:
    """Mean Euclidean distance of paired rows."""
    return float(np.linalg.norm(x - y, axis=1).mean())


def exact_wasserstein(x: Rows, y: Rows) -> float:
    """1-Wasserstein distance of two sets of equally many points, ground cost Euclidean: the best assignment.

    Args:
        x: points.
        y: as many; rows need not correspond. 1,000 rows take a second at most, time grows with their cube.

    Returns:
        The mean cost of the best assignment, an optimal plan between uniform distributions of equal size.
    """
    costs = cdist(x, y)
    return float(costs[linear_sum_assignment(costs)].mean())


def mean_error(users: Rows, items: Rows, preferences: Float[np.ndarray, " pairs"]) -> float:
    """Mean absolute error of the dot products against the true preferences."""
    return float(np.abs(np.sum(users * items, axis=1) - preferences).mean())


def instance_bounds(view: Rows, fused: Rows, *, temperature: float, batch: int) -> InstanceBounds:
    """Both sides of lemma 3.3 with the printed and with the corrected bound; rows are made unit length.

    Args:
        view: the view's vectors.
        fused: the fused vectors of the same items.
        temperature: tau of InfoNCE.
        batch: B; the number of rows must be a multiple of it. Row b of a batch is the positive of row b, all others
            are negatives, an item that is there twice included, as in the lemma.

    Returns:
        The bounds.

    Raises:
        UsageError: rows that do not fill batches, or a batch of one row.
    """
    if batch < 2 or len(view) % batch:
        raise UsageError(f"{len(view)} rows in batches of {batch}; expected batches of two rows or more, all full.")
    view, fused = unit(view), unit(fused)
    in_batches = (-1, batch, view.shape[1])
    loss = float(_mean_contrast(view.reshape(in_batches), fused.reshape(in_batches), temperature))
    centres = view.reshape(in_batches).mean(axis=1), fused.reshape(in_batches).mean(axis=1)
    mean_cosine = float(np.sum(centres[0] * centres[1], axis=1).mean())
    log_batch = math.log(batch)
    return InstanceBounds(
        distance=mean_distance(view, fused),
        printed=math.sqrt(max(0.0, 2 * temperature * (loss + log_batch))),
        corrected=math.sqrt(max(0.0, 2 * temperature * (loss - log_batch) + 2 * (1 - mean_cosine))),
        loss=loss,
        mean_cosine=mean_cosine,
        batch=batch,
        temperature=temperature,
        shuffled=float(cdist(view, fused).mean()),
    )


def error_bounds(
    users: Rows,
    preferences: Float[np.ndarray, " pairs"],
    view: Rows,
    fused: Rows,
    *,
    score_lipschitz: float,
    preference_lipschitz: float,
) -> ErrorBounds:
    """Both sides of lemma 3.4 with the printed and with the direct bound, on the vectors as they are given.

    Args:
        users: user vector of each pair.
        preferences: true preference of each pair.
        view: the view's vectors.
        fused: the fused vectors.
        score_lipschitz: K, the largest length of a user vector, of all users.
        preference_lipschitz: L*; 0 where the preference has none that is known, which makes the printed bound a lower
            estimate of what the lemma says.

    Returns:
        The bounds.
    """
    distance, wasserstein = mean_distance(view, fused), exact_wasserstein(view, fused)
    return ErrorBounds(
        view_error=mean_error(users, view, preferences),
        fused_error=mean_error(users, fused, preferences),
        printed=(score_lipschitz + preference_lipschitz) * (wasserstein + distance),
        direct=score_lipschitz * distance,
        distance=distance,
        wasserstein=wasserstein,
        shuffled=score_lipschitz * float(cdist(view, fused).mean()),
    )


def view_bounds(
    users: Rows,
    preferences: Float[np.ndarray, " pairs"],
    view: Rows,
    fused: Rows,
    *,
    score_lipschitz: float,
    preference_lipschitz: float,
    temperature: float,
    batch: int,
) -> ViewBounds:
    """All bounds of one view; arguments as of `instance_bounds` and `error_bounds`."""
    users, preferences, view, fused = (np.asarray(one, np.float64) for one in (users, preferences, view, fused))
    constants = {"score_lipschitz": score_lipschitz, "preference_lipschitz": preference_lipschitz}
    instance = instance_bounds(view, fused, temperature=temperature, batch=batch)
    unit_errors = error_bounds(users, preferences, unit(view), unit(fused), **constants)
    consistency = ConsistencyBounds(
        unit_errors,
        printed=(score_lipschitz + preference_lipschitz) * (unit_errors.wasserstein + instance.printed),
        corrected=score_lipschitz * instance.corrected,
    )
    return ViewBounds(instance, error_bounds(users, preferences, view, fused, **constants), consistency)


def as_fields(bounds: Any) -> dict[str, Any]:
    """Named tuples within each other as dictionaries, for JSON; seven decimals."""
    fields = bounds._asdict()
    return {key: as_fields(one) if isinstance(one, tuple) else round(one, 7) for key, one in fields.items()}


@partial(jax.jit, static_argnums=2)
def _mean_contrast(
    queries: Float[Array, "batches batch dim"], keys: Float[Array, "batches batch dim"], temperature: float
) -> Float[Array, ""]:
    """The loss of a training step, over several batches."""
    return jnp.mean(jax.vmap(partial(info_nce, temperature=temperature))(queries, keys))


__all__ = [
    "ConsistencyBounds",
    "ErrorBounds",
    "InstanceBounds",
    "Rows",
    "ViewBounds",
    "as_fields",
    "error_bounds",
    "exact_wasserstein",
    "instance_bounds",
    "mean_distance",
    "mean_error",
    "unit",
    "view_bounds",
]
