"""Neighbour lists: the most similar rows of a feature table, and what is bought by the same users.

Both are exact and blocked: no array of items by items exists at any time.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.data.dataset import Interactions, NeighborList
from recgoat_jax.data.feature_table import FeatureTable

COLUMN_MULTIPLE = 64
"""Rows of a full tile of the product: equal rows get equal similarities where every tile is full."""


def knn_graph(
    table: FeatureTable,
    *,
    k: int,
    eligible: Bool[np.ndarray, " rows"] | None = None,
    block_rows: int = 1024,
) -> NeighborList:
    """The k nearest neighbours of each row by cosine similarity, exact, as a directed graph.

    Memory is ``block_rows x rows`` similarities beside the table itself.

    Args:
        table: features. A missing row, or one of zero length (it has no direction), has no neighbours and is nobody's
            neighbour.
        k: neighbours of a row. Where fewer other rows are present, each row gets all of them: none for a single row.
        eligible: ``rows``, True for rows that may be somebody's neighbour; None: all.
        block_rows: rows whose similarities are computed at once.

    Returns:
        Edges sorted by receiver, then by falling similarity, ties by the lower row; no self edge. Weights are cosines.

    Raises:
        ValueError: k or ``block_rows`` below 1.

    Example:
        >>> values = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]], np.float32)
        >>> table = FeatureTable(values, np.ones(3, bool), encoder="by hand")
        >>> found = knn_graph(table, k=1)
        >>> print(found.receivers, found.senders, found.weights.round(2))
        [0 1 2] [1 0 1] [1.   1.   0.05]
    """
    check_positive(k=k, block_rows=block_rows)
    rows, vectors = unit_rows(table)
    origin = f"knn(k={k}) of {table.encoder}"
    choice = np.ones(len(rows), bool) if eligible is None else eligible[rows]
    width = min(k, len(rows) - 1, int(choice.sum()))
    if width < 1:
        return neighbor_list([], [], [], num_nodes=table.num_rows, origin=origin)
    # Equal rows must get equal similarities for ties to be ties. Kernels treat the last, narrower tile of a product
    # in another summation order, so columns and blocks are padded to full tiles.
    columns = jnp.asarray(padded_rows(vectors, -(-len(rows) // COLUMN_MULTIPLE) * COLUMN_MULTIPLE))
    choice = jnp.asarray(np.pad(choice, (0, columns.shape[0] - len(rows))))
    block_rows = min(block_rows, columns.shape[0])
    similarities, neighbors = [], []
    for start in range(0, len(rows), block_rows):
        block = vectors[start : start + block_rows]
        values, indices = _nearest(
            jnp.asarray(padded_rows(block, block_rows)), columns, jnp.int32(start), choice, k=width
        )
        similarities.append(np.asarray(values)[: len(block)])
        neighbors.append(np.asarray(indices)[: len(block)])
    values = np.concatenate(similarities).ravel()
    # An eligible row has one neighbour less to choose from than the others: itself.
    found = np.isfinite(values)
    return neighbor_list(
        np.repeat(rows, width)[found],
        rows[np.concatenate(neighbors).ravel()[found]],
        values[found],
        num_nodes=table.num_rows,
        origin=origin,
    )


@partial(jax.jit, static_argnames="k")
def _nearest(
    block: Float[Array, "block feature"],
    columns: Float[Array, "columns feature"],
    start: Int[Array, ""],
    eligible: Bool[Array, " columns"],
    *,
    k: int,
) -> tuple[Float[Array, "block k"], Int[Array, "block k"]]:
    """Similarity and row of the k nearest other rows; ``lax.top_k`` puts the lower row first where they tie."""
    similarity = jnp.matmul(block, columns.T, precision=jax.lax.Precision.HIGHEST)
    column = jnp.arange(columns.shape[0])
    own = start + jnp.arange(block.shape[0])
    allowed = (column[None, :] != own[:, None]) & eligible[None, :]
    values, rows = jax.lax.top_k(jnp.where(allowed, similarity, -jnp.inf), k)
    return values, rows


def co_occurrence_graph(
    train: Interactions,
    num_nodes: int,
    *,
    k: int,
    side: Literal["item", "user"] = "item",
    similarity: Literal["count", "cosine"] = "count",
    block_rows: int = 1024,
) -> NeighborList:
    """The k nodes that share the most training partners with each node, as a directed graph.

    Two items are joined by the users who have both (co-purchase); two users by the items that both have.

    Args:
        train: training pairs.
        num_nodes: rows of the vocabulary that the graph is over: items, or users for ``side="user"``.
        k: neighbours of a node; fewer where fewer nodes share a partner with it.
        side: which vocabulary the graph is over.
        similarity: ``"count"`` is the number of shared partners ``n_ij``; ``"cosine"`` is
            ``n_ij / sqrt(n_i n_j)`` with n the partners of each.
        block_rows: nodes whose shared partners are counted at once.

    Returns:
        Edges sorted by receiver, then by falling similarity, ties by the lower row; no self edge.

    Raises:
        ValueError: k or ``block_rows`` below 1.

    Example:
        Items 0 and 1 share two users, items 1 and 2 one:

        >>> users, items = np.array([0, 0, 1, 1, 1], np.int32), np.array([0, 1, 0, 1, 2], np.int32)
        >>> found = co_occurrence_graph(Interactions(users, items), 3, k=1)
        >>> print(found.receivers, found.senders, found.weights)
        [0 1 2] [1 0 0] [2. 2. 1.]
    """
    check_positive(k=k, block_rows=block_rows)
    nodes, partners = (train.items, train.users) if side == "item" else (train.users, train.items)
    num_partners = int(partners.max(initial=-1)) + 1
    matrix = scipy.sparse.csr_array((np.ones(len(train)), (nodes, partners)), shape=(num_nodes, num_partners))
    degrees = np.bincount(nodes, minlength=num_nodes)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, num_nodes, block_rows):
        shared = scipy.sparse.coo_array(matrix[start : start + block_rows] @ matrix.T)
        receivers, senders, counts = shared.row.astype(np.int64) + start, shared.col.astype(np.int64), shared.data
        if similarity == "cosine":
            counts = counts / np.sqrt(degrees[receivers] * degrees[senders])
        others = receivers != senders
        parts.append(_top_of_each(receivers[others], senders[others], counts[others], k))
    receivers, senders, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    origin = f"co-occurrence(k={k}, {side}, {similarity})"
    return neighbor_list(receivers, senders, weights, num_nodes=num_nodes, origin=origin)


def _top_of_each(
    receivers: Int[np.ndarray, " edges"],
    senders: Int[np.ndarray, " edges"],
    weights: Float[np.ndarray, " edges"],
    k: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k heaviest edges of each receiver, ties by the lower sender, sorted by receiver."""
    order = np.lexsort((senders, -weights, receivers))
    sorted_receivers = receivers[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_receivers, sorted_receivers)
    kept = order[rank < k]
    return receivers[kept], senders[kept], weights[kept]


