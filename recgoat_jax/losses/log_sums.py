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

from recgoat_jax.collectives import sum_scattered
from recgoat_jax.losses.blocks import Running, over_parts
from recgoat_jax.losses.reduction import AxisName, gathered

Collective = Literal["all_gather", "ring"]
"""How keys reach the queries of other devices."""


class Rows(NamedTuple):
    """What decides, beside its place, whether a row is a negative of another one: another id, and that both are valid.

    Attributes:
        ids: ``batch``, what a row stands for; None: all differ.
        valid: ``batch``; None: all.
    """

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
        by_key: ``batch``: of each key, over queries; None where they are not wanted.
    """

    by_query: Float[Array, " batch"]
    by_key: Float[Array, " batch"] | None


class _Keys(NamedTuple):
    """Keys, and what goes with them from device to device: None costs nothing on the way."""

    vectors: Float[Array, "keys dim"]
    correction: Float[Array, " keys"] | None
    rows: Rows


def log_sums_of_negatives(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"] | None,
    rows: Rows,
    options: Options,
) -> LogSums:
    """Log-sums of ``q_b . k_j - correction_j`` over the negatives j of every row b.

    Args:
        queries: ``batch x dim``, float32, finite; already divided by the temperature.
        keys: ``batch x dim``, float32, finite.
        correction: ``batch``, subtracted from the score of its key; None: nothing. Not with ``options.both``.
        rows: which rows are negatives of which; queries and keys share it.
        options: what is compiled in.

    Returns:
        Both log-sums, differentiable in the first three arguments in reverse mode.
    """
    return _log_sums(queries, keys, correction, rows, options)


def _plain_forward(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"] | None,
    rows: Rows,
    options: Options,
) -> LogSums:
    return _forward(queries, _Keys(keys, correction, rows), rows, options)


_log_sums = jax.custom_vjp(_plain_forward, nondiff_argnums=(4,))


def _scores(
    queries: Float[Array, "batch dim"], rows: Rows, keys: _Keys, distance: Int[Array, ""] | int, options: Options
) -> Float[Array, "batch k"]:
    """Scores of negatives; minus infinity for every other pair. Query b and key ``b + distance`` are one row."""
    scores = jnp.matmul(queries, keys.vectors.T, precision=options.precision)
    if keys.correction is not None:
        scores = scores - keys.correction
    num_queries, num_keys = scores.shape
    negative = jnp.arange(num_queries)[:, None] + distance != jnp.arange(num_keys)
    if rows.ids is not None and keys.rows.ids is not None:
        negative &= rows.ids[:, None] != keys.rows.ids
    if rows.valid is not None and keys.rows.valid is not None:
        negative &= rows.valid[:, None] & keys.rows.valid
    return jnp.where(negative, scores, -jnp.inf)


def _first_row(num_rows: int, axis_name: AxisName | None) -> Int[Array, ""] | int:
    """Place of this device's first row among those of all devices."""
    return 0 if axis_name is None else jax.lax.axis_index(axis_name) * num_rows


def _forward(queries: Float[Array, "batch dim"], keys: _Keys, rows: Rows, options: Options) -> LogSums:
    if options.axis_name is not None and options.collective == "ring":
        return _ring_forward(queries, keys, rows, options, options.axis_name)
    axis_name = options.axis_name
    everywhere = jax.tree.map(lambda x: gathered(x, axis_name), keys)
    sums = _empty(queries, everywhere, options)
    sums = _updated(sums, queries, rows, everywhere, _first_row(len(queries), axis_name), options)
    by_query = sums.by_query.value()
    if sums.by_key is None:
        return LogSums(by_query, None)
    if axis_name is None:
        return LogSums(by_query, sums.by_key.value())
    # Every device holds the scores of its queries for all keys; a key's log-sum joins those of all devices.
    top = jax.lax.pmax(sums.by_key.top, axis_name)
    total = jax.lax.psum(sums.by_key.total * jnp.exp(sums.by_key.top - top), axis_name)
    return LogSums(by_query, _own(top + jnp.log(total), queries.shape[0], axis_name))


class _Sums(NamedTuple):
    """Both log-sums while they grow."""

    by_query: Running
    by_key: Running | None


def _empty(queries: Float[Array, "batch dim"], keys: _Keys, options: Options) -> _Sums:
    return _Sums(Running.empty(queries), Running.empty(keys.vectors) if options.both else None)


def _updated(
    sums: _Sums,
    queries: Float[Array, "batch dim"],
    rows: Rows,
    keys: _Keys,
    distance: Int[Array, ""] | int,
    options: Options,
) -> _Sums:
    """The log-sums with a block of keys added; scores of a part of the keys are there at a time."""

    def add(by_query: Running, part: tuple[_Keys, Running | None, Int[Array, ""]]) -> tuple[Running, Running | None]:
        some, by_key, first = part
        scores = _scores(queries, rows, some, distance - first, options)
        return by_query.update(scores, 1), None if by_key is None else by_key.update(scores, 0)

    return _Sums(*over_parts(add, sums.by_query, (keys, sums.by_key), num_queries=len(queries)))


def _own(x: Float[Array, " all_rows"], num_rows: int, axis_name: AxisName) -> Float[Array, " batch"]:
    """The part of this device."""
    return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axis_name) * num_rows, num_rows)


