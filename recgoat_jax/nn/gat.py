"""Graph attention (GAT) on sorted edges, with a backward pass made of sparse products only."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import jraph
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.halo import HaloGraph
from recgoat_jax.graphs.shard import LocalRows
from recgoat_jax.nn.attend import NEGATIVE_SLOPE, Kept, attend
from recgoat_jax.nn.dropout import dropout, keep_mask, keep_probability
from recgoat_jax.nn.sharded_gat import sharded_graph_attention

AttentionStart = Literal["head", "heads"]
"""Whether the attention vectors of each head start as a matrix of their own, or those of all heads as one tensor, whose
fans are larger: DGL's way, ``sqrt((heads + 1) width / (width + 1))`` times smaller for heads of a width."""


class GraphAttention(nnx.Module):
    """A graph attention layer over the incoming edges of each node (Velickovic et al., ICLR 2018, equations 1 to 6).

    ``h = drop(x) W``; for head k: ``e_ij = LeakyReLU(a_source . h_j + a_target . h_i)``, ``alpha_ij`` its softmax over
    the edges j -> i, then attention dropout; ``o_i = concat_k(sum_j alpha_ij h_j) + bias``, and the result is
    ``drop(LeakyReLU(o_i))``. This is the item branch of RecGOAT. Edge weights are not read. A self loop counts
    where the graph has one (`recgoat_jax.graphs.neighbor_graph` with ``self_loops=True``).

    Args:
        in_features: width of the input.
        out_features: width of the output, a multiple of ``heads``.
        heads: attention heads. On CPU the cost grows with them: 8 heads take about three times as long as one.
        feature_dropout: rate on the input.
        attention_dropout: rate on the normalised attention coefficients.
        output_dropout: rate on the output.
        attention_start: how the attention vectors start.
        rngs: the ``params`` stream draws the weights, Xavier normal with gain sqrt(2).

    Raises:
        ValueError: a width that the heads do not divide.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        heads: int = 8,
        feature_dropout: float = 0.1,
        attention_dropout: float = 0.1,
        output_dropout: float = 0.1,
        attention_start: AttentionStart = "head",
        rngs: nnx.Rngs,
    ) -> None:
        if heads < 1 or out_features % heads:
            raise ValueError(f"{heads} heads do not divide the width {out_features}; choose a divisor of the width.")
        self.feature_dropout = feature_dropout
        self.attention_dropout = attention_dropout
        self.output_dropout = output_dropout
        head_dim = out_features // heads
        # Xavier with gain sqrt(2) has variance 4 / (fan in + fan out): mode "fan_avg" divides by their mean.
        initial = nnx.initializers.variance_scaling(2.0, "fan_avg", "normal")
        self.kernel = nnx.Param(initial(rngs.params(), (in_features, out_features)))
        fans = 1 + head_dim if attention_start == "head" else (heads + 1) * head_dim
        vector_scale = math.sqrt(4.0 / fans)
        self.source_vector = nnx.Param(vector_scale * jax.random.normal(rngs.params(), (heads, head_dim)))
        self.target_vector = nnx.Param(vector_scale * jax.random.normal(rngs.params(), (heads, head_dim)))
        self.bias = nnx.Param(jnp.zeros(out_features))

    def __call__(
        self,
        adjacency: Adjacency | HaloGraph,
        x: Float[Array, "nodes feature"],
        *,
        key: Key[Array, ""] | None = None,
        rows: LocalRows | None = None,
    ) -> Float[Array, "nodes dim"]:
        """Applies the layer.

        Args:
            adjacency: the edges to attend over; over devices this device's part, within `jax.shard_map` over the axis
                "rows".
            x: ``nodes x in_features``; over devices the rows of this device.
            key: drives the three dropouts; None for evaluation, which is deterministic.
            rows: which nodes the rows of x are, over devices; they draw what the same nodes draw on one device.

        Returns:
            ``nodes x out_features``; nodes without edges get ``LeakyReLU(bias)``.
        """
        feature_key, attention_key, output_key = (None, None, None) if key is None else jax.random.split(key, 3)
        projected = dropout(x, feature_key, rate=self.feature_dropout, rows=rows) @ self.kernel[...]
        vectors, options = (self.source_vector[...], self.target_vector[...]), {"dropout_rate": self.attention_dropout}
        match adjacency:
            case Adjacency():
                attended = graph_attention(adjacency, projected, *vectors, key=attention_key, **options)
            case HaloGraph():
                attended = sharded_graph_attention(
                    adjacency, projected, *vectors, key=attention_key, axis_name=ROWS_AXIS, **options
                )
        activated = jax.nn.leaky_relu(attended + self.bias[...], NEGATIVE_SLOPE)
        return dropout(activated, output_key, rate=self.output_dropout, rows=rows)

    def update_graph(self, graph: jraph.GraphsTuple, *, key: Key[Array, ""] | None = None) -> jraph.GraphsTuple:
        """Applies the layer in the style of jraph: graph in, graph with new nodes out.

        The edges must be concrete (not traced), since their transposed order is built on the host; inside ``jit``
        build an `Adjacency` once and call the layer itself.

        Args:
            graph: ``nodes`` an array ``[nodes, in_features]``, edges sorted by receiver; ``edges`` is not read.
            key: as above.

        Returns:
            The graph with nodes ``[nodes, out_features]``.
        """
        adjacency = Adjacency.from_graph(graph._replace(edges=None))
        return graph._replace(nodes=self(adjacency, jnp.asarray(graph.nodes), key=key))


def graph_attention(
    adjacency: Adjacency,
    features: Float[Array, "nodes dim"],
    source_vector: Float[Array, "heads head_dim"],
    target_vector: Float[Array, "heads head_dim"],
    *,
    dropout_rate: float = 0.0,
    key: Key[Array, ""] | None = None,
) -> Float[Array, "nodes dim"]:
    """Multi-head additive attention: ``o_i = sum_j alpha_ij h_j``, ``alpha_ij = softmax_j LeakyReLU(s_j + t_i)``.

    ``s_j = a_source . h_j`` and ``t_i = a_target . h_i`` for each head, which owns a block of consecutive columns.
    Velickovic et al. (ICLR 2018), equations 3 and 4. The softmax runs in float32 over the incoming edges.

    Args:
        adjacency: the edges; their weights are not read. Self loops count where they are among the edges.
        features: ``nodes x dim``, dim = heads x head_dim: projected features h.
        source_vector: ``heads x head_dim``, the half of the attention vector that meets the sender.
        target_vector: ``heads x head_dim``, the half that meets the receiver.
        dropout_rate: rate on the normalised coefficients, where a key is given.
        key: random key of the dropout; None switches it off.

    Returns:
        ``nodes x dim``; zero for nodes without incoming edges.

    Example:
        Node 0 receives from 1 and 2. Attention vectors of zero weigh all senders alike:

        >>> graph = jraph.GraphsTuple(
        ...     nodes=None, edges=None, senders=jnp.array([1, 2]), receivers=jnp.array([0, 0]),
        ...     globals=None, n_node=jnp.array([3]), n_edge=jnp.array([2]),
        ... )
        >>> features, zero = jnp.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]]), jnp.zeros((1, 2))
        >>> print(graph_attention(Adjacency.from_graph(graph), features, zero, zero)[0])
        [2. 3.]
    """
    kept = None
    if key is not None and keep_probability(dropout_rate) < 1.0:
        mask = keep_mask(key, (adjacency.num_edges, len(source_vector)), rate=dropout_rate)
        kept = Kept(mask, jnp.float32(keep_probability(dropout_rate)))
    return attend(adjacency, features, source_vector, target_vector, kept)


__all__ = ["GraphAttention", "graph_attention"]
