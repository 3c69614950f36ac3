"""One of two processes with two devices each, of which the second comes late to an exchange; prints JSON."""

import json
import sys
import time

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from recgoat_jax.training import hosts
from recgoat_jax.training.cluster import Cluster, HostsConfig
from recgoat_jax.training.mesh import MeshShape, make_mesh

LATE = 40
"""Seconds; the runtime waits 30 s for a group of devices that has not met before."""


def main(number: str, port: str) -> None:
    me = int(number)
    hosts.join(Cluster("flags", f"127.0.0.1:{port}", 2, me), HostsConfig())
    mesh = make_mesh(MeshShape(2, 2))
    hosts.connect(mesh)
    if me == 1:
        time.sleep(LATE)
    found = {}
    every = PartitionSpec(("data", "rows"))
    values = jax.make_array_from_callback((4,), NamedSharding(mesh, every), lambda index: np.arange(4.0)[index])
    for group, others in ((("data",), ("rows",)), (("rows",), ("data",)), (("data", "rows"), None)):
        summed = jax.shard_map(
            lambda x, group=group: jax.lax.psum(x, group), mesh=mesh, in_specs=every, out_specs=PartitionSpec(others)
        )
        total = jax.jit(summed)(values)
        found["+".join(group)] = [shard.data.tolist() for shard in total.addressable_shards]
    print(json.dumps(found), flush=True)
    hosts.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
