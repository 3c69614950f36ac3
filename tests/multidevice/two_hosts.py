"""One of two processes of one device each, and everything that two hosts may disagree on; prints JSON."""

import json
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

warnings.simplefilter("error")
# As in pyproject.toml: jaxopt, which ott loads, and an annotation of flax.nnx.State.
warnings.filterwarnings("ignore", "JAXopt is no longer maintained", DeprecationWarning)
warnings.filterwarnings("ignore", ".*typing.Hashable deprecated", category=DeprecationWarning)

import numpy as np  # noqa: E402
from etils import epath  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

with install_import_hook("recgoat_jax", "beartype.beartype"):
    from recgoat_jax.data.storage import write_dataset
    from recgoat_jax.encoders.recipes import PreparedData
    from recgoat_jax.errors import DataError, RecgoatError, SavedAndStopped
    from recgoat_jax.graphs.partition import partition_by_weight
    from recgoat_jax.graphs.placement import in_mesh_order, on_mesh
    from recgoat_jax.models import BprMfConfig
    from recgoat_jax.training import Experiment, LoopConfig, hosts, train
    from recgoat_jax.training.cluster import Cluster, HostsConfig
    from recgoat_jax.training.mesh import MeshShape, make_mesh
    from recgoat_jax.training.row_blocks import in_vocabulary_order
    from tests.worlds import blocks


def error_of(action: Callable[[], Any]) -> list[str]:
    """Class and message of the error that an action ends with."""
    try:
        action()
    except RecgoatError as error:
        return [type(error).__name__, str(error)]
    return ["none", ""]


def raising(error: Exception) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def agreement(me: int, folder: Path) -> dict[str, Any]:
    """What the processes tell each other, without training."""
    own = folder / f"seen by {me} alone"
    own.mkdir()
    shared = epath.Path(folder / "shared")
    found: dict[str, Any] = {
        "gathered": hosts.gathered(np.asarray([me, 10])).tolist(),
        "texts": [hosts.from_first(text if me == 0 else "mine") for text in ("ünï", "", None)],
        "on_first": hosts.on_first(lambda: f"done by {me}"),
        "failed": error_of(lambda: hosts.on_first(raising(DataError("rows.csv is bad")))),
        "stopped": error_of(lambda: hosts.on_first(raising(SavedAndStopped("stopped by SIGTERM")))),
        "same": error_of(lambda: hosts.check_agreement({"model": "a", "data": "b"})),
        "model": error_of(lambda: hosts.check_agreement({"model": f"of {me}", "data": "b"})),
        "data": error_of(lambda: hosts.check_agreement({"model": "a", "data": f"of {me}"})),
        "shared": error_of(lambda: hosts.check_shared(shared, option="--checkpoints")),
        "not shared": error_of(lambda: hosts.check_shared(epath.Path(own), option="--checkpoints")),
        "mesh": error_of(lambda: make_mesh(MeshShape(3, 2))),
    }
    found["left behind"] = [path.name for path in (*shared.iterdir(), *own.iterdir())]
    return found


def tables(me: int) -> bool:
    """Whether a table comes to the first process alone, in the order of its vocabulary, in blocks of any size."""
    mesh = make_mesh(MeshShape(1, 2))
    partition = partition_by_weight(np.asarray([5, 1, 1, 1, 1, 1, 9]), 2)
    table = np.arange(14, dtype=np.float32).reshape(7, 2)
    laid = on_mesh(in_mesh_order(table, partition, padding=-1), NamedSharding(mesh, PartitionSpec("rows")))
    right = True
    for block in (1, 4, 6, 100):
        found = in_vocabulary_order(laid, partition, block=block)
        right &= found is None if me else found is not None and bool((found == table).all())
    return right


def trainings(me: int, folder: Path) -> dict[str, list[str]]:
    """What is refused before the first step."""
    data = folder / "data"
    if me == 0:
        write_dataset(blocks(), data)
        write_dataset(blocks(num_blocks=3), folder / "other")
    hosts.barrier()
    experiment = Experiment(
        data=PreparedData(data),
        model=BprMfConfig(dim=8),
        loop=LoopConfig(batch_size=1, max_epochs=1, selection_metric="recall@5", cutoffs=(5,), tensorboard=False),
    )
    mine = PreparedData(folder / "other" if me else data)
    cases = {
        "config": replace(experiment, seed=me),
        "prepared": replace(experiment, data=mine),
        "absent": replace(experiment, data=PreparedData(folder / "nothing")),
        "batch": experiment,
    }
    return {
        name: error_of(lambda case=case, name=name: train(case, workdir=folder / name, quiet=True))
        for name, case in cases.items()
    }


def main(number: str, port: str, folder: str) -> None:
    me = int(number)
    # They meet, and then find that one of them was told to wait for a third.
    cluster = Cluster("flags", f"127.0.0.1:{port}", 2 + me, me)
    found: dict[str, Any] = {"count": error_of(lambda: hosts.join(cluster, HostsConfig(start_timeout=60)))}
    found |= agreement(me, Path(folder)) | {"tables": tables(me)} | trainings(me, Path(folder))
    inputs = [path.name for path in Path(folder).glob("*/checkpoints/inputs/*/*")]
    found["inputs left"] = [name for name in inputs if not re.match("failure", name)]
    print(json.dumps(found), flush=True)
    hosts.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
