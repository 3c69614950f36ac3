"""Compares ranks over the devices of a mesh with those of one device and with references; prints JSON.

Run in a process of its own.
"""

import json
import os
import re
import sys
import warnings
from functools import cache

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is nearly all of the time, and the code runs once: no optimisation.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
warnings.simplefilter("error")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from jax.sharding import Mesh  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax.errors import RunStoppedError, UsageError
    from recgoat_jax.evaluation import Evaluator, prepare_ranking, ranks, ranks_from_scores
    from recgoat_jax.evaluation import scores as scores_module
    from recgoat_jax.graphs import NodePartition, Placement, partition_by_weight
    from recgoat_jax.graphs.placement import in_mesh_order
    from tests.evaluation.worlds import integer_vectors, reference_ranks
    from tests.runs import random_dataset

DEVICES, USERS, ITEMS, WIDTH, BLOCK = 8, 61, 150, 24, 7
MESHES = ((1, 1), (2, 1), (8, 1), (1, 8), (4, 2), (2, 4))
"""Groups along "data", shards along "rows"."""
# Three tiles on one device, one or two on each of several.
scores_module._LARGEST_TILE = 64
DATASET = random_dataset(num_users=USERS, num_items=ITEMS)


@cache
def placement_of(groups, shards):
    """Users by weight, items at random; of more than two shards, the last holds no item at all."""
    mesh = Mesh(np.array(jax.devices()[: groups * shards]).reshape(groups, shards), ("data", "rows"))
    items = np.random.default_rng(2).integers(0, shards - (shards > 2), ITEMS)
    return Placement(mesh, partition_by_weight(DATASET.user_counts, shards), NodePartition.from_shards(items, shards))


def on_mesh(vectors, placement):
    """Vectors in mesh order; padding rows hold what would be noticed if it were read."""
    sides = zip(vectors, (placement.users, placement.items), strict=True)
    return tuple(placement.put(in_mesh_order(side, partition, np.nan)) for side, partition in sides)


def float_vectors():
    """Vectors whose products are rounded; every fifth item has a twin far away, so that scores also tie."""
    rng = np.random.default_rng(3)
    users, items = rng.normal(size=(USERS, WIDTH)), rng.normal(size=(ITEMS, WIDTH))
    items[-30:] = items[: ITEMS - 30 : 4]
    return users.astype(np.float32), items.astype(np.float32)


def small_integers():
    """Products that are exact and full of ties, most of them with padding's, which is 0."""
    return tuple(np.pad(side, ((0, 0), (0, WIDTH - side.shape[1]))) for side in integer_vectors(DATASET, seed=1))


def evaluator(exclude, placement=None):
    return Evaluator(DATASET, "test", exclude=exclude, cutoffs=(5,), block_size=BLOCK, placement=placement)


def clear_cases(vectors, targets, excluded):
    """True where no other candidate scores nearly as high as the target, unless as high exactly."""
    scores = vectors[0].astype(np.float64) @ vectors[1].astype(np.float64).T
    for pairs in excluded:
        scores[pairs.users, pairs.items] = -np.inf
    gap = np.abs(scores[targets.users] - scores[targets.users, targets.items][:, None])
    gap[gap == 0] = np.inf
    return gap.min(axis=1) > 1e-5


def compared(groups, shards):
    """Lines of the report, one for each kind of vectors."""
    placement = placement_of(groups, shards)
    exclude = ("train", "valid") if min(groups, shards) > 1 else ("train",)
    excluded = [DATASET.split(name) for name in exclude]
    one_device, over_devices = evaluator(exclude), evaluator(exclude, placement)
    for kind, vectors in (("float", float_vectors()), ("integer", small_integers())):
        found, expected = over_devices(on_mesh(vectors, placement)), one_device(vectors)
        assert found.means == expected.means
        targets = one_device.plan.targets
        scores = vectors[0].astype(np.float64) @ vectors[1].astype(np.float64).T
        clear = clear_cases(vectors, targets, excluded)
        reference = reference_ranks(scores, targets, excluded)
        yield {
            "mesh": [groups, shards],
            "kind": kind,
            "targets": len(targets),
            "clear": int(clear.sum()),
            "unlike_one_device": int((found.ranks != expected.ranks).sum()),
            "unlike_reference": int((found.ranks != reference)[clear].sum()),
        }


