"""Scattered sums beside large sums, again and again, on one of two processes with two devices each.

``psum_scatter`` as the last argument takes JAX's own in the place of ours.
"""

import json
import sys

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from recgoat_jax.collectives import sum_scattered

LARGE, PARTS, ROUNDS = 1 << 20, 1 << 14, 10


def main(number: str, port: str, form: str = "sum_scattered") -> None:
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(number))
    mesh = Mesh(np.asarray(jax.devices()), ("all",))
    devices = mesh.size
    scatter = {
        "sum_scattered": lambda x: sum_scattered(x, "all"),
        "psum_scatter": lambda x: jax.lax.psum_scatter(x, "all", tiled=True),
    }[form]

    def local(large, parts):
        # Nothing orders those of a round.
        def once(_, carry):
            large, parts = carry
            total = jax.lax.psum(large, "all") / devices
            back = jax.lax.all_gather(scatter(parts), "all", tiled=True) / devices
            return jax.lax.pcast(total, "all", to="varying"), back

        return jax.lax.fori_loop(0, ROUNDS, once, (large, parts))

    @jax.jit
    def both(large, parts):
        spread = PartitionSpec("all")
        return jax.shard_map(local, mesh=mesh, in_specs=spread, out_specs=spread)(large, parts)

    def spread(array):
        return jax.make_array_from_callback(
            array.shape, NamedSharding(mesh, PartitionSpec("all")), lambda index: array[index]
        )

    large = np.ones(devices * LARGE, np.float32)
    parts = np.tile(np.arange(devices * PARTS, dtype=np.float32), devices)
    total, scattered = both(spread(large), spread(parts))
    right = all(bool((np.asarray(s.data) == 1).all()) for s in total.addressable_shards)
    right &= all(bool((np.asarray(s.data) == parts[: devices * PARTS]).all()) for s in scattered.addressable_shards)
    # A branch at run time around an exchange would not be ordered with the exchanges outside of it.
    gradient = jax.grad(lambda large, parts: both(large, parts)[1].sum(), argnums=1)
    branches = jax.jit(gradient).lower(spread(large), spread(parts)).compile().as_text().count(" conditional(")
    print(json.dumps({"devices": devices, "right": right, "branches": branches}), flush=True)
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
