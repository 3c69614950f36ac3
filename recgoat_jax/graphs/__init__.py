"""Graphs: built on the host as `jraph.GraphsTuple`, propagated on the device as `Adjacency`."""

from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.bipartite import RatingWeight, bipartite_graph, edge_ratings
from recgoat_jax.graphs.cache import cached_graph
from recgoat_jax.graphs.halo import HaloGraph, sharded_weighted_propagate
from recgoat_jax.graphs.knn import co_occurrence_graph, knn_graph
from recgoat_jax.graphs.layers import lightgcn, lightgcn_convolution
from recgoat_jax.graphs.neighbors import mix_graphs, neighbor_graph
from recgoat_jax.graphs.partition import NodePartition, balanced_partition, edges_per_shard, partition_by_weight
from recgoat_jax.graphs.placement import Placement
from recgoat_jax.graphs.propagate import propagate, symmetric_normalization
from recgoat_jax.graphs.shard import LocalRows, Shard, take_rows
from recgoat_jax.graphs.sharded import place_on_mesh, shard_map_graph, sharded_lightgcn, sharded_propagate
from recgoat_jax.graphs.sharded_adjacency import RowCollective, RowsMoved, ShardedAdjacency, rows_moved
from recgoat_jax.graphs.sharded_knn import sharded_knn_graph

__all__ = [
    "Adjacency",
    "HaloGraph",
    "LocalRows",
    "NodePartition",
    "Placement",
    "RatingWeight",
    "RowCollective",
    "RowsMoved",
    "Shard",
    "ShardedAdjacency",
    "balanced_partition",
    "bipartite_graph",
    "cached_graph",
    "co_occurrence_graph",
    "edge_ratings",
    "edges_per_shard",
    "knn_graph",
    "lightgcn",
    "lightgcn_convolution",
    "mix_graphs",
    "neighbor_graph",
    "partition_by_weight",
    "place_on_mesh",
    "propagate",
    "rows_moved",
    "shard_map_graph",
    "sharded_knn_graph",
    "sharded_lightgcn",
    "sharded_propagate",
    "sharded_weighted_propagate",
    "symmetric_normalization",
    "take_rows",
]
