"""Compares graph functions over devices with the same on one; prints JSON. Run in a process of its own."""

import doctest
import json
import os
import re
import sys
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is nearly all of the time, and the code runs once: no optimisation.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax.data.feature_table import FeatureTable
    from recgoat_jax.graphs import (
        Adjacency,
        HaloGraph,
        ShardedAdjacency,
        balanced_partition,
        knn_graph,
        lightgcn,
        place_on_mesh,
        propagate,
        shard_map_graph,
        sharded_knn_graph,
        sharded_lightgcn,
        sharded_propagate,
        sharded_weighted_propagate,
    )
    from recgoat_jax.nn import graph_attention, sharded_graph_attention
    from tests.graphs.worlds import awkward_matrix, graph_of

DEVICES, WIDTH, LAYERS, HEADS = 8, 5, 2, 2
AXES = ("data", "model")
NODES = {"directed": 37, "symmetric": 42}


def mesh_of(devices):
    """A mesh; of 8 devices one with two axes, both of them used."""
    chosen = np.array(jax.devices()[:devices])
    return Mesh(chosen.reshape(4, 2) if devices == DEVICES else chosen.reshape(devices, 1), AXES)


def compared(name, function, expected, arguments):
    """A line of the report: errors in value and in the gradient to every argument."""

    def values_and_gradients(function):
        value, pull_back = jax.vjp(function, *arguments)
        cotangent = jnp.asarray(np.random.default_rng(3).normal(size=value.shape), jnp.float32)
        # Of a linear function the way back does not need the value, and forced devices that start the two in different
        # orders wait for each other for ever: one after the other.
        return (value, *pull_back(jnp.where(jnp.all(jnp.isfinite(value)), cotangent, jnp.nan)))

    pairs = zip(jax.jit(lambda: values_and_gradients(function))(), values_and_gradients(expected), strict=True)
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in pairs]
    return {
        **name,
        "smallest": float(min(np.abs(y).max() for _, y in pairs)),
        "error": float(max(np.abs(x - y).max() / np.abs(y).max() for x, y in pairs)),
        # The hub must hide no error elsewhere.
        "row_error": float(max(np.max(np.abs(x - y) / rows_scale(y)) for x, y in pairs)),
    }


def rows_scale(y):
    """The largest entry of each row, and not much less than that of an average row."""
    largest = np.abs(y).max(axis=-1, keepdims=True)
    return np.maximum(largest, 0.1 * largest.mean())


def graph_and_partition(kind, devices):
    """A matrix and the partition of its nodes."""
    adjacency = Adjacency.from_graph(graph_of(awkward_matrix(kind, NODES[kind])))
    return adjacency, balanced_partition(adjacency, devices)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def in_node_order(mapped, graph, partition, **options):
    """A mapped function of arrays in node order; padding rows hold what would be noticed if it were read."""

    def function(x, *others):
        rows = jnp.where(partition.order[:, None] >= 0, partition.to_mesh_order(x), 1e6)
        return partition.to_node_order(mapped(graph, rows, *others, **options))

    return function


def propagation(devices, kind, collective):
    """LightGCN of several layers: the product, its backward pass and what combines them."""
    adjacency, partition = graph_and_partition(kind, devices)
    mesh = mesh_of(devices)
    sharded = ShardedAdjacency.from_adjacency(adjacency, partition, collective=collective)
    sharded = place_on_mesh(sharded, mesh, axis_name=AXES)
    over_devices = shard_map_graph(sharded_lightgcn, mesh, axis_name=AXES)
    return compared(
        {"what": "lightgcn", "devices": devices, "kind": kind, "collective": collective},
        in_node_order(over_devices, sharded, partition, num_layers=LAYERS),
        lambda x: lightgcn(adjacency, x, num_layers=LAYERS),
        (normal(1, NODES[kind], WIDTH),),
    )


def learned_weights(devices, kind):
    """The product, and its gradients to x and to the weights."""
    adjacency, partition = graph_and_partition(kind, devices)
    graph = HaloGraph.from_adjacency(adjacency, partition)
    over_devices = shard_map_graph(sharded_weighted_propagate, mesh_of(devices), axis_name=AXES)
    return compared(
        {"what": "learned weights", "devices": devices, "kind": kind, "collective": "exchange"},
        in_node_order(over_devices, graph, partition),
        lambda x, weights: propagate(adjacency, x, weights),
        (normal(1, NODES[kind], WIDTH), jnp.abs(normal(2, adjacency.num_edges)) + 0.1),
    )


def attention(devices, kind, rate):
    """Graph attention, and its gradients to features and both halves of the attention vector."""
    adjacency, partition = graph_and_partition(kind, devices)
    graph = HaloGraph.from_adjacency(adjacency, partition)
    key = jax.random.key(4)
    mapped = shard_map_graph(sharded_graph_attention, mesh_of(devices), axis_name=AXES)
    return compared(
        {"what": "attention", "devices": devices, "kind": kind, "collective": "exchange"},
        in_node_order(mapped, graph, partition, dropout_rate=rate, key=key),
        lambda *arguments: graph_attention(adjacency, *arguments, dropout_rate=rate, key=key),
        (normal(1, NODES[kind], HEADS * 3), normal(2, HEADS, 3), normal(3, HEADS, 3)),
    )