def refusals():
    """What is refused on one device is refused over a mesh, with the same words where they can be the same."""
    placement, vectors = placement_of(4, 2), float_vectors()
    one_device, over_devices = evaluator(("train", "valid")).plan, evaluator(("train", "valid"), placement).plan
    # A bad row may be on any shard, of users or of items; two long rows are bad together only.
    first = [side.order[:: side.rows_per_shard] for side in (placement.users, placement.items)]
    cases = [({side: row}, bad) for bad in (np.nan, np.inf) for side in (0, 1) for row in first[side]]
    cases += [({0: user, 1: item}, 1e30) for user in first[0] for item in first[1]]
    for rows, bad in cases:
        spoilt = tuple(side.copy() for side in vectors)
        for side, row in rows.items():
            spoilt[side][row, 1] = bad
        with pytest.raises(RunStoppedError, match="not finite") as expected:
            ranks(one_device, spoilt)
        with pytest.raises(RunStoppedError, match=re.escape(str(expected.value))):
            ranks(over_devices, on_mesh(spoilt, placement))
    with pytest.raises(UsageError, match=f"expected {len(placement.users.order)} user rows.*mesh order"):
        ranks(over_devices, vectors)
    with pytest.raises(UsageError, match=f"{len(placement.items.order)} item rows"):
        ranks(over_devices, (on_mesh(vectors, placement)[0], vectors[1]))
    with pytest.raises(UsageError, match="plan with a placement"):
        ranks_from_scores(over_devices, lambda rows: np.zeros((len(rows), ITEMS), np.float32))
    with pytest.raises(UsageError, match=f"a placement of {USERS} users and {ITEMS} items; expected {USERS + 1}"):
        prepare_ranking(DATASET.test, num_users=USERS + 1, num_items=ITEMS, placement=placement)


def lists_over_devices():
    """Coverage, Gini and novelty come from the same lists."""
    placement, vectors = placement_of(1, 8), float_vectors()
    over_devices = evaluator(("train",), placement)(on_mesh(vectors, placement), with_beyond_accuracy=True)
    assert over_devices.beyond == evaluator(("train",))(vectors, with_beyond_accuracy=True).beyond


def compiled_from_shapes():
    """No data is needed to compile; what devices send each other is small, and no table is gathered."""
    placement, vectors = placement_of(2, 4), float_vectors()
    plan = evaluator(("train", "valid"), placement).plan
    lowered = plan.function.trace(*plan.shapes(WIDTH)).lower(lowering_platforms=("tpu",)).as_text()
    assert "all_reduce" in lowered
    assert "all_gather" not in lowered
    compiled = plan.function.lower(*plan.shapes(WIDTH)).compile()
    found = compiled(plan.blocks, *on_mesh(vectors, placement))
    np.testing.assert_array_equal(found.ranks, ranks(plan, on_mesh(vectors, placement)))
    text = compiled.as_text()
    assert not re.search("all-gather|all-to-all|collective-permute", text)
    sent = [
        int(np.prod([int(n) for n in s.split(",") if n])) for s in re.findall(r"\w+\[([\d,]*)\]\S* all-reduce", text)
    ]
    assert sorted(set(sent)) == sorted({1, BLOCK, BLOCK * WIDTH, len(plan.targets)})
    alone = evaluator(("train",)).plan
    compiled = alone.function.lower(*alone.shapes(WIDTH)).compile()
    arguments = (alone.blocks, *map(jax.numpy.asarray, vectors))
    np.testing.assert_array_equal(compiled(*arguments).ranks, ranks(alone, vectors))


def main():
    if jax.device_count() != DEVICES:
        sys.exit(f"{DEVICES} devices are needed, there are {jax.device_count()}")
    report = [line for mesh in MESHES for line in compared(*mesh)]
    refusals()
    lists_over_devices()
    compiled_from_shapes()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
