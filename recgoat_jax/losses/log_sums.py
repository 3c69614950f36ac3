r"""Log-sums of the negatives' scores, on one device or over many, with a backward pass of the same kind.

For query b and key b the contrastive losses need :math:`\log \sum_j e^{s_{bj}}` over its negatives j, and its gradient,
:math:`\sum_j e^{s_{bj} - \log\Sigma_b} k_j`. Both passes compute the scores anew, so nothing of the size
``batch x batch`` is kept between them. Over devices there are two forms with equal results:

* ``"all_gather"``: every device receives all keys at once. Memory grows with the number of devices.
* ``"ring"``: the keys of one device after the other come by, and the log-sums are updated as they pass (online
  softmax, Milakov and Gimelshein 2018; the ring of Liu et al. 2023). Memory does not depend on the number of devices;
  the traffic is the same and can overlap with the products.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.losses.reduction import AxisName, gathered

Collective = Literal["all_gather", "ring"]
"""How keys reach the queries of other devices."""

# Below every score that float32 products of real vectors give; unlike -inf it may be subtracted from itself.
_FLOOR = -1e30


class Rows(NamedTuple):
    """What decides which rows are negatives of each other: those with another position and another id, if valid.

    Attributes:
        position: ``batch``, different for every row on every device.
        ids: ``batch``, what a row stands for; None: all differ.
        valid: ``batch``; None: all.
    """

    position: Int[Array, " batch"]
    ids: Int[Array, " batch"] | None
    valid: Bool[Array, " batch"] | None


class Options(NamedTuple):
    """What is fixed when the program is compiled.

    Attributes:
        both: whether the keys' log-sums over the queries are wanted, too.
        axis_name: mapped axis over which the rows are spread.
        collective: form over devices.
        precision: of the products.
    """

    both: bool
    axis_name: AxisName | None
    collective: Collective
    precision: jax.lax.Precision


class LogSums(NamedTuple):
    """Log-sums over negatives; minus infinity for a row without any.

    Attributes:
        by_query: ``batch``: of each query, over keys.
        by_key: ``batch``: of each key, over queries; zeros where they are not wanted.
    """

    by_query: Float[Array, " batch"]
    by_key: Float[Array, " batch"]


class _Keys(NamedTuple):
    """Keys, and all that goes with them from device to device."""

    vectors: Float[Array, "keys dim"]
    correction: Float[Array, " keys"]
    rows: Rows


def log_sums_of_negatives(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"],
    rows: Rows,
    options: Options,
) -> LogSums:
    """Log-sums of ``q_b . k_j - correction_j`` over the negatives j of every row b.

    Args:
        queries: ``batch x dim``, float32, finite; already divided by the temperature.
        keys: ``batch x dim``, float32, finite.
        correction: ``batch``, subtracted from the score of its key; zeros where ``options.both``.
        rows: which rows are negatives of which; queries and keys share it.
        options: what is compiled in.

    Returns:
        Both log-sums, differentiable in the first three arguments in reverse mode.
    """
    return _log_sums(queries, keys, correction, rows, options)


def _plain_forward(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"],
    rows: Rows,
    options: Options,
) -> LogSums:
    return _forward(queries, _Keys(keys, correction, rows), rows, options)


_log_sums = jax.custom_vjp(_plain_forward, nondiff_argnums=(4,))


def _scores(queries: Float[Array, "batch dim"], rows: Rows, keys: _Keys, options: Options) -> Float[Array, "batch k"]:
    """Scores of negatives; minus infinity for every other pair."""
    scores = jnp.matmul(queries, keys.vectors.T, precision=options.precision) - keys.correction
    negative = rows.position[:, None] != keys.rows.position
    if rows.ids is not None:
        negative &= rows.ids[:, None] != keys.rows.ids
    if rows.valid is not None and keys.rows.valid is not None:
        negative &= rows.valid[:, None] & keys.rows.valid
    return jnp.where(negative, scores, -jnp.inf)


class _Running(NamedTuple):
    """A log-sum that grows: log(total) + top."""

    top: Float[Array, " rows"]
    total: Float[Array, " rows"]

    def update(self, scores: Float[Array, "..."], axis: int) -> "_Running":
        top = jnp.maximum(self.top, jnp.max(scores, axis=axis))
        exponentials = jnp.exp(scores - jnp.expand_dims(top, axis))
        return _Running(top, self.total * jnp.exp(self.top - top) + jnp.sum(exponentials, axis=axis))

    @classmethod
    def empty(cls, like: Float[Array, "rows dim"]) -> "_Running":
        # Made from the data, so that it varies over the devices that the data varies over.
        zero = 0.0 * jnp.sum(like, axis=-1)
        return cls(zero + _FLOOR, zero)

    def value(self) -> Float[Array, " rows"]:
        return self.top + jnp.log(self.total)


def _forward(queries: Float[Array, "batch dim"], keys: _Keys, rows: Rows, options: Options) -> LogSums:
    if options.axis_name is not None and options.collective == "ring":
        return _ring_forward(queries, keys, rows, options, options.axis_name)
    axis_name = options.axis_name
    everywhere = jax.tree.map(lambda x: gathered(x, axis_name), keys)
    scores = _scores(queries, rows, everywhere, options)
    by_query = _Running.empty(queries).update(scores, 1).value()
    if not options.both:
        return LogSums(by_query, 0.0 * by_query)
    if axis_name is None:
        return LogSums(by_query, _Running.empty(everywhere.vectors).update(scores, 0).value())
    # Every device holds the scores of its queries for all keys; a key's log-sum joins those of all devices.
    top = jax.lax.pmax(jnp.maximum(jnp.max(scores, axis=0), _FLOOR), axis_name)
    total = jax.lax.psum(jnp.sum(jnp.exp(scores - top), axis=0), axis_name)
    return LogSums(by_query, _own(top + jnp.log(total), queries.shape[0], axis_name))


def _own(x: Float[Array, " all_rows"], num_rows: int, axis_name: AxisName) -> Float[Array, " batch"]:
    """The part of this device."""
    return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axis_name) * num_rows, num_rows)


def _saving_forward(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"],
    rows: Rows,
    options: Options,
) -> tuple[LogSums, Any]:
    sums = _forward(queries, _Keys(keys, correction, rows), rows, options)
    return sums, (queries, _Keys(keys, correction, rows), rows, sums)


class _Pull(NamedTuple):
    """A log-sum and its cotangent: what turns scores into the gradient of the scores."""

    log_sum: Float[Array, " rows"]
    cotangent: Float[Array, " rows"]

    def weights(self, scores: Float[Array, "batch k"], axis: int) -> Float[Array, "batch k"]:
        # Without negatives there is nothing to weigh: every score of that row is -inf, and 0 subtracts without NaN.
        finite = jnp.where(jnp.isfinite(self.log_sum), self.log_sum, 0.0)
        return jnp.exp(scores - jnp.expand_dims(finite, axis)) * jnp.expand_dims(self.cotangent, axis)


def _backward(options: Options, saved: Any, cotangents: LogSums) -> tuple[Array, Array, Array, None]:
    queries, keys, rows, sums = saved
    of_queries = _Pull(sums.by_query, cotangents.by_query)
    of_keys = _Pull(sums.by_key, cotangents.by_key)
    if options.axis_name is not None and options.collective == "ring":
        ring = _ring_backward(queries, keys, rows, of_queries, of_keys, options, options.axis_name)
        return *ring, None
    axis_name = options.axis_name
    everywhere, of_all_keys = jax.tree.map(lambda x: gathered(x, axis_name), (keys, of_keys))
    gradients = _block_gradients(queries, rows, everywhere, of_queries, of_all_keys, options)
    to_queries, to_keys, to_correction = gradients
    if axis_name is not None:
        to_keys = jax.lax.psum_scatter(to_keys, axis_name, tiled=True)
        to_correction = jax.lax.psum_scatter(to_correction, axis_name, tiled=True)
    return to_queries, to_keys, to_correction, None


def _block_gradients(
    queries: Float[Array, "batch dim"], rows: Rows, keys: _Keys, of_queries: _Pull, of_keys: _Pull, options: Options
) -> tuple[Float[Array, "batch dim"], Float[Array, "k dim"], Float[Array, " k"]]:
    """What a block of keys adds to the gradients of the queries, of the keys and of their correction."""
    scores = _scores(queries, rows, keys, options)
    weights = of_queries.weights(scores, 1)
    if options.both:
        weights += of_keys.weights(scores, 0)
    to_queries = jnp.matmul(weights, keys.vectors, precision=options.precision)
    to_keys = jnp.matmul(weights.T, queries, precision=options.precision)
    return to_queries, to_keys, -jnp.sum(weights, axis=0)


_log_sums.defvjp(_saving_forward, _backward)


def _passed_on(x: Any, axis_name: AxisName) -> Any:
    """Everything one device further round the ring."""
    size = jax.lax.psum(1, axis_name)
    ring = [(device, (device + 1) % size) for device in range(size)]
    return jax.tree.map(lambda leaf: jax.lax.ppermute(leaf, axis_name, ring), x)


def _ring_forward(
    queries: Float[Array, "batch dim"], keys: _Keys, rows: Rows, options: Options, axis_name: AxisName
) -> LogSums:
    def hop(carry: Any, _: None) -> tuple[Any, None]:
        by_query, (block, by_key) = carry
        scores = _scores(queries, rows, block, options)
        if options.both:
            by_key = by_key.update(scores, 0)
        return (by_query.update(scores, 1), _passed_on((block, by_key), axis_name)), None

    start = (_Running.empty(queries), (keys, _Running.empty(keys.vectors)))
    # After as many hops as there are devices, the keys and what they gathered are home again.
    (by_query, (_, by_key)), _ = jax.lax.scan(hop, start, None, length=jax.lax.psum(1, axis_name))
    return LogSums(by_query.value(), by_key.value() if options.both else 0.0 * by_key.top)


def _ring_backward(
    queries: Float[Array, "batch dim"],
    keys: _Keys,
    rows: Rows,
    of_queries: _Pull,
    of_keys: _Pull,
    options: Options,
    axis_name: AxisName,
) -> tuple[Float[Array, "batch dim"], Float[Array, "batch dim"], Float[Array, " batch"]]:
    def hop(carry: Any, _: None) -> tuple[Any, None]:
        to_queries, (block, of_block, to_block, to_correction) = carry
        added = _block_gradients(queries, rows, block, of_queries, of_block, options)
        travelling = (block, of_block, to_block + added[1], to_correction + added[2])
        return (to_queries + added[0], _passed_on(travelling, axis_name)), None

    start = (0.0 * queries, (keys, of_keys, 0.0 * keys.vectors, 0.0 * keys.correction))
    carry, _ = jax.lax.scan(hop, start, None, length=jax.lax.psum(1, axis_name))
    to_queries, (_, _, to_keys, to_correction) = carry
    return to_queries, to_keys, to_correction


__all__ = ["Collective", "LogSums", "Options", "Rows", "log_sums_of_negatives"]
