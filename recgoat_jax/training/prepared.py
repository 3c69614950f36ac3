"""What is made of an experiment before the first step: on one device, on a mesh, and over several processes.

Over several processes the first reads the data, builds model and graphs, and lays out what all will hold
(`recgoat_jax.training.shared_inputs`). The others read their parts of that and nothing else.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from flax import nnx
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Int

from recgoat_jax.arrays import EXAMPLE_AXES, ROWS_AXIS
from recgoat_jax.data import Dataset
from recgoat_jax.encoders.facts import Facts
from recgoat_jax.encoders.stand_in import small_data
from recgoat_jax.errors import RecgoatError
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.evaluation.counting import ranking_function
from recgoat_jax.evaluation.rank_blocks import BLOCK_SPECS, RankBlocks
from recgoat_jax.evaluation.ranking import VectorPair, check_bound
from recgoat_jax.graphs.partition import NodePartition
from recgoat_jax.graphs.placement import Placement
from recgoat_jax.models.build import build_model
from recgoat_jax.models.protocols import Vectors
from recgoat_jax.training import hosts
from recgoat_jax.training.batches import TrainingPairs
from recgoat_jax.training.experiment import Experiment, from_json
from recgoat_jax.training.keys import starting_rngs
from recgoat_jax.training.layout import Layout
from recgoat_jax.training.mesh import lay_out, place_vocabularies, spec_of
from recgoat_jax.training.optimizer import make_optimizer
from recgoat_jax.training.row_blocks import in_vocabulary_order
from recgoat_jax.training.shared_inputs import SharedInputs, state_values, write_failure, write_inputs
from recgoat_jax.training.spread_batches import SpreadPairs, deal_pairs
from recgoat_jax.training.step import AnyPairs, Program

_VARIABLES = "variables"


class Means(NamedTuple):
    """What a process that does not have the data knows of an evaluation: the means that the first one told it."""

    means: Mapping[str, float]


Validated = EvalResult | Means
"""An evaluation in full, or what other processes know of it."""


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """Everything that the loop needs.

    Attributes:
        placement: where users and items are; None: on one device.
        program: the jitted functions.
        pairs: training pairs.
        layout: of saves.
        valid: evaluates on the validation pairs.
        test: evaluates on the test pairs.
    """

    placement: Placement | None
    program: Program
    pairs: AnyPairs
    layout: Layout
    valid: Callable[[Vectors], Validated]
    test: Callable[[Vectors], Validated]

    def in_vocabulary_order(self, vectors: Vectors) -> VectorPair | None:
        """The vectors on the host of the first process, a row for each row of the vocabularies; None on the others."""
        if self.placement is None:
            return np.asarray(vectors.users), np.asarray(vectors.items)
        users = in_vocabulary_order(vectors.users, self.placement.users)
        items = in_vocabulary_order(vectors.items, self.placement.items)
        return None if users is None or items is None else (users, items)


def prepare_run(
    experiment: Experiment, dataset: Dataset, mesh: Mesh | None, *, shared: epath.Path | None = None
) -> PreparedRun:
    """Builds model, program and evaluation from data.

    Args:
        experiment: the experiment.
        dataset: its data.
        mesh: the devices; None, or a mesh of one: the plain path.
        shared: directory for what other processes read; None: there are none.

    Returns:
        The run.

    Raises:
        RecgoatError: it cannot be; the other processes, which wait, are told.
    """
    try:
        return _prepared(experiment, dataset, mesh, shared)
    except RecgoatError as error:
        if shared is not None:
            write_failure(shared, error)
        raise


def _prepared(experiment: Experiment, dataset: Dataset, mesh: Mesh | None, shared: epath.Path | None) -> PreparedRun:
    # A mesh of one device is the plain path: there is nobody to share with, and mapping would cost its time.
    placement = None if mesh is None or mesh.size == 1 else place_vocabularies(dataset, mesh)
    root = jax.random.key(experiment.seed)
    with _where_models_are_made(placement):
        model = build_model(experiment.model, dataset, rngs=starting_rngs(root))
        size = experiment.loop.batch_size
        if placement is None:
            pairs: AnyPairs = TrainingPairs.from_dataset(dataset, batch_size=size)
        else:
            pairs = SpreadPairs.from_dataset(dataset, placement, batch_size=size)
    evaluators = {
        split: Evaluator(dataset, split, cutoffs=experiment.loop.cutoffs, placement=placement)
        for split in ("valid", "test")
    }
    if shared is not None and placement is not None:
        _share(shared, dataset, placement, model, evaluators)
    optimizer = make_optimizer(experiment.optimizer, steps_per_epoch=pairs.steps)
    return PreparedRun(
        placement=placement,
        program=Program(model, optimizer, placement=placement),
        pairs=pairs,
        layout=Layout.of(dataset, placement),
        **{split: _telling(evaluator) for split, evaluator in evaluators.items()},
    )


def follow_run(experiment: Experiment, mesh: Mesh, shared: epath.Path) -> PreparedRun:
    """The run on a process that is not the first: it waits for what the first lays out, and reads its part.

    Args:
        experiment: the experiment, the same as on the first.
        mesh: the devices.
        shared: the directory that the first fills.

    Returns:
        The run; its evaluations give means alone.

    Raises:
        RecgoatError: the first process could not prepare it.
    """
    inputs = SharedInputs.when_complete(shared)
    facts = inputs.facts
    users, items = (_partition(inputs.whole(name), mesh.shape[ROWS_AXIS]) for name in ("users", "items"))
    placement = Placement(mesh, users, items)
    # Of the model only its structure is needed: every variable is read.
    with _where_models_are_made(placement):
        model = build_model(experiment.model, small_data(from_json(Facts, facts["data"])), rngs=nnx.Rngs(0))

    def place(state: nnx.State, _: Any) -> nnx.State:
        return inputs.state(_VARIABLES, state, lambda path: NamedSharding(mesh, spec_of(path)))

    examples, whole = placement.sharding(EXAMPLE_AXES), placement.sharding()
    pairs = SpreadPairs(
        dealt=inputs.spread("pairs", examples),
        starts=inputs.spread("starts", whole),
        candidates=inputs.spread("candidates", whole),
        batch_size=experiment.loop.batch_size,
        **facts["pairs"],
    )
    optimizer = make_optimizer(experiment.optimizer, steps_per_epoch=pairs.steps)
    return PreparedRun(
        placement=placement,
        program=Program(model, optimizer, placement=placement, place=place),
        pairs=pairs,
        layout=Layout(inputs.whole("user_counts"), inputs.whole("item_counts"), placement),
        valid=_told(inputs, "valid", placement),
        test=_told(inputs, "test", placement),
    )


def _share(
    shared: epath.Path,
    dataset: Dataset,
    placement: Placement,
    model: Any,
    evaluators: Mapping[str, Evaluator],
) -> None:
    """Writes what the other processes read."""
    layout, pairs = Layout.of(dataset, placement), deal_pairs(dataset, placement)
    ranked = {split: evaluator.plan.laid_out for split, evaluator in evaluators.items()}
    write_inputs(
        shared,
        {
            **state_values(_VARIABLES, lay_out(nnx.state(model), placement)),
            "users": placement.users.order,
            "items": placement.items.order,
            "user_counts": layout.user_counts,
            "item_counts": layout.item_counts,
            "pairs": pairs.dealt,
            "starts": pairs.starts,
            "candidates": pairs.candidates,
            **{split: laid_out.blocks for split, laid_out in ranked.items()},
        },
        {
            "data": dataclasses.asdict(Facts.of(dataset)),
            "pairs": {"num_pairs": pairs.num_pairs, "bisections": pairs.bisections},
            "chunk": {split: laid_out.chunk for split, laid_out in ranked.items()},
        },
    )


def _partition(order: Int[np.ndarray, " rows"], shards: int) -> NodePartition:
    place = np.empty(int(np.sum(order >= 0)), np.int32)
    place[order[order >= 0]] = np.flatnonzero(order >= 0)
    return NodePartition(place, order, shards)


def _telling(evaluator: Evaluator) -> Callable[[Vectors], Validated]:
    """An evaluation whose means the other processes get, too."""

    def evaluate(vectors: Vectors) -> Validated:
        result = evaluator(vectors)
        hosts.from_first(json.dumps(result.means))
        return result

    return evaluate


def _told(inputs: SharedInputs, split: str, placement: Placement) -> Callable[[Vectors], Validated]:
    """The part of a process without data in an evaluation: it ranks with the others and is told the means."""
    shardings = RankBlocks(*(NamedSharding(placement.mesh, spec) for spec in BLOCK_SPECS))
    blocks = inputs.spread(split, shardings)
    sizes = {"num_users": placement.users.num_nodes, "num_items": placement.items.num_nodes}
    ranks = ranking_function(placement.mesh, **sizes, chunk=inputs.facts["chunk"][split])

    def evaluate(vectors: Vectors) -> Validated:
        check_bound(ranks(blocks, *vectors).bound)
        return Means(json.loads(hosts.from_first(None) or "{}"))

    return evaluate


@contextmanager
def _where_models_are_made(placement: Placement | None) -> Iterator[None]:
    """On the host where a mesh will hold the model: whole tables may be too large for one of its devices."""
    if placement is None:
        yield
        return
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


__all__ = ["Means", "PreparedRun", "Validated", "follow_run", "prepare_run"]
