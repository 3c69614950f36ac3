"""Trains each model over meshes and on one device; prints JSON. Run in a process of its own."""

import json
import os
import warnings
from dataclasses import replace

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is nearly all of the time, and the code runs once: no optimisation.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")
# As in pyproject.toml: jaxopt, which ott loads, and an annotation of flax.nnx.State.
warnings.filterwarnings("ignore", "JAXopt is no longer maintained", DeprecationWarning)
warnings.filterwarnings("ignore", ".*typing.Hashable deprecated", category=DeprecationWarning)

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from flax import nnx  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax.errors import UsageError
    from recgoat_jax.models import (
        BprMfConfig,
        LightGcnConfig,
        MostPopularConfig,
        RecGoatConfig,
        build_model,
        released,
    )
    from recgoat_jax.training.batches import TrainingPairs, epoch_order, make_batch
    from recgoat_jax.training.keys import Tag, tagged_key
    from recgoat_jax.training.mesh import MeshShape, make_mesh, place_vocabularies
    from recgoat_jax.training.optimizer import OptimizerConfig, make_optimizer
    from recgoat_jax.training.spread_batches import SpreadPairs
    from recgoat_jax.training.step import Program
    from tests.worlds import blocks

WORLD = blocks(num_blocks=3, users_per_block=7, items_per_block=9, cold=(4, 11))
"""21 users, 27 items: no mesh divides both. Two items are in no training pair."""
BATCH = 19
"""No mesh divides it, and the last batch of an epoch is padded."""
OPTIMIZER = make_optimizer(OptimizerConfig(learning_rate=0.01, weight_decay=0.01, gradient_clip=0.5), steps_per_epoch=4)
SMALL = RecGoatConfig(dim=8, num_layers=1, heads=2, neighbors=3, initialization="normal", sinkhorn_iterations=10)
CASES = {
    "bpr": (BprMfConfig(dim=8, regularization_weight=1e-3, initialization="normal"), ((4, 2),)),
    "lightgcn": (LightGcnConfig(dim=8, num_layers=2, initialization="normal"), ((1, 1), (1, 8), (2, 4))),
    # Every random use, learned edge weights, and contrasts over some examples of a batch.
    "recgoat": (
        replace(SMALL, rating="learned", attention_dropout=0.1, contrast_examples=11, user_item_contrast_weight=0.1),
        ((4, 2), (1, 2)),
    ),
}
"""Models that are trained, and the meshes."""
VARIANTS = {
    "released": (replace(released(dim=8, neighbors=3, contrast_weight=0.1), heads=2, sinkhorn_iterations=10), (1, 3)),
    "softmax": (LightGcnConfig(dim=8, num_layers=1, ranking="softmax"), (2, 2)),
    "naive fusion": (replace(SMALL, fusion="concat", user_branch="neighbors", user_join="gate"), (2, 2)),
}
"""Models whose gradients are compared: the bias of the naive fusion has none, and Adam would train on its rounding."""


def order_of_an_epoch():
    return epoch_order(jax.random.key(5), num_pairs=len(WORLD.train), batch_size=BATCH)


def trained_on_one_device(config):
    program = Program(build_model(config, WORLD, rngs=nnx.Rngs(0)), OPTIMIZER)
    pairs = TrainingPairs.from_dataset(WORLD, batch_size=BATCH)
    state = program.initial_state(jax.random.key(1))
    state, record = program.run_steps(state, program.constants, pairs, order_of_an_epoch())
    return record, program.outputs(state.params, program.constants)


def placement_of(shape):
    shape = MeshShape(*shape)
    return place_vocabularies(WORLD, make_mesh(shape, jax.devices()[: shape.devices]))


def trained_on_a_mesh(config, placement):
    program = Program(build_model(config, WORLD, rngs=nnx.Rngs(0)), OPTIMIZER, placement=placement)
    pairs = SpreadPairs.from_dataset(WORLD, placement, batch_size=BATCH)
    state = program.initial_state(jax.random.key(1))
    state, record = program.run_steps(state, program.constants, pairs, order_of_an_epoch())
    for tree in (state, program.constants):
        nothing_large_is_whole(tree, placement)
    return record, program.outputs(state.params, program.constants)


def nothing_large_is_whole(tree, placement):
    """No device holds an array with a row for every user or item, or a value for every edge."""
    shards = placement.mesh.shape["rows"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path)
        if "kernel" not in name and max(leaf.shape, default=0) >= min(WORLD.num_users, WORLD.num_items):
            part = leaf.addressable_shards[0].data.shape
            assert part[0] * shards == leaf.shape[0], (name, leaf.shape, part)


def largest(x, y):
    return float(np.max(np.abs(np.asarray(x) - np.asarray(y)), initial=0.0))


