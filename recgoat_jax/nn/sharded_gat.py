"""Graph attention over many devices: the equations and the backward pass of one device, on each shard's own graph."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from recgoat_jax.graphs.halo import HaloGraph, with_halo
from recgoat_jax.nn.attend import Kept, attend
from recgoat_jax.nn.dropout import keep_mask_of_rows, keep_probability


def sharded_graph_attention(
    graph: HaloGraph,
    features: Float[Array, "slots dim"],
    source_vector: Float[Array, "heads head_dim"],
    target_vector: Float[Array, "heads head_dim"],
    *,
    axis_name: str | tuple[str, ...],
    dropout_rate: float = 0.0,
    key: Key[Array, ""] | None = None,
) -> Float[Array, "slots dim"]:
    """`recgoat_jax.nn.graph_attention` within `jax.shard_map`; `recgoat_jax.graphs.shard_map_graph` maps it.

    A shard has every edge that its rows receive, so each softmax is computed in one place. Rows come by the exchange,
    also where a product would prefer the ring: memory grows with the rows that a shard receives.

    Args:
        graph: this device's part, with a leading axis of one shard.
        features: ``rows_per_shard x dim``, projected features of the rows of this device.
        source_vector: ``heads x head_dim``, the half of the attention vector that meets the sender.
        target_vector: ``heads x head_dim``, the half that meets the receiver.
        axis_name: mapped axis, or axes, that the shards are spread over.
        dropout_rate: rate on the normalised coefficients, where a key is given.
        key: random key of the dropout; each edge draws what it draws on one device.

    Returns:
        ``rows_per_shard x dim``; zero for nodes without incoming edges and for padding.
    """
    own = jax.tree.map(lambda array: array[0], graph)
    kept = None
    if key is not None and keep_probability(dropout_rate) < 1.0:
        there = own.edge >= 0
        num_edges = jax.lax.psum(jnp.sum(there, dtype=jnp.uint32), axis_name)
        mask = keep_mask_of_rows(key, own.edge, num_edges, width=len(source_vector), rate=dropout_rate)
        kept = Kept(mask & there[:, None], jnp.float32(keep_probability(dropout_rate)))
    rows = with_halo(own, features.astype(jnp.float32), axis_name=axis_name)
    attended = attend(own.adjacency, rows, source_vector, target_vector, kept)
    return attended[: features.shape[0]].astype(features.dtype)


__all__ = ["sharded_graph_attention"]
