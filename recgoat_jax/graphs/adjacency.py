"""The sparse matrix below the `jraph.GraphsTuple` contract: what the propagation hot path reads.

To the outside a graph is a `jraph.GraphsTuple` (edges sorted by receiver, weights in ``edges``). `Adjacency` holds the
same edges with what products need besides: row offsets and the transposed edge order of the backward pass.
"""

from typing import NamedTuple

import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Array, Float, Int


class CompressedRows(NamedTuple):
    """The places of the non-zero entries of a sparse matrix, sorted by row (compressed sparse rows).

    Attributes:
        senders: ``edges``, int32 columns.
        receivers: ``edges``, int32 rows, sorted.
        offsets: ``nodes + 1``, int32: the edges of row ``i`` are ``offsets[i]:offsets[i + 1]``.
    """

    senders: Int[Array, " edges"]
    receivers: Int[Array, " edges"]
    offsets: Int[Array, " offsets"]

    @property
    def num_rows(self) -> int:
        """Rows of the matrix."""
        return self.offsets.shape[0] - 1

    @classmethod
    def from_sorted(
        cls, receivers: Int[np.ndarray, " edges"], senders: Int[np.ndarray, " edges"], num_nodes: int
    ) -> "CompressedRows":
        """Compresses edges that are sorted by receiver."""
        return cls(
            senders=jnp.asarray(senders, jnp.int32),
            receivers=jnp.asarray(receivers, jnp.int32),
            offsets=jnp.asarray(np.searchsorted(receivers, np.arange(num_nodes + 1)), jnp.int32),
        )


class Adjacency(NamedTuple):
    """A weighted adjacency matrix A, ``A[receiver, sender] = weight``, ready for products (a pytree).

    Built on the host by `Adjacency.from_graph`; goes through ``jit``, ``grad`` and ``scan`` as an argument or as a
    constant.

    Attributes:
        rows: places of the entries of A.
        weights: ``edges``, float32 values of A.
        transposed: places of the entries of the transposed matrix; None where they are those of A (every edge has its
            reverse).
        transposed_order: ``edges``: entry ``e`` of the transposed matrix is edge ``transposed_order[e]`` of A, so
            per-edge values ``v`` of A are ``v[transposed_order]`` there.
        transposed_weights: ``edges``, values of the transposed matrix; None where A is symmetric in value, so that the
            backward pass reuses A itself.
    """

    rows: CompressedRows
    weights: Float[Array, " edges"]
    transposed: CompressedRows | None
    transposed_order: Int[Array, " edges"]
    transposed_weights: Float[Array, " edges"] | None

    @property
    def senders(self) -> Int[Array, " edges"]:
        """Column of each entry: where the edge starts."""
        return self.rows.senders

    @property
    def receivers(self) -> Int[Array, " edges"]:
        """Row of each entry: where the edge ends; sorted."""
        return self.rows.receivers

    @property
    def num_nodes(self) -> int:
        """Rows and columns."""
        return self.rows.num_rows

    @property
    def num_edges(self) -> int:
        """Directed edges, self loops included."""
        return self.rows.senders.shape[0]

    @property
    def is_symmetric(self) -> bool:
        """Whether A equals its transpose in value."""
        return self.transposed_weights is None

    @property
    def transposed_rows(self) -> CompressedRows:
        """Places of the entries of the transposed matrix."""
        return self.rows if self.transposed is None else self.transposed

    @classmethod
    def from_graph(cls, graph: jraph.GraphsTuple) -> "Adjacency":
        """Builds the matrix of a graph, on the host; the arrays of the graph must not be traced.

        Args:
            graph: one graph (or a batch: one block-diagonal matrix), edges sorted by receiver, ``edges`` the weights
                ``[edges]``, or None for weight one.

        Returns:
            The matrix, its entries in the order of the edges of the graph. Symmetry is detected in place and in value.

        Raises:
            ValueError: edges that are not sorted by receiver or leave the node range, or weights of another shape.
        """
        num_nodes = int(np.sum(np.asarray(graph.n_node)))
        senders, receivers, weights = _checked_edges(graph, num_nodes)
        order = np.lexsort((receivers, senders))
        canonical = np.lexsort((senders, receivers))
        same_places = bool(
            np.array_equal(receivers[order], senders[canonical])
            and np.array_equal(senders[order], receivers[canonical])
        )
        if same_places:
            # The transposed matrix shares the places of A, so its entries follow the edge order of A, whatever it is.
            reverse = np.empty_like(order)
            reverse[canonical] = order
            order = reverse
        same_values = same_places and np.array_equal(weights[order], weights)
        return cls(
            rows=CompressedRows.from_sorted(receivers, senders, num_nodes),
            weights=jnp.asarray(weights),
            transposed=None if same_places else CompressedRows.from_sorted(senders[order], receivers[order], num_nodes),
            transposed_order=jnp.asarray(order, jnp.int32),
            transposed_weights=None if same_values else jnp.asarray(weights[order]),
        )


def _checked_edges(graph: jraph.GraphsTuple, num_nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Senders, receivers and weights as numpy arrays, after the checks that `Adjacency.from_graph` promises."""
    senders = np.asarray([] if graph.senders is None else graph.senders, np.int64)
    receivers = np.asarray([] if graph.receivers is None else graph.receivers, np.int64)
    weights = np.ones(senders.shape, np.float32) if graph.edges is None else np.asarray(graph.edges, np.float32)
    if senders.ndim != 1 or receivers.shape != senders.shape or weights.shape != senders.shape:
        raise ValueError(
            f"senders {senders.shape}, receivers {receivers.shape} and edges {weights.shape} must be three arrays "
            "[edges]. Pass one scalar weight an edge."
        )
    if np.any(np.diff(receivers) < 0):
        raise ValueError("edges are not sorted by receiver. Sort senders, receivers and edges together first.")
    ends = np.concatenate([senders, receivers])
    outside = ends[(ends < 0) | (ends >= num_nodes)]
    if outside.size:
        raise ValueError(f"an edge ends at node {outside[0]}; n_node allows the rows 0 to {num_nodes - 1}.")
    return senders, receivers, weights


__all__ = ["Adjacency", "CompressedRows"]