def compared(name, config, shape, expected):
    placement = placement_of(shape)
    record, (vectors, diagnostics) = trained_on_a_mesh(config, placement)
    expected_record, (expected_vectors, expected_diagnostics) = expected
    assert set(record.terms) == set(expected_record.terms)
    assert set(diagnostics) == set(expected_diagnostics)
    in_order = [
        np.asarray(side)[partition.place]
        for side, partition in zip(vectors, (placement.users, placement.items), strict=True)
    ]
    return {
        "model": name,
        "mesh": list(shape),
        "loss": largest(record.loss, expected_record.loss),
        "terms": max(largest(record.terms[term], expected_record.terms[term]) for term in record.terms),
        "gradient_norm": largest(record.gradient_norm, expected_record.gradient_norm)
        / float(np.max(expected_record.gradient_norm)),
        "vectors": max(largest(x, y) for x, y in zip(in_order, expected_vectors, strict=True)),
        "moved": float(np.abs(np.asarray(expected_record.gradient_norm)).min()),
        "diagnostics": max((largest(diagnostics[n], expected_diagnostics[n]) for n in diagnostics), default=0.0),
    }


def gradients(config, placement):
    """Loss and gradient of the first batch; tables in the order of the vocabularies."""
    program = Program(build_model(config, WORLD, rngs=nnx.Rngs(0)), OPTIMIZER, placement=placement)
    key, chosen = jax.random.key(3), order_of_an_epoch()[0]
    pairs = (
        TrainingPairs.from_dataset(WORLD, batch_size=BATCH)
        if placement is None
        else SpreadPairs.from_dataset(WORLD, placement, batch_size=BATCH)
    )

    def total(params):
        return program._loss(params, program.constants, program._batch(pairs, chosen, key), key).total

    value, found = jax.jit(jax.value_and_grad(total))(program.initial)
    leaves = {jax.tree_util.keystr(path): np.asarray(x) for path, x in jax.tree_util.tree_leaves_with_path(found)}
    if placement is not None:
        for name, partition in (("user_table", placement.users), ("item_table", placement.items)):
            leaves[f"['{name}'].value"] = leaves[f"['{name}'].value"][partition.place]
    return float(value), leaves


def compared_gradients(name, config, shape):
    (value, found), (expected_value, expected) = (gradients(config, at) for at in (placement_of(shape), None))
    assert set(found) == set(expected)
    return {
        "model": name,
        "mesh": list(shape),
        "loss": abs(value - expected_value),
        "moved": max(float(np.abs(x).max()) for x in expected.values()),
        "gradient": max(largest(found[name], expected[name]) for name in expected),
    }


def triples_are_those_of_one_device(shape, batch_size):
    """Exactly: every example once, on the device that its number says, padding masked, with the same negative."""
    placement = placement_of(shape)
    program = Program(build_model(CASES["bpr"][0], WORLD, rngs=nnx.Rngs(0)), OPTIMIZER, placement=placement)
    order = epoch_order(jax.random.key(7), num_pairs=len(WORLD.train), batch_size=batch_size)
    pairs = TrainingPairs.from_dataset(WORLD, batch_size=batch_size)
    spread = SpreadPairs.from_dataset(WORLD, placement, batch_size=batch_size)
    assert spread.steps == pairs.steps == len(order)
    devices = placement.mesh.size
    for step, chosen in enumerate(order):
        key = tagged_key(jax.random.key(1), Tag.NEGATIVES, step)
        expected = make_batch(pairs, chosen, key=key)
        found = jax.tree.map(np.asarray, jax.jit(program._batch)(spread, chosen, key))
        example = np.arange(len(found.mask)).reshape(devices, -1).T.reshape(-1)  # place of example e in the array
        mask = found.mask[example]
        np.testing.assert_array_equal(mask[:batch_size], expected.mask)
        assert not mask[batch_size:].any()
        for name, order_of_rows in (
            ("users", placement.users.order),
            ("positives", placement.items.order),
            ("negatives", placement.items.order),
        ):
            rows = order_of_rows[getattr(found, name)[example]][mask]
            np.testing.assert_array_equal(rows, np.asarray(getattr(expected, name))[np.asarray(expected.mask)])


def main():
    report = []
    for name, (config, shapes) in CASES.items():
        expected = trained_on_one_device(config)
        report += [compared(name, config, shape, expected) for shape in shapes]
    report += [compared_gradients(name, config, shape) for name, (config, shape) in VARIANTS.items()]
    for shape, batch_size in (((1, 1), 19), ((4, 2), 19), ((1, 8), 8), ((8, 1), 200)):
        triples_are_those_of_one_device(shape, batch_size)
    with pytest.raises(UsageError, match=r"batch_size is 7 for a mesh of 8 devices.*--loop.batch-size 8 or more"):
        SpreadPairs.from_dataset(WORLD, placement_of((8, 1)), batch_size=7)
    with pytest.raises(UsageError, match=r"6 devices are asked for, there are 8; .* data=8,rows=1 \| data=4,"):
        make_mesh(MeshShape(3, 2))
    popular = Program(
        build_model(MostPopularConfig(), WORLD, rngs=nnx.Rngs(0)), OPTIMIZER, placement=placement_of((2, 4))
    )
    vectors, _ = popular.outputs(popular.initial_state(jax.random.key(0)).params, popular.constants)
    counts = np.asarray(vectors.items)[placement_of((2, 4)).items.place, 0]
    np.testing.assert_array_equal(counts, WORLD.item_counts)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