def unit_rows(table: FeatureTable) -> tuple[Int[np.ndarray, " rows"], Float[np.ndarray, "rows feature"]]:
    """The rows of a table that have a direction, and those directions; the norm is taken in float64."""
    norms = np.linalg.norm(table.values.astype(np.float64), axis=1)
    rows = np.flatnonzero(table.present & (norms > 0))
    return rows, (table.values[rows] / norms[rows, None]).astype(np.float32)


def padded_rows(values: Float[np.ndarray, "rows feature"], num_rows: int) -> Float[np.ndarray, "padded feature"]:
    """Zero rows appended up to ``num_rows``."""
    return np.pad(values, ((0, num_rows - len(values)), (0, 0)))


def neighbor_list(receivers: object, senders: object, weights: object, *, num_nodes: int, origin: str) -> NeighborList:
    """A `NeighborList` with its types."""
    return NeighborList(
        receivers=np.asarray(receivers, np.int32),
        senders=np.asarray(senders, np.int32),
        weights=np.asarray(weights, np.float32),
        num_nodes=num_nodes,
        origin=origin,
    )


def check_positive(**values: int) -> None:
    """Refuses settings below 1, by name."""
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more.")


__all__ = [
    "COLUMN_MULTIPLE",
    "check_positive",
    "co_occurrence_graph",
    "knn_graph",
    "neighbor_list",
    "padded_rows",
    "unit_rows",
]
