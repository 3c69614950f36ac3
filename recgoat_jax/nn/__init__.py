"""Shared layers, without knowledge of any model."""

from recgoat_jax.nn.dropout import dropout
from recgoat_jax.nn.gat import GraphAttention, graph_attention
from recgoat_jax.nn.sharded_gat import sharded_graph_attention

__all__ = ["GraphAttention", "dropout", "graph_attention", "sharded_graph_attention"]
