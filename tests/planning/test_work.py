"""Work of a program, counted by hand."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from recgoat_jax.planning.work import Work, largest_arrays, work_of


def work(function: Any, *shapes: tuple[int, ...]) -> Work:
    return work_of(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).jaxpr)


def test_a_product() -> None:
    moved = 4 * (3 * 5 + 5 * 7 + 3 * 7)
    assert work(jnp.matmul, (3, 5), (5, 7)) == Work(2 * 3 * 5 * 7, 2 * 3 * 5 * 7, moved)


def test_full_precision_passes_the_units_six_times() -> None:
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    found = work(product, (3, 5), (5, 7))
    assert (found.flops, found.bf16_flops) == (210, 6 * 210)


def test_loops_count_as_often_as_they_run_and_branches_as_the_heavier() -> None:
    def looped(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 11, lambda _, x: x @ x, x)

    def branched(x: jax.Array) -> jax.Array:
        return jax.lax.cond(x[0, 0] > 0, lambda x: x @ x @ x, lambda x: x + 1, x)

    assert work(jax.jit(looped), (4, 4)) == work(jnp.matmul, (4, 4), (4, 4)).times(11.0)
    assert work(branched, (4, 4)).flops == 2 * 2 * 4**3


def test_of_a_gather_the_rows_count_and_not_the_table() -> None:
    def rows(x: jax.Array) -> jax.Array:
        return x.at[np.arange(6)].get(mode="promise_in_bounds")

    small, large = work(rows, (10, 8)), work(rows, (10_000, 8))
    assert small == large
    # Read and written, and the numbers read.
    assert small.bytes == 2 * 6 * 8 * 4 + 6 * 4


def test_what_is_fused_is_free() -> None:
    assert work(lambda x: jnp.tanh(x) * 2 + 1, (1000, 1000)) == Work(0, 0, 0)


def test_the_largest_arrays_are_those_of_one_device_and_say_where_they_are_made() -> None:
    mesh = Mesh(np.array(jax.devices()[:1]), ("rows",))

    def local(x: jax.Array) -> jax.Array:
        with jax.named_scope("wide part"):
            y = jnp.concatenate([x] * 50, axis=1)
        return jnp.sum(y, axis=1)

    def step(x: jax.Array) -> jax.Array:
        whole = jnp.tile(x, (1, 1000))  # not of one device
        spec = PartitionSpec("rows")
        return jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=spec)(whole[:, :2])

    found = largest_arrays(jax.make_jaxpr(step)(jnp.ones((30, 2))).jaxpr, number=1)
    assert found == [("float32 30 x 100, wide part", 30 * 100 * 4)]
