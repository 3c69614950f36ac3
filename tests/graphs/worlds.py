"""Small weighted graphs with what breaks partitions: a hub, isolated nodes, sizes that no device count divides."""

import jraph
import numpy as np

ISOLATED, HUB = 5, 7


def awkward_matrix(kind: str, num_nodes: int) -> np.ndarray:
    """Dense weights, "symmetric", "same places" or "directed"; every node sends to the hub, which has a self loop."""
    rng = np.random.default_rng(num_nodes)
    places = rng.uniform(size=(num_nodes, num_nodes)) < 4 / num_nodes
    places[HUB] = True
    weights = rng.uniform(0.2, 1.5, size=(num_nodes, num_nodes))
    if kind != "directed":
        places |= places.T
    if kind == "symmetric":
        weights = weights + weights.T
    places[ISOLATED] = places[:, ISOLATED] = False
    return np.where(places, weights, 0).astype(np.float32)


def graph_of(matrix: np.ndarray) -> jraph.GraphsTuple:
    """The graph of a dense matrix, ``matrix[receiver, sender]``."""
    receivers, senders = np.nonzero(matrix)
    return jraph.GraphsTuple(
        nodes=None,
        edges=matrix[receivers, senders],
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        globals=None,
        n_node=np.array([len(matrix)], np.int32),
        n_edge=np.array([len(receivers)], np.int32),
    )
