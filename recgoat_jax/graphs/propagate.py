"""The propagation hot path: products of a sparse adjacency matrix with dense node representations.

There are two lowerings, chosen by platform in one place (`sparse_product`): on CPU a compressed-sparse-row product,
elsewhere a gather and a segment sum over sorted receivers. Both share one backward pass, which multiplies the
cotangent by the transposed matrix: A itself where A is symmetric, its transposed edge order where it is not.
Automatic differentiation would turn the gather into an unsorted scatter, several times slower and larger.
"""

import jax
import jax.numpy as jnp
from jax.experimental import sparse
from jaxtyping import Array, Float, Int

from recgoat_jax.graphs.adjacency import Adjacency, CompressedRows

_NARROWEST = 8
"""Columns below which the CPU kernel falls back to a scalar loop, three times slower than with 8 columns."""

_BLOCK_EDGES = 1 << 22
"""Edges whose messages an accelerator holds at once; rows of up to 128 columns take 2 GiB there."""


def propagate(
    adjacency: Adjacency,
    x: Float[Array, "nodes dim"],
    weights: Float[Array, " edges"] | None = None,
) -> Float[Array, "receivers dim"]:
    """Multiplies by the adjacency matrix: each node receives the weighted sum of its senders, ``A @ x``.

    Args:
        adjacency: the matrix.
        x: ``nodes x dim`` representations, float32.
        weights: None for the matrix's own weights, which are constants; or ``edges`` weights in the order of
            ``adjacency.senders``, which replace them and are differentiated,
            ``dL/dw_e = <dL/dy[receiver_e], x[sender_e]>``.

    Returns:
        ``nodes x dim``, a row for each row of the matrix; zero for nodes that receive no edge.

    Example:
        >>> import jraph, numpy as np
        >>> graph = jraph.GraphsTuple(
        ...     nodes=None, edges=np.array([0.5]), senders=np.array([1]), receivers=np.array([0]),
        ...     globals=None, n_node=np.array([2]), n_edge=np.array([1]),
        ... )
        >>> adjacency = Adjacency.from_graph(graph)
        >>> print(propagate(adjacency, jnp.array([[1.0], [10.0]])).T)
        [[5. 0.]]
        >>> print(propagate(adjacency, jnp.array([[1.0], [10.0]]), jnp.array([2.0])).T)  # a weight of one's own
        [[20.  0.]]
    """
    if weights is None:
        return _propagate_constant(adjacency, x)
    return _propagate_weighted(adjacency, x, weights)


def symmetric_normalization(adjacency: Adjacency, weights: Float[Array, " edges"]) -> Float[Array, " edges"]:
    """Degree-normalised weights, ``w_ij / sqrt(r_i c_j)``: r sums what node i receives, c what node j sends.

    For symmetric weights r equals c and the result is ``D^-1/2 W D^-1/2``. Differentiable in the weights: with it a
    model learns how much a rating counts (`recgoat_jax.graphs.bipartite.edge_ratings`).

    Args:
        adjacency: the edges; their own weights are not read.
        weights: ``edges``, not negative.

    Returns:
        ``edges``; zero, with a finite gradient, where either sum is zero.
    """
    num_nodes, senders, receivers = adjacency.num_nodes, adjacency.senders, adjacency.receivers
    received = jax.ops.segment_sum(weights, receivers, num_segments=num_nodes, indices_are_sorted=True)
    sent = jax.ops.segment_sum(weights, senders, num_segments=num_nodes)
    return weights * safe_rsqrt(received)[receivers] * safe_rsqrt(sent)[senders]


def sparse_product(
    rows: CompressedRows, weights: Float[Array, "edges heads"], x: Float[Array, "columns dim"]
) -> Float[Array, "rows dim"]:
    """The product of a sparse matrix, or of one a head, with a dense one, lowered for the platform.

    It has no gradient of its own: what builds on it brings its backward pass.

    Args:
        rows: places of the entries.
        weights: ``edges x heads``, their values: head h multiplies the h-th of ``heads`` equal column blocks of x.
            With one head, entries past the last offset are padding and add nothing; their receiver is
            ``rows.num_rows``, which no row is.
        x: ``columns x dim``, one row for each column of the matrix; a graph has as many as it has rows.

    Returns:
        ``rows x dim``.
    """
    return jax.lax.platform_dependent(rows, weights, x, cpu=compressed_row_product, default=segment_sum_product)


