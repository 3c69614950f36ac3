"""Meshes: their shape, and which part of a model each device holds, by one table of rules.

Examples are spread over the axes ``data`` and ``rows``; the rows of tables, features and graphs over ``rows`` alone,
and so are the optimiser's moments. ``rows=1`` is data parallelism, every device with whole tables. With more, no device
holds anything of the size of all users, or all items, times a width. Where sizes do not divide, shards end in padding
that no sum counts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from recgoat_jax.arrays import DATA_AXIS, ROWS_AXIS
from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.edge_groups import padded_values
from recgoat_jax.graphs.halo import HaloGraph
from recgoat_jax.graphs.partition import NodePartition, partition_by_weight
from recgoat_jax.graphs.placement import Placement, in_mesh_order, on_mesh
from recgoat_jax.graphs.shard import Shard
from recgoat_jax.graphs.sharded_adjacency import ShardedAdjacency

Vocabulary = Literal["users", "items", "nodes"]
"""Whose rows: users, items, or users and then items."""

Kind = Literal["rows", "product", "attention", "edges"]
"""``"rows"``: one row each. ``"product"``: a graph with constant weights. ``"attention"``: a graph whose edges get
other values. ``"edges"``: one value an edge of the graph that lies beside it."""


class Rule(NamedTuple):
    """One line of the table.

    Attributes:
        pattern: regular expression, searched in the path of a variable, its names joined by "/".
        kind: what the variable is.
        vocabulary: of what.
    """

    pattern: str
    kind: Kind
    vocabulary: Vocabulary


RULES: tuple[Rule, ...] = (
    Rule(r"(^|/)user_table(/|$)", "rows", "users"),
    Rule(r"(^|/)item_table(/|$)", "rows", "items"),
    Rule(r"^counts(/|$)", "rows", "items"),
    Rule(r"^trained_items(/|$)", "rows", "items"),
    Rule(r"^log_popularity(/|$)", "rows", "items"),
    Rule(r"^branches/[^/]+/(features|present)(/|$)", "rows", "items"),
    Rule(r"^profiles/(branch/)?(features|present)(/|$)", "rows", "users"),
    Rule(r"^(interactions/)?adjacency(/|$)", "product", "nodes"),
    Rule(r"^interactions/rated_adjacency(/|$)", "attention", "nodes"),
    Rule(r"^interactions/edge_levels(/|$)", "edges", "nodes"),
    Rule(r"^item_graph(/|$)", "product", "items"),
    Rule(r"^cold_graph(/|$)", "product", "items"),
    Rule(r"^branches/[^/]+/adjacency(/|$)", "attention", "items"),
    Rule(r"^profiles/branch/adjacency(/|$)", "attention", "users"),
    Rule(r"^profiles/graph(/|$)", "product", "users"),
)
"""What is spread over ``rows``; every other variable is whole on every device. The first rule that fits counts.
A moment of the optimiser follows the parameter whose path its own contains."""


@dataclass(frozen=True)
class MeshShape:
    """Sizes of the two axes of a mesh."""

    data: int = 1
    """Groups of devices, each with all rows."""
    rows: int = 1
    """Devices of a group, which share the rows."""

    @property
    def devices(self) -> int:
        """Devices in all."""
        return self.data * self.rows

    def __str__(self) -> str:
        return f"{DATA_AXIS}={self.data},{ROWS_AXIS}={self.rows}"


def parse_mesh(text: str) -> MeshShape:
    """Reads the shape of a mesh.

    Args:
        text: ``"data=4,rows=2"``; an axis that is left out has the size 1.

    Returns:
        The shape.

    Raises:
        UsageError: no such text, an axis of another name, or one twice.
    """
    expected = f"'{DATA_AXIS}=N', '{ROWS_AXIS}=N' or '{DATA_AXIS}=N,{ROWS_AXIS}=N' with whole numbers of at least 1"
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, equals, size = part.strip().partition("=")
        if not equals or not size.strip().isdecimal() or int(size) < 1:
            raise UsageError(f"--mesh {text}: found '{part.strip()}'; expected {expected}.")
        if name not in (DATA_AXIS, ROWS_AXIS) or name in sizes:
            problem = "twice the axis" if name in sizes else "the axis"
            raise UsageError(f"--mesh {text}: found {problem} '{name}'; expected {expected}.")
        sizes[name] = int(size)
    return MeshShape(**sizes)


def make_mesh(shape: MeshShape, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh of all devices.

    Args:
        shape: sizes of its axes.
        devices: the devices; None: all that JAX has, over all processes.

    Returns:
        The mesh; devices that are next to each other share rows.

    Raises:
        UsageError: another number of devices.
    """
    devices = jax.devices() if devices is None else devices
    if len(devices) != shape.devices:
        fitting = [
            str(MeshShape(len(devices) // rows, rows))
            for rows in range(1, len(devices) + 1)
            if len(devices) % rows == 0
        ]
        raise UsageError(
            f"--mesh {shape}: {shape.devices} devices are asked for, there are {len(devices)}; expected one of "
            f"{' | '.join(fitting)}. On a CPU, XLA_FLAGS=--xla_force_host_platform_device_count={shape.devices} makes "
            "as many."
        )
    return Mesh(np.asarray(devices).reshape(shape.data, shape.rows), (DATA_AXIS, ROWS_AXIS))


def place_vocabularies(dataset: Dataset, mesh: Mesh) -> Placement:
    """Deals users and items to the devices, balanced by training pairs.

    Args:
        dataset: prepared data.
        mesh: axes "data" and "rows".

    Returns:
        The placement; equal for equal arguments, on every process.
    """
    shards = mesh.shape[ROWS_AXIS]
    return Placement(
        mesh,
        partition_by_weight(dataset.user_counts.astype(np.int64), shards),
        partition_by_weight(dataset.item_counts.astype(np.int64), shards),
    )


def path_names(path: tuple[Any, ...]) -> str:
    """The names of a path of `jax.tree_util`, joined by "/"."""
    names = (getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", None))) for entry in path)
    return "/".join(str(name) for name in names)


def rule_of(path: str) -> Rule | None:
    """The rule for a variable; None: whole on every device."""
    return next((rule for rule in RULES if re.search(rule.pattern, path)), None)


def spec_of(path: str) -> PartitionSpec:
    """What a variable is spread over, by its leading axis."""
    return PartitionSpec() if rule_of(path) is None else PartitionSpec(ROWS_AXIS)


def specs_of(state: nnx.State) -> Any:
    """`spec_of` for every array of a model's variables: a tree of ``PartitionSpec``."""
    return jax.tree_util.tree_map_with_path(lambda path, _: spec_of(path_names(path)), state)


@runtime_checkable
class Placed(Protocol):
    """Where a model goes: `recgoat_jax.graphs.Placement`, or the shapes of one in a plan."""

    @property
    def mesh(self) -> Mesh:
        """The devices."""
        ...

    @property
    def shard(self) -> Shard:
        """What each device holds, spread over the axis "rows"."""
        ...


def place_state(state: nnx.State, placement: Placement) -> nnx.State:
    """Moves the variables of a model from one device to the mesh, by the rules.

    Args:
        state: variables in vocabulary order, as `build_model` makes them; the same on every process.
        placement: where users and items go.

    Returns:
        The same variables: rows in mesh order, graphs in their form over devices.
    """
    return map_variables(
        lay_out(state, placement),
        lambda path, value: jax.tree.map(
            lambda array: on_mesh(np.asarray(array), NamedSharding(placement.mesh, spec_of(path))), value
        ),
    )


def lay_out(state: nnx.State, placement: Placement) -> nnx.State:
    """`place_state` without the last step: the arrays are still on the host."""
    beside = {path: variable.get_value() for path, variable in nnx.to_flat_state(state)}

    def laid_out(path: str, value: Any) -> Any:
        rule = rule_of(path)
        if rule is None:
            return value
        partition = partition_of(rule.vocabulary, placement)
        match rule.kind:
            case "rows":
                return in_mesh_order(value, partition)
            case "product":
                return ShardedAdjacency.from_adjacency(value, partition)
            case "attention":
                return HaloGraph.from_adjacency(value, partition)
            case "edges":
                graph: Adjacency = beside[(*path.split("/")[:-1], "rated_adjacency")]
                return padded_values(np.asarray(value), np.asarray(HaloGraph.from_adjacency(graph, partition).edge), 0)

    return map_variables(state, laid_out)


def map_variables(state: nnx.State, function: Callable[[str, Any], Any]) -> nnx.State:
    """A state with other values.

    Args:
        state: variables.
        function: from the path of a variable, its names joined by "/", and its value to the new one.

    Returns:
        The same variables with the new values.
    """
    flat = nnx.to_flat_state(state)
    return nnx.from_flat_state(
        [(path, variable.replace(function("/".join(map(str, path)), variable.get_value()))) for path, variable in flat]
    )


def partition_of(vocabulary: Vocabulary, placement: Placement) -> NodePartition:
    """The partition of a vocabulary."""
    match vocabulary:
        case "users":
            return placement.users
        case "items":
            return placement.items
        case "nodes":
            return placement.nodes


__all__ = [
    "RULES",
    "Kind",
    "MeshShape",
    "Placed",
    "Rule",
    "Vocabulary",
    "lay_out",
    "make_mesh",
    "map_variables",
    "parse_mesh",
    "partition_of",
    "path_names",
    "place_state",
    "place_vocabularies",
    "rule_of",
    "spec_of",
    "specs_of",
]
