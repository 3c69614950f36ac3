"""A plan: the training step of an experiment, compiled for a slice that need not exist, and what follows from it.

Facts are what the compiler reports: memory, collectives, its own count of operations. Estimates are what a table of
chips makes of them: seconds and dollars. The two are kept apart in every output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from recgoat_jax.arrays import ROWS_AXIS
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.counting import ranking_function
from recgoat_jax.graphs.products import graph_product
from recgoat_jax.graphs.sharded_adjacency import ShardedAdjacency
from recgoat_jax.planning.abstract import Abstract, abstract_program
from recgoat_jax.planning.chips import Topology
from recgoat_jax.planning.compiled import Compiled, compile_for
from recgoat_jax.planning.estimate import Estimate, estimated
from recgoat_jax.planning.sizes import Planned
from recgoat_jax.planning.work import largest_arrays, work_of
from recgoat_jax.training.environment import installed_version
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.mesh import MeshShape, make_mesh, path_names

_OPTIMIZER_PASSES = 7
"""Adam reads parameter, gradient and both moments, and writes all but the gradient."""


class Refused(NamedTuple):
    """The compiler's answer for a program that does not fit.

    Attributes:
        said: its words.
        advice: what would make it fit, the first being the most likely.
    """

    said: str
    advice: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A plan for one slice.

    Attributes:
        experiment: name of the experiment.
        model: class of its model.
        dim: width of the vectors, where the model has one.
        topology: the slice.
        chips: its chips.
        mesh: shape of the device mesh.
        sizes: users, items, pairs, batch, and where they come from.
        capacity: bytes of a chip that a program may use; None: unknown.
        step: the training step; None where it does not fit.
        others: further programs by name: one product with the graph, the ranking of one block of users.
        refused: why the step does not fit; None where it does.
        largest_arguments: the largest arrays that go in: name, bytes of one chip.
        largest_temporaries: the largest arrays of the program before compilation: what, bytes of one chip.
        estimate: seconds and dollars; None where it does not fit or the chip is unknown.
        versions: of JAX and the compiler.
    """

    experiment: str
    model: str
    dim: int | None
    topology: str
    chips: int
    mesh: str
    sizes: Mapping[str, Any]
    capacity: float | None
    step: Compiled | None
    others: Mapping[str, Compiled]
    refused: Refused | None
    largest_arguments: tuple[tuple[str, int], ...]
    largest_temporaries: tuple[tuple[str, int], ...]
    estimate: Estimate | None
    versions: Mapping[str, str | None]

    @property
    def fits(self) -> bool:
        """Whether the training step fits into the memory of a chip; what does not, the TPU compiler refuses."""
        return self.refused is None

    def to_json(self) -> dict[str, Any]:
        """Everything, as values that JSON can hold: facts under ``compiled``, the rest under ``estimated``."""
        found = asdict(self)
        estimate = found.pop("estimate")
        step, others = found.pop("step"), found.pop("others")
        compiled = {"step": step, **others}
        for name, one in (("step", self.step), *self.others.items()):
            if one is not None:
                compiled[name]["peak"] = one.peak
                compiled[name]["collectives"] = [found._asdict() for found in one.collectives]
        if estimate is not None and self.estimate is not None:
            estimate["work"] = self.estimate.work._asdict()
        found["refused"] = None if self.refused is None else self.refused._asdict()
        return found | {"fits": self.fits, "compiled": compiled, "estimated": estimate}


