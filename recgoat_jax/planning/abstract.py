"""A training program of any size as shapes alone: nothing of that size is ever made."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from recgoat_jax.arrays import DATA_AXIS, EXAMPLE_AXES, ROWS_AXIS
from recgoat_jax.data import Dataset
from recgoat_jax.evaluation.rank_blocks import RankBlocks
from recgoat_jax.evaluation.scores import default_block_size
from recgoat_jax.graphs.adjacency import Adjacency, CompressedRows
from recgoat_jax.graphs.halo import HaloGraph
from recgoat_jax.graphs.shard import LocalRows, Shard
from recgoat_jax.graphs.sharded_adjacency import ExchangeEntries, RingEntries, RowsMoved, ShardedAdjacency
from recgoat_jax.models.build import build_model
from recgoat_jax.planning.sizes import Planned, Sizes
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.mesh import lay_out, map_variables, path_names, place_vocabularies, rule_of, spec_of
from recgoat_jax.training.optimizer import make_optimizer
from recgoat_jax.training.spread_batches import DealtPairs, HostPairs, SpreadPairs, deal_pairs
from recgoat_jax.training.step import Program, TrainState


class Abstract(NamedTuple):
    """A program and its arguments as shapes with shardings.

    Attributes:
        program: the real program.
        state: training state.
        pairs: training pairs.
        chosen: pair numbers of one step.
        shapes: of everything else.
    """

    program: Program
    state: TrainState
    pairs: SpreadPairs
    chosen: jax.ShapeDtypeStruct
    shapes: "Shapes"


@dataclass(frozen=True, eq=False)
class Shapes:
    """The shapes that a placement of so many users, items and pairs has.

    Nothing knows the degrees of data that does not exist: edges are taken as spread evenly over the devices, their
    senders as drawn at random, and every padded size as the mean plus six standard deviations.
    """

    mesh: Mesh
    sizes: Sizes

    @property
    def shards(self) -> int:
        """Devices that rows are spread over."""
        return self.mesh.shape[ROWS_AXIS]

    def rows(self, vocabulary: str) -> int:
        """Rows of a device."""
        users, items = (-(-total // self.shards) for total in (self.sizes.users, self.sizes.items))
        return {"users": users, "items": items, "nodes": users + items}[vocabulary]

    def array(self, shape: tuple[int, ...], dtype: Any, *axes: Any) -> jax.ShapeDtypeStruct:
        """An array, its leading axes along axes of the mesh."""
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(self.mesh, PartitionSpec(*axes)))

    def spread(self, *shape: int, dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
        """An array with a leading axis of shards."""
        return self.array((self.shards, *shape), dtype, ROWS_AXIS)

    @property
    def shard(self) -> Shard:
        """What each device holds."""

        def local(vocabulary: str, total: int) -> Any:
            numbers = self.array((self.shards * self.rows(vocabulary),), jnp.int32, ROWS_AXIS)
            return LocalRows(numbers, total)  # type: ignore[arg-type]  # a shape in the place of an array

        return Shard(local("users", self.sizes.users), local("items", self.sizes.items))

    def requested(self, vocabulary: str, edges: int) -> int:
        """Rows that one shard asks of one other, padding included."""
        between = edges / self.shards**2
        rows = self.rows(vocabulary)
        parts = [(rows, between)]
        if vocabulary == "nodes":  # half of the edges start at users, half at items
            parts = [(self.rows("users"), between / 2), (self.rows("items"), between / 2)]
        return padded(sum(size * -math.expm1(-number / max(size, 1)) for size, number in parts), at_most=rows)

    def compressed(self, columns: int, rows: int, *leading: int) -> CompressedRows:
        """Places of a matrix."""
        places = self.spread(*leading, columns)
        return CompressedRows(places, places, self.spread(*leading, rows + 1))  # type: ignore[arg-type]  # shapes

    def product(self, vocabulary: str, edges: int) -> ShardedAdjacency:
        """A symmetric graph with constant weights, for the collective that its size prefers."""
        rows, longest = self.rows(vocabulary), self.requested(vocabulary, edges)
        others = self.shards - 1
        entries: Any
        if RowsMoved(others * rows, others * longest).preferred == "ring":
            group = padded(edges / self.shards**2)
            places = self.compressed(group, rows, self.shards)
            weights = self.spread(self.shards, group, dtype=jnp.float32)
            entries = RingEntries(places, weights)  # type: ignore[arg-type]  # shapes
        else:
            own = padded(edges / self.shards)
            weights = self.spread(own, dtype=jnp.float32)
            sent = self.spread(self.shards, longest if others else 0)
            entries = ExchangeEntries(self.compressed(own, rows), weights, sent)  # type: ignore[arg-type]  # shapes
        return ShardedAdjacency(entries, None)

    def attention(self, vocabulary: str, edges: int) -> HaloGraph:
        """A graph whose edges get other values."""
        rows, longest = self.rows(vocabulary), self.requested(vocabulary, edges) if self.shards > 1 else 0
        own = padded(edges / self.shards)
        nodes = rows + self.shards * longest + 1
        order, weights = self.spread(own), self.spread(own, dtype=jnp.float32)
        places, transposed = self.compressed(own, rows + 1), self.compressed(own, nodes)
        adjacency = Adjacency(places, weights, transposed, order, weights)  # type: ignore[arg-type]  # shapes
        returned = self.compressed(max(1, self.shards * longest), rows)
        sent = self.spread(self.shards, longest)
        return HaloGraph(adjacency, sent, returned, order)  # type: ignore[arg-type]  # shapes

    def ranking(self, dim: int) -> tuple[RankBlocks, jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """What ranking one block of users takes; each has one target, and as many training items as the others."""
        groups, size = (
            self.mesh.size // self.shards,
            default_block_size(self.sizes.items, backend=self.mesh.devices.flat[0].platform),
        )
        excluded = padded(size * self.sizes.pairs / self.sizes.users / self.shards) + 64

        def rows(vocabulary: str, *shape: int, dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
            return self.array((self.shards * self.rows(vocabulary), *shape), dtype, ROWS_AXIS)

        by_group = self.array((groups, 1, size), jnp.int32, DATA_AXIS)
        targets = self.array((groups * size,), jnp.int32)
        by_device = self.array((groups, self.shards, excluded), jnp.int32, DATA_AXIS, ROWS_AXIS)
        blocks = RankBlocks(
            users=by_group,
            first=by_group,
            counts=by_group,
            most=self.array((1,), jnp.int32),
            items=targets,
            places=targets,
            user_numbers=rows("users"),
            item_numbers=rows("items"),
            excluded_users=by_device,
            excluded_slots=by_device,
            excluded_first=self.array((groups, self.shards, 2), jnp.int32, DATA_AXIS, ROWS_AXIS),
        )
        return blocks, rows("users", dim, dtype=jnp.float32), rows("items", dim, dtype=jnp.float32)

    def pairs(self, batch: int, dealt: HostPairs | None = None) -> SpreadPairs:
        """Training pairs: those that are dealt; or as many as there are, a user having about as many as the others."""
        sizes, devices = self.sizes, self.mesh.size
        if dealt is None:
            on_device, candidates = padded(sizes.pairs / devices), sizes.items
            bisections = max(1, (16 * sizes.pairs // sizes.users).bit_length())
        else:
            on_device, candidates, bisections = dealt.dealt.users.shape[1], len(dealt.candidates), dealt.bisections

        def made() -> SpreadPairs:
            return SpreadPairs(
                dealt=DealtPairs(*(jnp.zeros((devices, on_device), jnp.int32) for _ in DealtPairs._fields)),
                starts=jnp.zeros(devices + 1, jnp.int32),
                candidates=jnp.zeros(candidates, jnp.int32),
                num_pairs=sizes.pairs,
                batch_size=batch,
                bisections=bisections,
            )

        # As shapes, nothing is made.
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: self.array(
                leaf.shape, leaf.dtype, *((EXAMPLE_AXES,) if path_names(path).startswith("dealt") else ())
            ),
            jax.eval_shape(made),
        )


def padded(mean: float, *, at_most: int | None = None) -> int:
    """A size that a random number of this mean does not exceed."""
    size = math.ceil(mean + 6 * math.sqrt(mean))
    return size if at_most is None else min(size, at_most)


def abstract_program(experiment: Experiment, planned: Planned, mesh: Mesh) -> Abstract:
    """The program that ``recgoat train`` would run on a mesh, as shapes.

    Args:
        experiment: model, optimiser and loop.
        planned: how large the data is.
        mesh: the devices; they need not be here.

    Returns:
        The program and its arguments.
    """
    batch = planned.sizes.batch
    optimizer = make_optimizer(experiment.optimizer, steps_per_epoch=-(-planned.sizes.pairs // batch))
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        model = build_model(experiment.model, planned.dataset, rngs=nnx.Rngs(0))
        shapes = Shapes(mesh, planned.sizes)
        pairs = shapes.pairs(batch)
        if planned.exact:
            placement = place_vocabularies(planned.dataset, mesh)
            pairs = shapes.pairs(batch, deal_pairs(planned.dataset, placement))

            def place(state: nnx.State, _: Any) -> nnx.State:
                return _as_shapes(lay_out(state, placement), mesh)
        else:

            def place(state: nnx.State, _: Any) -> nnx.State:
                return _scaled(state, shapes, planned.dataset)

        program = Program(model, optimizer, placement=shapes, place=place)
    state = jax.eval_shape(program.fresh_state, program.initial, jax.random.key(0))
    state = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec_of(path_names(path)))
        ),
        state,
    )
    chosen = jax.ShapeDtypeStruct((batch,), jnp.int32, sharding=NamedSharding(mesh, PartitionSpec()))
    return Abstract(program, state, pairs, chosen, shapes)


def _as_shapes(state: nnx.State, mesh: Mesh) -> nnx.State:
    return map_variables(
        state,
        lambda path, value: jax.tree.map(
            lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=NamedSharding(mesh, spec_of(path))),
            value,
        ),
    )


def _scaled(state: nnx.State, shapes: Shapes, dataset: Dataset) -> nnx.State:
    """Variables of a model of small data, as shapes of large data."""
    rows = {"users": dataset.num_users, "items": dataset.num_items}

    def scale(path: str, value: Any) -> Any:
        rule = rule_of(path)
        if rule is None:
            return jax.tree.map(lambda array: shapes.array(array.shape, array.dtype), value)
        if rule.kind == "rows":
            return shapes.array(
                (shapes.shards * shapes.rows(rule.vocabulary), *value.shape[1:]), value.dtype, ROWS_AXIS
            )
        if rule.vocabulary == "nodes":
            edges = 2 * shapes.sizes.pairs
        else:
            # Neighbour graphs have as many edges a node, however many nodes there are.
            total = getattr(shapes.sizes, rule.vocabulary)
            edges = math.ceil(value.num_edges / rows[rule.vocabulary] * total)
        match rule.kind:
            case "product":
                return shapes.product(rule.vocabulary, edges)
            case "attention":
                return shapes.attention(rule.vocabulary, edges)
            case "edges":
                return shapes.spread(padded(edges / shapes.shards), dtype=value.dtype)

    return map_variables(state, scale)


__all__ = ["Abstract", "Shapes", "abstract_program", "padded"]