def neighbors(devices, k, block_rows):
    """The same neighbours in the same order: twins tie, rows are missing, and k may exceed the rows of a device."""
    rng = np.random.default_rng(5)
    values = np.tile(rng.normal(size=(23, 6)), (7, 1)).astype(np.float32)
    present = rng.uniform(size=len(values)) > 0.1
    values[3] = 0.0
    table = FeatureTable(np.where(present[:, None], values, 0), present, "test")
    found = sharded_knn_graph(table, k=k, mesh=mesh_of(devices), axis_name=AXES, block_rows=block_rows)
    expected = knn_graph(table, k=k)
    assert (found.num_nodes, found.origin) == (expected.num_nodes, expected.origin)
    np.testing.assert_array_equal(found.receivers, expected.receivers)
    np.testing.assert_array_equal(found.senders, expected.senders)
    error = float(np.abs(found.weights - expected.weights).max())
    return {
        "what": "neighbors",
        "devices": devices,
        "kind": f"k={k}",
        "collective": "ring",
        "smallest": 1.0,
        "error": error,
        "row_error": error,
    }


def memory():
    """No array of rows by rows: similarities of ``block_rows`` rows to one block."""
    shapes = []
    original = jax.lax.top_k
    table = FeatureTable(np.asarray(normal(6, 300, 3)), np.ones(300, bool), "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.lax, "top_k", lambda x, k: (shapes.append(x.shape), original(x, k))[1])
        sharded_knn_graph(table, k=2, mesh=mesh_of(2), axis_name=AXES, block_rows=1)
    assert set(shapes) == {(64, 192)}


def lowering_for_accelerators():
    """The gradient adds rows up in sorted order only, and moves them by the collective that was asked for."""
    adjacency, partition = graph_and_partition("directed", 4)
    mesh, x = mesh_of(4), jnp.ones((40, 6))
    vectors = (jnp.ones((HEADS, 3)), jnp.ones((HEADS, 3)))
    halo = HaloGraph.from_adjacency(adjacency, partition)
    for collective, graph, function, others in (
        ("collective_permute", "ring", sharded_propagate, ()),
        ("all_to_all", "exchange", sharded_propagate, ()),
        ("all_to_all", halo, sharded_graph_attention, vectors),
    ):
        if isinstance(graph, str):
            graph = ShardedAdjacency.from_adjacency(adjacency, partition, collective=graph)
        mapped = shard_map_graph(function, mesh, axis_name=AXES)
        step = jax.jit(
            jax.grad(lambda x, mapped=mapped, graph=graph, others=others: jnp.sum(mapped(graph, x, *others)))
        )
        text = step.trace(x).lower(lowering_platforms=("tpu",)).as_text()
        found = re.findall(r'"stablehlo\.scatter"\(.*?indices_are_sorted = (true|false)', text)
        assert set(found) == {"true"}
        moved = {name for name in ("collective_permute", "all_to_all", "all_gather") if f"stablehlo.{name}" in text}
        assert moved == {collective}


def refusals():
    """What a mapped function does not take, and that the example in its documentation runs."""
    adjacency = Adjacency.from_graph(graph_of(awkward_matrix("symmetric", 10)))
    sharded = ShardedAdjacency.from_adjacency(adjacency, balanced_partition(adjacency, 4))
    examples = doctest.testmod(sys.modules[shard_map_graph.__module__])
    assert examples.attempted > 0
    assert examples.failed == 0
    with pytest.raises(ValueError, match="no axis 'nodes'"):
        shard_map_graph(sharded_lightgcn, mesh_of(8), axis_name="nodes")
    with pytest.raises(ValueError, match="4 shards for 8 devices"):
        shard_map_graph(sharded_lightgcn, mesh_of(8), axis_name=AXES)(sharded, jnp.ones((12, 2)))
    with pytest.raises(ValueError, match="x has 10 rows; expected 12, in mesh order"):
        shard_map_graph(sharded_lightgcn, mesh_of(4))(sharded, jnp.ones((10, 2)))


def main():
    if jax.device_count() != DEVICES:
        sys.exit(f"{DEVICES} devices are needed, there are {jax.device_count()}")
    refusals()
    memory()
    lowering_for_accelerators()
    report = [
        propagation(devices, kind, collective)
        for devices in (1, 2, 4, 8)
        for kind in NODES
        for collective in ("ring", "exchange")
    ]
    report += [learned_weights(1, "directed"), learned_weights(8, "directed"), learned_weights(4, "symmetric")]
    report += [attention(1, "symmetric", 0.0), attention(2, "directed", 0.3), attention(8, "symmetric", 0.0)]
    report += [neighbors(1, 4, 64), neighbors(2, 5, 1000), neighbors(8, 130, 64)]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
