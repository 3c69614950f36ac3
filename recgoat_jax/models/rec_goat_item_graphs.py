"""RecGOAT's graphs over items that several modalities share: their mixture, and the way to items never trained."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jaxtyping import Array, Float

from recgoat_jax.graphs import Adjacency, mix_graphs, neighbor_graph
from recgoat_jax.graphs.edges import graph_from_edges
from recgoat_jax.graphs.products import AnyGraph, graph_product
from recgoat_jax.models.rec_goat_inputs import ModalityInput

_TINY = 1e-24
"""Keeps the derivative of a length finite at zero."""


def mixed_item_graph(
    inputs: Mapping[str, ModalityInput],
    *,
    shares: Mapping[str, float],
    co_purchase: jraph.GraphsTuple | None = None,
    co_purchase_share: float = 0.0,
) -> Adjacency | None:
    """One item graph out of the modalities' graphs and that of co-purchase; None where there is nothing to mix.

    Args:
        inputs: the modalities.
        shares: relative weights of the modalities.
        co_purchase: the graph of items that the same users have, normalised; None: there is none.
        co_purchase_share: its weight; the modalities share the rest of 1.

    Returns:
        The mixed adjacency: each part made symmetric by union and degree-normalised.
    """
    total = sum(shares.get(name, 1.0) for name in inputs) or 1.0
    parts = [
        (
            neighbor_graph(modality.neighbors, receiving_only=modality.receiving_only),
            (1.0 - co_purchase_share) * shares.get(name, 1.0) / total,
        )
        for name, modality in inputs.items()
    ]
    if co_purchase is not None:
        parts.append((co_purchase, co_purchase_share))
    parts = [part for part in parts if part[1] > 0]
    return Adjacency.from_graph(mix_graphs(parts)) if parts else None


def cold_item_graph(
    inputs: Mapping[str, ModalityInput], *, shares: Mapping[str, float], temperature: float, num_items: int
) -> Adjacency | None:
    """From their nearest trained neighbours to the items that training does not know, in weights that sum to 1.

    Within a modality the weights are a softmax over likenesses: the nearest neighbour says more than the tenth.

    Args:
        inputs: the modalities.
        shares: relative weights of the modalities.
        temperature: of the softmax.
        num_items: rows of the item vocabulary.

    Returns:
        The adjacency, which has edges to those items alone; None where there is no modality.
    """
    receivers, senders, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for name, modality in inputs.items():
        cold, listed = modality.receiving_only, modality.neighbors
        assert cold is not None
        kept = cold[listed.receivers] & ~cold[listed.senders]
        receivers.append(listed.receivers[kept].astype(np.int64))
        senders.append(listed.senders[kept].astype(np.int64))
        likeness = listed.weights[kept].astype(np.float64) / temperature
        largest = np.full(num_items, -np.inf)
        np.maximum.at(largest, receivers[-1], likeness)
        parts = np.exp(likeness - largest[receivers[-1]])
        weights.append(shares.get(name, 1.0) * parts / np.bincount(receivers[-1], parts, num_items)[receivers[-1]])
    places, position = np.unique(np.concatenate(receivers) * num_items + np.concatenate(senders), return_inverse=True)
    graph = graph_from_edges(
        places // num_items,
        places % num_items,
        np.bincount(position, np.concatenate(weights), minlength=len(places)),
        num_nodes=num_items,
        normalization="row",
    )
    return Adjacency.from_graph(graph) if inputs else None


def mean_of_neighbors(graph: AnyGraph, vectors: Float[Array, "items dim"]) -> Float[Array, "items dim"]:
    """The weighted mean of the neighbours' vectors, stretched to the weighted mean of their lengths.

    A mean of vectors of different directions is shorter than they are, and an item whose vector is short loses every
    comparison: its score would say how much its neighbours differ.

    Args:
        graph: weights that sum to 1 for each row that receives.
        vectors: ``items x dim``.

    Returns:
        ``items x dim``; zero for rows that receive nothing.
    """
    lengths = jnp.sqrt(jnp.sum(jnp.square(vectors), axis=1, keepdims=True) + _TINY)
    received = graph_product(graph, jnp.concatenate([vectors, lengths], axis=1))
    mean, length = received[:, :-1], received[:, -1:]
    return mean * length * jax.lax.rsqrt(jnp.sum(jnp.square(mean), axis=1, keepdims=True) + _TINY)


__all__ = ["cold_item_graph", "mean_of_neighbors", "mixed_item_graph"]
