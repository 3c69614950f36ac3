"""Shared layers, without knowledge of any model."""

from recgoat_jax.nn.dropout import dropout
from recgoat_jax.nn.gat import GraphAttention, graph_attention

__all__ = ["GraphAttention", "dropout", "graph_attention"]