def _saving_forward(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    correction: Float[Array, " batch"] | None,
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


def _backward(options: Options, saved: Any, cotangents: LogSums) -> tuple[Array, Array, Array | None, None]:
    queries, keys, rows, sums = saved
    of_queries = _Pull(sums.by_query, cotangents.by_query)
    of_keys = None
    if sums.by_key is not None and cotangents.by_key is not None:
        of_keys = _Pull(sums.by_key, cotangents.by_key)
    if options.axis_name is not None and options.collective == "ring":
        ring = _ring_backward(queries, keys, rows, of_queries, of_keys, options, options.axis_name)
        return *ring, None
    axis_name = options.axis_name
    everywhere, of_all_keys = jax.tree.map(lambda x: gathered(x, axis_name), (keys, of_keys))
    first = _first_row(len(queries), axis_name)
    start = 0.0 * queries
    to_queries, to_keys = _block_gradients(start, queries, rows, everywhere, first, of_queries, of_all_keys, options)
    if axis_name is not None:
        to_keys = jax.tree.map(lambda x: sum_scattered(x, axis_name), to_keys)
    return to_queries, to_keys.vectors, to_keys.correction, None


class _ToKeys(NamedTuple):
    """Gradients of keys and of what is subtracted from their scores."""

    vectors: Float[Array, "keys dim"]
    correction: Float[Array, " keys"] | None


def _block_gradients(
    to_queries: Float[Array, "batch dim"],
    queries: Float[Array, "batch dim"],
    rows: Rows,
    keys: _Keys,
    distance: Int[Array, ""] | int,
    of_queries: _Pull,
    of_keys: _Pull | None,
    options: Options,
) -> tuple[Float[Array, "batch dim"], _ToKeys]:
    """The gradients of the queries with what a block of keys adds to them, and those of the keys."""

    def add(
        to_queries: Float[Array, "batch dim"], part: tuple[_Keys, _Pull | None, Int[Array, ""]]
    ) -> tuple[Float[Array, "batch dim"], _ToKeys]:
        some, of_some, first = part
        scores = _scores(queries, rows, some, distance - first, options)
        weights = of_queries.weights(scores, 1)
        if of_some is not None:
            weights += of_some.weights(scores, 0)
        to_vectors = jnp.matmul(weights.T, queries, precision=options.precision)
        to_correction = None if some.correction is None else -jnp.sum(weights, axis=0)
        to_queries += jnp.matmul(weights, some.vectors, precision=options.precision)
        return to_queries, _ToKeys(to_vectors, to_correction)

    return over_parts(add, to_queries, (keys, of_keys), num_queries=len(queries))


_log_sums.defvjp(_saving_forward, _backward)


def _passed_on(x: Any, axis_name: AxisName) -> Any:
    """Everything one device further round the ring."""
    size = jax.lax.psum(1, axis_name)
    ring = [(device, (device + 1) % size) for device in range(size)]
    return jax.tree.map(lambda leaf: jax.lax.ppermute(leaf, axis_name, ring), x)


def _distance(step: Int[Array, ""], num_rows: int) -> Int[Array, ""]:
    """Distance for `_scores` to the keys that came ``step`` devices far: a query meets its own row at home alone."""
    return jnp.where(step == 0, 0, num_rows)


def _ring_forward(
    queries: Float[Array, "batch dim"], keys: _Keys, rows: Rows, options: Options, axis_name: AxisName
) -> LogSums:
    def hop(carry: Any, step: Int[Array, ""]) -> tuple[Any, None]:
        by_query, (block, by_key) = carry
        distance = _distance(step, len(queries))
        sums = _updated(_Sums(by_query, by_key), queries, rows, block, distance, options)
        return (sums.by_query, _passed_on((block, sums.by_key), axis_name)), None

    empty = _empty(queries, keys, options)
    # After as many hops as there are devices, the keys and what they gathered are home again.
    (by_query, (_, by_key)), _ = jax.lax.scan(
        hop, (empty.by_query, (keys, empty.by_key)), jnp.arange(jax.lax.psum(1, axis_name))
    )
    return LogSums(by_query.value(), None if by_key is None else by_key.value())


def _ring_backward(
    queries: Float[Array, "batch dim"],
    keys: _Keys,
    rows: Rows,
    of_queries: _Pull,
    of_keys: _Pull | None,
    options: Options,
    axis_name: AxisName,
) -> tuple[Float[Array, "batch dim"], Float[Array, "batch dim"], Float[Array, " batch"] | None]:
    def hop(carry: Any, step: Int[Array, ""]) -> tuple[Any, None]:
        to_queries, (block, of_block, to_block) = carry
        distance = _distance(step, len(queries))
        to_queries, to_keys = _block_gradients(
            to_queries, queries, rows, block, distance, of_queries, of_block, options
        )
        travelling = (block, of_block, jax.tree.map(jnp.add, to_block, to_keys))
        return (to_queries, _passed_on(travelling, axis_name)), None

    nothing = jax.tree.map(lambda x: 0.0 * x, _ToKeys(keys.vectors, keys.correction))
    start = (0.0 * queries, (keys, of_keys, nothing))
    (to_queries, (_, _, to_keys)), _ = jax.lax.scan(hop, start, jnp.arange(jax.lax.psum(1, axis_name)))
    return to_queries, to_keys.vectors, to_keys.correction


__all__ = ["Collective", "LogSums", "Options", "Rows", "log_sums_of_negatives"]
