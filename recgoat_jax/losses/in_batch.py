"""The softmax over a batch that the contrastive and the sampled-softmax loss share."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.losses.log_sums import Collective, Options, Rows, log_sums_of_negatives
from recgoat_jax.losses.reduction import AxisName, Scalar, alike, check_axis, masked_mean, matmul_precision, valid_rows

Direction = Literal["forward", "both"]
"""``"forward"``: queries choose among keys. ``"both"``: the mean of that and of keys choosing among queries."""

# Rows shorter than this count as zero: below it the derivative of 1/|x| leaves the range of float32.
_SHORTEST_ROW = 1e-12


def unit_rows(x: Float[Array, "batch dim"]) -> Float[Array, "batch dim"]:
    """Rows divided by their L2 norm; a zero row stays zero, with a zero gradient."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    directed = squares > _SHORTEST_ROW**2
    return x * jnp.where(directed, jax.lax.rsqrt(jnp.where(directed, squares, 1.0)), 0.0)


def in_batch_cross_entropy(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    *,
    temperature: Scalar,
    normalize: bool,
    ids: Int[Array, " batch"] | None,
    log_probabilities: Float[Array, " batch"] | None,
    where: Bool[Array, " batch"] | None,
    direction: Direction,
    axis_name: AxisName | None,
    collective: Collective,
) -> Float[Array, ""]:
    """Mean over valid rows b of ``log sum_j exp(s_bj) - s_bb``, with ``s_bj = q_b . k_j / temperature - log p_j``.

    The sum runs over b itself and over the valid rows j with another id, on all devices of ``axis_name``. It is
    evaluated as ``softplus(log sum_{j != b} exp(s_bj) - s_bb)``, which keeps small losses exact and never negative.

    Args:
        queries: ``batch x dim``.
        keys: ``batch x dim``; row b is the positive of query b.
        temperature: positive divisor of the scores.
        normalize: divides rows by their norm first.
        ids: what the rows stand for; a row with the id of b is no negative of b.
        log_probabilities: log of the chance that a row is in the batch, subtracted from its score.
        where: valid rows.
        direction: see `Direction`; ``"both"`` excludes ``log_probabilities``.
        axis_name: mapped axis over which the rows are spread.
        collective: how keys reach the queries of other devices.

    Returns:
        Scalar.

    Raises:
        ValueError: shapes that differ, a temperature that is not positive, or an axis that is not mapped.
    """
    if queries.shape != keys.shape or queries.ndim != 2:
        raise ValueError(f"queries and keys must be matrices of one shape, got {queries.shape} and {keys.shape}")
    if isinstance(temperature, int | float) and not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    check_axis(axis_name)
    return _cross_entropy_of_rows(
        queries,
        keys,
        temperature,
        ids,
        log_probabilities,
        where,
        normalize=normalize,
        direction=direction,
        axis_name=axis_name,
        collective=collective,
    )


@partial(jax.jit, static_argnames=("normalize", "direction", "axis_name", "collective"))
def _cross_entropy_of_rows(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    temperature: Scalar,
    ids: Int[Array, " batch"] | None,
    log_probabilities: Float[Array, " batch"] | None,
    where: Bool[Array, " batch"] | None,
    *,
    normalize: bool,
    direction: Direction,
    axis_name: AxisName | None,
    collective: Collective,
) -> Float[Array, ""]:
    """`in_batch_cross_entropy` of checked arguments; compiled here, so that calls outside a trace compile once."""
    precision = matmul_precision(queries)
    queries, keys = alike(valid_rows(queries, where), valid_rows(keys, where))
    if normalize:
        queries, keys = unit_rows(queries), unit_rows(keys)
    queries = queries / temperature
    positive_scores = jnp.sum(queries * keys, axis=-1)
    correction = None if log_probabilities is None else valid_rows(log_probabilities, where)
    log_sums = log_sums_of_negatives(
        queries,
        keys,
        correction,
        Rows(ids, where),
        Options(direction == "both", axis_name, collective, precision),
    )
    if correction is not None:
        positive_scores = positive_scores - correction
    row_losses = jax.nn.softplus(log_sums.by_query - positive_scores)
    if log_sums.by_key is not None:
        row_losses = 0.5 * (row_losses + jax.nn.softplus(log_sums.by_key - positive_scores))
    return masked_mean(row_losses, where=where, axis_name=axis_name)


__all__ = ["Direction", "in_batch_cross_entropy", "unit_rows"]