def make_plan(
    experiment: Experiment,
    planned: Planned,
    topology: Topology,
    *,
    mesh: MeshShape | None = None,
    with_others: bool = True,
) -> Plan:
    """Compiles an experiment for a slice.

    Args:
        experiment: the experiment.
        planned: how large its data is.
        topology: the slice.
        mesh: shape of the mesh; None: as ``recgoat train`` chooses, all devices along "data".
        with_others: whether the propagation and an evaluation are compiled by themselves, too.

    Returns:
        The plan, also where it does not fit.

    Raises:
        UsageError: a mesh that does not match the slice, or a batch with fewer examples than there are devices.
    """
    shape = mesh or MeshShape(data=len(topology.devices))
    over = make_mesh(shape, topology.devices)
    if planned.sizes.batch < over.size:
        raise UsageError(
            f"{planned.sizes.batch} examples a step for {over.size} devices; expected at least one a device. Choose a "
            f"smaller slice, or --global-batch {over.size} or more."
        )
    experiment = replace(experiment, loop=replace(experiment.loop, batch_size=planned.sizes.batch))
    abstract = abstract_program(experiment, planned, over)
    given = (abstract.state, abstract.program.constants, abstract.pairs, abstract.chosen)
    jaxpr = jax.make_jaxpr(abstract.program.step)(*given)
    # What no step reads lies in memory all the same.
    step = jax.jit(abstract.program.step, donate_argnums=0, keep_unused=True)
    compiled = compile_for(step, given, num_devices=over.size)
    others = _others(abstract, over) if with_others and isinstance(compiled, Compiled) else {}
    arguments = _largest_arguments(given)
    fact = compiled if isinstance(compiled, Compiled) else None
    estimate = None
    if fact is not None and topology.chip is not None:
        work = work_of(jaxpr.jaxpr)
        passes = _OPTIMIZER_PASSES * sum(size for name, size in _argument_bytes(given) if name.startswith("params"))
        steps = -(-planned.sizes.pairs // planned.sizes.batch)
        estimate = estimated(work._replace(bytes=work.bytes + passes), fact, topology, steps)
    temporaries = tuple(largest_arrays(jaxpr.jaxpr, number=5))
    capacity = None if topology.chip is None else topology.chip.capacity
    too_large = None
    if isinstance(compiled, str):
        too_large = compiled
    elif capacity is not None and compiled.held > capacity:
        too_large = f"{compiled.held / 2**30:.2f} GiB are needed, a chip has {capacity / 2**30:.2f} GiB"
    return Plan(
        experiment=experiment.name,
        model=type(experiment.model).__name__.removesuffix("Config"),
        dim=getattr(experiment.model, "dim", None),
        topology=topology.name,
        chips=topology.chips,
        mesh=str(shape),
        sizes=asdict(planned.sizes),
        capacity=capacity,
        step=fact,
        others=others,
        refused=None if too_large is None else Refused(too_large, _advice(shape, planned, arguments, temporaries)),
        largest_arguments=arguments,
        largest_temporaries=temporaries,
        estimate=estimate,
        versions={name: installed_version(name) for name in ("jax", "jaxlib", "libtpu")},
    )


def _others(abstract: Abstract, mesh: Mesh) -> dict[str, Compiled]:
    """One product with the largest graph, forwards and backwards, and the ranking of one block of users."""
    widths = [leaf.shape[1] for leaf in jax.tree.leaves(abstract.program.initial) if leaf.ndim == 2]
    graphs = jax.tree.leaves(abstract.program.constants, is_leaf=lambda x: isinstance(x, ShardedAdjacency))
    graphs = [graph for graph in graphs if isinstance(graph, ShardedAdjacency)]
    found: dict[str, Compiled | str] = {}
    if graphs and widths:
        graph = max(graphs, key=lambda one: one.entries.rows.senders.size)
        spread = PartitionSpec(ROWS_AXIS)
        x = abstract.shapes.array((graph.num_shards * graph.rows_per_shard, widths[-1]), jnp.float32, ROWS_AXIS)

        def total(graph: ShardedAdjacency, x: jax.Array) -> jax.Array:
            mapped = jax.shard_map(graph_product, mesh=mesh, in_specs=(spread, spread), out_specs=spread)
            return jnp.sum(mapped(graph, x))

        found["one propagation"] = compile_for(jax.jit(jax.grad(total, 1)), (graph, x), num_devices=mesh.size)
    if widths:
        sizes = abstract.shapes.sizes
        ranking = ranking_function(mesh, num_users=sizes.users, num_items=sizes.items, chunk=64)
        given = abstract.shapes.ranking(widths[-1])
        found["ranking a block of users"] = compile_for(ranking, given, num_devices=mesh.size)
    return {name: one for name, one in found.items() if isinstance(one, Compiled)}


def _argument_bytes(given: Sequence[Any]) -> list[tuple[str, int]]:
    """Name and bytes of one device, of every array that goes in."""
    found = []
    for tree in given:
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            part = leaf.sharding.shard_shape(leaf.shape)
            width = getattr(leaf.dtype, "itemsize", 8)
            size = width
            for extent in part:
                size *= extent
            found.append((path_names(path).removesuffix("/value"), size))
    return found


def _largest_arguments(given: Sequence[Any]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(_argument_bytes(given), key=lambda one: -one[1])[:5])


def _advice(
    shape: MeshShape,
    planned: Planned,
    arguments: Sequence[tuple[str, int]],
    temporaries: Sequence[tuple[str, int]],
) -> tuple[str, ...]:
    """Flags that make a step smaller, the one that meets the largest array first."""
    found = []
    largest, batch = max((*arguments, *temporaries), key=lambda one: one[1])[0], planned.sizes.batch
    of_the_batch = "batch" in largest or "contrast" in largest or "ranking" in largest
    smaller_batch = f"--global-batch {batch // 2}: half of the examples a step"
    if of_the_batch:
        found.append(smaller_batch)
    if shape.rows < shape.devices:
        found.append(
            f"--mesh rows={shape.devices}: tables, features and graphs over all devices instead of {shape.rows}"
        )
    found.append("--topology with more chips: memory of a chip falls as their number grows, with rows spread over them")
    if not of_the_batch:
        found.append(smaller_batch)
    found.append("--dim D: narrower vectors")
    return tuple(found)


__all__ = ["Plan", "Refused", "make_plan"]
