"""Propagation and graph attention, forward and backward, against the same sums written with plain segment operations.

    python experiments/benchmarks/propagation.py [--data DIR] [--dim 64] [--repeats 9]

A synthetic long-tailed graph of the size of Amazon Baby by default, the real one with ``--data`` (the folder of the
shared research data). Each figure is one training step inside a jitted scan; forms are interleaved and the medians and
minima of all repeats printed. The ratio is against the form above it that is called 1.00. Under a minute on 2 cores.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from recgoat_jax.data import Interactions, NeighborList
from recgoat_jax.graphs import Adjacency, bipartite_graph, lightgcn, neighbor_graph
from recgoat_jax.graphs.propagate import segment_sum_product
from recgoat_jax.nn import graph_attention

USERS, ITEMS, PAIRS, NEIGHBORS, LAYERS = 19_445, 7_050, 118_551, 10, 3
STEPS = 4

Step = Callable[[tuple[Float[Array, "..."], ...]], tuple[Float[Array, "..."], ...]]


def synthetic_pairs() -> Interactions:
    """Pairs of users and items with long tails on both sides."""
    rng = np.random.default_rng(0)
    users = (USERS * rng.uniform(size=2 * PAIRS) ** 1.5).astype(np.int64)
    items = (ITEMS * rng.uniform(size=2 * PAIRS) ** 2.5).astype(np.int64)
    places = rng.permutation(np.unique(users * ITEMS + items))[:PAIRS]
    places.sort()
    return Interactions((places // ITEMS).astype(np.int32), (places % ITEMS).astype(np.int32))


def synthetic_neighbors() -> NeighborList:
    """Ten neighbours an item, some items in hundreds of lists."""
    rng = np.random.default_rng(1)
    receivers = np.repeat(np.arange(ITEMS, dtype=np.int32), NEIGHBORS)
    senders = (ITEMS * rng.uniform(size=len(receivers)) ** 1.5).astype(np.int32)
    return NeighborList(receivers, senders, np.ones(len(receivers), np.float32), ITEMS, "synthetic")


def real_pairs(folder: Path) -> Interactions:
    """Training pairs of Baby."""
    lines = [np.array(line.split(), np.int32) for line in (folder / "train.txt").read_text().splitlines()]
    pairs = np.array(sorted((int(line[0]), int(item)) for line in lines for item in line[1:]), np.int32)
    return Interactions(pairs[:, 0], pairs[:, 1])


def real_neighbors(folder: Path) -> NeighborList:
    """The published image neighbour lists of Baby."""
    with np.load(folder / "image_adj_10.npz") as stored:
        ends = stored["row"].astype(np.int32), stored["col"].astype(np.int32)
        return NeighborList(*ends, stored["val"].astype(np.float32), ITEMS, "image")


def descend(loss: Callable[..., Float[Array, ""]]) -> Step:
    """``STEPS`` steps of gradient descent in one program, so that buffers are made once, as in an epoch."""

    def body(arguments, _):
        gradients = jax.grad(lambda arguments: loss(*arguments))(arguments)
        return jax.tree.map(lambda x, g: x - 1e-3 * g, arguments, gradients), None

    return jax.jit(lambda arguments: jax.lax.scan(body, arguments, None, length=STEPS)[0])


def plain_lightgcn(adjacency: Adjacency, x: Float[Array, "nodes dim"]) -> Float[Array, "nodes dim"]:
    """LightGCN by a sorted segment sum and automatic differentiation."""
    total = x
    for _ in range(LAYERS):
        x = segment_sum_product(adjacency.rows, adjacency.weights[:, None], x)
        total = total + x
    return total / (LAYERS + 1)


def plain_attention(
    adjacency: Adjacency,
    features: Float[Array, "nodes dim"],
    source_vector: Float[Array, "heads head_dim"],
    target_vector: Float[Array, "heads head_dim"],
) -> Float[Array, "nodes dim"]:
    """Graph attention by segment operations and automatic differentiation."""
    senders, receivers, nodes = adjacency.senders, adjacency.receivers, adjacency.num_nodes
    heads, head_dim = source_vector.shape
    blocks = features.reshape(nodes, heads, head_dim)
    source = jnp.einsum("nhd,hd->nh", blocks, source_vector)
    target = jnp.einsum("nhd,hd->nh", blocks, target_vector)
    logits = jax.nn.leaky_relu(source[senders] + target[receivers], 0.2)
    largest = jax.lax.stop_gradient(jax.ops.segment_max(logits, receivers, nodes, indices_are_sorted=True))
    exponentials = jnp.exp(logits - largest[receivers])
    sums = jax.ops.segment_sum(exponentials, receivers, nodes, indices_are_sorted=True)
    messages = (exponentials / sums[receivers])[:, :, None] * blocks[senders]
    return jax.ops.segment_sum(messages.reshape(-1, heads * head_dim), receivers, nodes, indices_are_sorted=True)


def cases(pairs: Interactions, neighbors: NeighborList, dim: int) -> dict[str, dict[str, tuple[Step, tuple]]]:
    """Groups of forms of the same computation; the first of a group is the library's and counts as 1.00."""
    graph = Adjacency.from_graph(bipartite_graph(pairs, USERS, ITEMS))
    items = Adjacency.from_graph(neighbor_graph(neighbors, normalization="none", self_loops=True))
    keys = jax.random.split(jax.random.key(0), 5)
    nodes = 0.1 * jax.random.normal(keys[0], (graph.num_nodes, dim))
    weights = jnp.array(graph.weights)
    groups: dict[str, dict[str, tuple[Step, tuple]]] = {
        f"LightGCN, {LAYERS} layers, {graph.num_edges} edges": {
            "lightgcn": (descend(lambda x: jnp.sum(lightgcn(graph, x, num_layers=LAYERS) ** 2)), (nodes,)),
            "learned edge weights": (
                descend(lambda x, w: jnp.sum(lightgcn(graph, x, num_layers=LAYERS, weights=w) ** 2)),
                (nodes, weights),
            ),
            "segment sum, autodiff": (descend(lambda x: jnp.sum(plain_lightgcn(graph, x) ** 2)), (nodes,)),
        }
    }
    features, key = jax.random.normal(keys[1], (ITEMS, dim)), keys[4]
    for heads in (1, 2, 4, 8):
        vectors = tuple(0.3 * jax.random.normal(one, (heads, dim // heads)) for one in keys[2:4])
        groups[f"graph attention, {heads} heads, {items.num_edges} edges"] = {
            "graph_attention": (descend(lambda *a: jnp.sum(graph_attention(items, *a) ** 2)), (features, *vectors)),
            "with attention dropout": (
                descend(lambda *a: jnp.sum(graph_attention(items, *a, dropout_rate=0.1, key=key) ** 2)),
                (features, *vectors),
            ),
            "segment operations, autodiff": (
                descend(lambda *a: jnp.sum(plain_attention(items, *a) ** 2)),
                (features, *vectors),
            ),
        }
    return groups


def milliseconds(forms: dict[str, tuple[Step, tuple]], repeats: int) -> dict[str, list[float]]:
    """Times of one step of each form, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for step, arguments in forms.values():
        jax.block_until_ready(step(arguments))
    for _ in range(repeats):
        for name, (step, arguments) in forms.items():
            started = time.perf_counter()
            jax.block_until_ready(step(arguments))
            times[name].append(1e3 * (time.perf_counter() - started) / STEPS)
    return times


def main() -> None:
    """Prints the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of the shared research data; default: synthetic"
    )
    parser.add_argument("--dim", type=int, default=64, help="width of the representations")
    parser.add_argument("--repeats", type=int, default=9, help="timed repeats of each form")
    options = parser.parse_args()
    if options.data is None:
        pairs, neighbors = synthetic_pairs(), synthetic_neighbors()
    else:
        pairs, neighbors = real_pairs(options.data / "amazon-baby"), real_neighbors(options.data / "amazon-baby")
    print(f"{jax.default_backend()}, dim {options.dim}: ms a step, forward and backward")
    print(f"{'':46}{'median':>9}{'minimum':>9}{'ratio':>7}")
    results: dict[str, dict[str, float]] = {}
    for title, forms in cases(pairs, neighbors, options.dim).items():
        print(title)
        times = milliseconds(forms, options.repeats)
        reference = statistics.median(next(iter(times.values())))
        results[title] = {name: statistics.median(values) for name, values in times.items()}
        for name, values in times.items():
            median = statistics.median(values)
            print(f"  {name:44}{median:9.1f}{min(values):9.1f}{median / reference:7.2f}")
    print(json.dumps({"benchmark": "propagation", "dim": options.dim, "milliseconds": results}))


if __name__ == "__main__":
    main()