def compressed_row_product(
    rows: CompressedRows, weights: Float[Array, "edges heads"], x: Float[Array, "columns dim"]
) -> Float[Array, "rows dim"]:
    """`sparse_product` by the compressed-sparse-row kernel that XLA has on CPU.

    Heads are stacked into one block-diagonal matrix: one call of the kernel shares the cores better than one a head.
    """
    num_edges, heads = weights.shape
    num_columns, dim = x.shape
    if heads == 1:
        return _kernel(weights[:, 0], rows.senders, rows.offsets, x)
    head = jnp.arange(heads, dtype=jnp.int32)[:, None]
    offsets = jnp.append((rows.offsets[:-1] + head * num_edges).reshape(-1), jnp.int32(heads * num_edges))
    senders = (rows.senders + head * num_columns).reshape(-1)
    stacked = x.reshape(num_columns, heads, dim // heads).transpose(1, 0, 2).reshape(-1, dim // heads)
    product = _kernel(weights.T.reshape(-1), senders, offsets, stacked)
    return product.reshape(heads, rows.num_rows, dim // heads).transpose(1, 0, 2).reshape(rows.num_rows, dim)


def _kernel(
    weights: Float[Array, " entries"],
    senders: Int[Array, " entries"],
    offsets: Int[Array, " offsets"],
    x: Float[Array, "columns dim"],
) -> Float[Array, "rows dim"]:
    """A compressed-sparse-row matrix times a dense one, widened where the kernel is slow."""
    padding = max(_NARROWEST - x.shape[1], 0)
    matrix = sparse.BCSR((weights, senders, offsets), shape=(offsets.shape[0] - 1, x.shape[0]))
    product = (matrix @ jnp.pad(x, ((0, 0), (0, padding))))[:, : x.shape[1]]
    # Within `jax.shard_map` the kernel forgets that its result differs from device to device, as its arguments do.
    axes = [jax.typeof(array).manual_axis_type.varying for array in (product, weights, senders, offsets, x)]
    return jax.lax.pcast(product, tuple(frozenset().union(*axes) - axes[0]), to="varying")


def segment_sum_product(
    rows: CompressedRows, weights: Float[Array, "edges heads"], x: Float[Array, "columns dim"]
) -> Float[Array, "rows dim"]:
    """`sparse_product` by a gather and a sorted segment sum: the form that accelerators want.

    Messages along edges are made head by head, and beyond `_BLOCK_EDGES` edges block by block: those of all edges and
    heads never stand at once. An axis of heads beside a few columns would be padded to several times its size.
    """
    heads = weights.shape[1]
    with jax.named_scope("messages along edges"):
        products = [
            _head_product(rows, weights[:, head], columns) for head, columns in enumerate(jnp.split(x, heads, axis=1))
        ]
        return products[0] if heads == 1 else jnp.concatenate(products, axis=1)


def _head_product(
    rows: CompressedRows, weights: Float[Array, " edges"], x: Float[Array, "columns dim"]
) -> Float[Array, "rows dim"]:
    blocks = max(weights.shape[0] - 1, 0) // _BLOCK_EDGES
    rest = blocks * _BLOCK_EDGES
    total = jax.ops.segment_sum(
        weights[rest:, None] * x[rows.senders[rest:]],
        rows.receivers[rest:],
        num_segments=rows.num_rows,
        indices_are_sorted=True,
    )

    def add_block(block: Int[Array, ""], total: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        own, senders, receivers = (
            jax.lax.dynamic_slice_in_dim(of_edges, block * _BLOCK_EDGES, _BLOCK_EDGES)
            for of_edges in (weights, rows.senders, rows.receivers)
        )
        return total.at[receivers].add(own[:, None] * x[senders], indices_are_sorted=True, mode="drop")

    return jax.lax.fori_loop(0, blocks, add_block, total) if blocks else total


@jax.custom_vjp
def _propagate_constant(adjacency: Adjacency, x: Float[Array, "nodes dim"]) -> Float[Array, "receivers dim"]:
    return sparse_product(adjacency.rows, adjacency.weights[:, None], x)


def _constant_forward(
    adjacency: Adjacency, x: Float[Array, "nodes dim"]
) -> tuple[Float[Array, "receivers dim"], Adjacency]:
    return _propagate_constant(adjacency, x), adjacency


def _constant_backward(
    adjacency: Adjacency, cotangent: Float[Array, "receivers dim"]
) -> tuple[None, Float[Array, "nodes dim"]]:
    weights = adjacency.weights if adjacency.transposed_weights is None else adjacency.transposed_weights
    return None, sparse_product(adjacency.transposed_rows, weights[:, None], cotangent)


_propagate_constant.defvjp(_constant_forward, _constant_backward)


@jax.custom_vjp
def _propagate_weighted(
    adjacency: Adjacency, x: Float[Array, "nodes dim"], weights: Float[Array, " edges"]
) -> Float[Array, "receivers dim"]:
    return sparse_product(adjacency.rows, weights[:, None], x)


def _weighted_forward(
    adjacency: Adjacency, x: Float[Array, "nodes dim"], weights: Float[Array, " edges"]
) -> tuple[Float[Array, "receivers dim"], tuple[Adjacency, Float[Array, "nodes dim"], Float[Array, " edges"]]]:
    return _propagate_weighted(adjacency, x, weights), (adjacency, x, weights)


def _weighted_backward(
    saved: tuple[Adjacency, Float[Array, "nodes dim"], Float[Array, " edges"]],
    cotangent: Float[Array, "receivers dim"],
) -> tuple[None, Float[Array, "nodes dim"], Float[Array, " edges"]]:
    adjacency, x, weights = saved
    transposed_weights = weights[adjacency.transposed_order]
    x_cotangent = sparse_product(adjacency.transposed_rows, transposed_weights[:, None], cotangent)
    products = cotangent[adjacency.receivers] * x[adjacency.senders]
    # The row sums as a product with ones: on CPU ten times faster than a reduction fused with the two gathers.
    ones = jnp.ones((x.shape[1], 1), x.dtype)
    weights_cotangent = jnp.matmul(products, ones, precision=jax.lax.Precision.HIGHEST)[:, 0]
    return None, x_cotangent, weights_cotangent


_propagate_weighted.defvjp(_weighted_forward, _weighted_backward)


def safe_rsqrt(degrees: Float[Array, " nodes"]) -> Float[Array, " nodes"]:
    """``1 / sqrt(d)``, and zero with a zero gradient where d is not positive."""
    positive = degrees > 0
    return jnp.where(positive, jax.lax.rsqrt(jnp.where(positive, degrees, 1.0)), 0.0)


__all__ = [
    "compressed_row_product",
    "propagate",
    "safe_rsqrt",
    "segment_sum_product",
    "sparse_product",
    "symmetric_normalization",
]
