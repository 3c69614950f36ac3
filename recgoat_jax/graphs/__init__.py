"""Graphs: built on the host as `jraph.GraphsTuple`, propagated on the device as `Adjacency`."""

from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.bipartite import RatingWeight, bipartite_graph, edge_ratings
from recgoat_jax.graphs.cache import cached_graph
from recgoat_jax.graphs.knn import co_occurrence_graph, knn_graph
from recgoat_jax.graphs.layers import lightgcn, lightgcn_convolution
from recgoat_jax.graphs.neighbors import mix_graphs, neighbor_graph
from recgoat_jax.graphs.propagate import propagate, symmetric_normalization

__all__ = [
    "Adjacency",
    "RatingWeight",
    "bipartite_graph",
    "cached_graph",
    "co_occurrence_graph",
    "edge_ratings",
    "knn_graph",
    "lightgcn",
    "lightgcn_convolution",
    "mix_graphs",
    "neighbor_graph",
    "propagate",
    "symmetric_normalization",
]
