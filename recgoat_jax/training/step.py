"""The training step: one pure, jitted function of pytrees, scanned on the device, or over the devices of a mesh."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key

from recgoat_jax.arrays import DATA_AXIS, EXAMPLE_AXES, ROWS_AXIS
from recgoat_jax.graphs.placement import on_mesh
from recgoat_jax.graphs.shard import Shard
from recgoat_jax.models.protocols import Batch, LossOutput, Retriever, Vectors
from recgoat_jax.training.batches import TrainingPairs, make_batch
from recgoat_jax.training.keys import Tag, tagged_key
from recgoat_jax.training.mesh import Placed, path_names, place_state, spec_of, specs_of
from recgoat_jax.training.spread_batches import SpreadPairs, make_spread_batch

AnyPairs = TrainingPairs | SpreadPairs
"""Training pairs on one device or over a mesh."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """All that a step changes, and the key that it draws from.

    Attributes:
        params: trained variables of the model.
        opt_state: state of the optimiser.
        step: steps done.
        root: root key of the run; it never changes, each use folds in its tag and counter.
    """

    params: nnx.State
    opt_state: Any
    step: Int[Array, ""]
    root: Key[Array, ""]


class StepRecord(NamedTuple):
    """What a chunk of steps leaves for the log: one row a step."""

    loss: Float[Array, " steps"]
    terms: Mapping[str, Float[Array, " steps"]]
    gradient_norm: Float[Array, " steps"]


class Constants(NamedTuple):
    """What a program reads and never changes.

    Attributes:
        state: graphs and features of the model.
        shard: what each device holds, over a mesh; None on one device.
    """

    state: nnx.State
    shard: Shard | None


class Outputs(NamedTuple):
    """Final vectors of a model, in mesh order where it is over a mesh, and its scalars for the log."""

    vectors: Vectors
    diagnostics: Mapping[str, Float[Array, ""]]


class Program:
    """A model taken apart once, and the jitted functions made of it.

    Over a mesh the loss is mapped by `jax.shard_map` and differentiated from outside, so that its gradients are those
    of one device (`recgoat_jax.losses.mapped`); the optimiser works on each device's part of the parameters.

    Args:
        model: a retriever; it is split into its definition, its trained variables and the rest.
        optimizer: optax transformation.
        placement: where users and items are on a mesh; None: one device.
        place: moves variables of the model there.
    """

    def __init__(
        self,
        model: Retriever,
        optimizer: optax.GradientTransformation,
        *,
        placement: Placed | None = None,
        place: Callable[[nnx.State, Any], nnx.State] = place_state,
    ) -> None:
        if not isinstance(model, nnx.Module):
            raise TypeError(f"a retriever is a flax.nnx.Module, got {type(model).__name__}.")
        self._definition, self.initial, state = nnx.split(model, nnx.Param, ...)
        self.has_params = bool(jax.tree.leaves(self.initial))
        self._optimizer = optimizer
        self._mesh = None if placement is None else placement.mesh
        self.constants = Constants(state, None)
        if placement is not None:
            self.initial = place(self.initial, placement)
            self.constants = Constants(place(state, placement), placement.shard)

    def initial_state(self, root: Key[Array, ""]) -> TrainState:
        """The state before the first step. Its arrays are fresh copies: the first chunk donates them."""
        if self._mesh is None:
            return self.fresh_state(self.initial, root)
        # A key of this process becomes one of all: as numbers, which are the same everywhere.
        whole = NamedSharding(self._mesh, PartitionSpec())
        root = jax.random.wrap_key_data(on_mesh(jax.device_get(jax.random.key_data(root)), whole))
        return jax.jit(lambda params, root: self._kept_in_place(self.fresh_state(params, root)))(self.initial, root)

    def fresh_state(self, params: nnx.State, root: Key[Array, ""]) -> TrainState:
        """The state of untrained parameters."""
        return TrainState(jax.tree.map(jnp.copy, params), self._optimizer.init(params), jnp.zeros((), jnp.int32), root)

    def _kept_in_place(self, state: TrainState) -> TrainState:
        """The state, each part where the rules say."""
        mesh = self._mesh
        if mesh is None:
            return state
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec_of(path_names(path)))),
            state,
        )

    @partial(jax.jit, static_argnums=0, donate_argnames="state")
    def run_steps(
        self,
        state: TrainState,
        constants: Constants,
        pairs: AnyPairs,
        order: Int[Array, "steps batch"],
        count: Int[Array | np.ndarray, ""] | np.int32 | int | None = None,
    ) -> tuple[TrainState, StepRecord]:
        """Runs one step a row of ``order``.

        Args:
            state: donated.
            constants: `constants` of the program.
            pairs: training pairs, over the mesh where the model is.
            order: pair numbers, from `epoch_order`.
            count: rows to do, from the first; None: all. It is no part of the program: one serves any number.

        Returns:
            The new state and a record with a row a step, zero for those that were not done.
        """

        def one_step(number: Int[Array, ""], carry: tuple[TrainState, StepRecord]) -> tuple[TrainState, StepRecord]:
            state, records = carry
            state, record = self.step(state, constants, pairs, order[number])
            return state, jax.tree.map(lambda rows, value: rows.at[number].set(value), records, record)

        # What a record holds is known when a step has been traced; nothing is computed here.
        shapes = jax.eval_shape(lambda *given: tuple(self.step(*given)[1]), state, constants, pairs, order[0])
        records = StepRecord(*jax.tree.map(lambda one: jnp.zeros((len(order), *one.shape), one.dtype), shapes))
        rows = jnp.asarray(len(order) if count is None else count)
        state, records = jax.lax.fori_loop(0, rows, one_step, (state, records))
        return state, self._everywhere(records)

    def _everywhere(self, tree: Any) -> Any:
        """The arrays, whole on every device, so that every process can read them."""
        if self._mesh is None:
            return tree
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self._mesh, PartitionSpec()))

    def step(
        self, state: TrainState, constants: Constants, pairs: AnyPairs, chosen: Int[Array, " batch"]
    ) -> tuple[TrainState, Any]:
        """One step, and its row of the record."""
        with jax.named_scope("batch"):
            batch = self._batch(pairs, chosen, tagged_key(state.root, Tag.NEGATIVES, state.step))

        def objective(params: nnx.State) -> tuple[Float[Array, ""], LossOutput]:
            output = self._loss(params, constants, batch, tagged_key(state.root, Tag.MODEL, state.step))
            return output.total, output

        (total, output), gradients = jax.value_and_grad(objective, has_aux=True)(state.params)
        with jax.named_scope("optimizer"):
            updates, opt_state = self._optimizer.update(gradients, state.opt_state, state.params)
            params: Any = optax.apply_updates(state.params, updates)
        record = StepRecord(total, dict(output.terms), optax.tree.norm(gradients))
        return self._kept_in_place(TrainState(params, opt_state, state.step + 1, state.root)), record

    def _batch(self, pairs: AnyPairs, chosen: Int[Array, " batch"], key: Key[Array, ""]) -> Batch:
        match pairs:
            case TrainingPairs():
                return make_batch(pairs, chosen, key=key)
            case SpreadPairs():
                assert self._mesh is not None
                return make_spread_batch(pairs, chosen, key=key, mesh=self._mesh)

    def _loss(self, params: nnx.State, constants: Constants, batch: Batch, key: Key[Array, ""]) -> LossOutput:
        def local(
            params: nnx.State, state: nnx.State, batch: Batch, key: Key[Array, ""], shard: Shard | None
        ) -> LossOutput:
            return self._merge(params, state).loss(batch, key=key, shard=shard)

        if self._mesh is None:
            return local(params, constants.state, batch, key, None)

        def mapped(params: nnx.State, *others: Any) -> LossOutput:
            return jax.tree.map(_settled, local(jax.tree.map(_in_every_group, params), *others))

        rows, examples, whole = PartitionSpec(ROWS_AXIS), PartitionSpec(EXAMPLE_AXES), PartitionSpec()
        return jax.shard_map(
            mapped,
            mesh=self._mesh,
            in_specs=(specs_of(params), specs_of(constants.state), examples, whole, rows),
            out_specs=whole,
        )(params, constants.state, batch, key, constants.shard)

    @partial(jax.jit, static_argnums=0)
    def outputs(self, params: nnx.State, constants: Constants) -> Outputs:
        """Final vectors of the model, dropout off, and its scalars for the log: one program, one encoding."""

        def local(
            params: nnx.State, state: nnx.State, shard: Shard | None
        ) -> tuple[Vectors, Mapping[str, Float[Array, ""]]]:
            model = self._merge(params, state)
            return model.vectors(shard=shard), model.diagnostics(shard=shard)

        if self._mesh is None:
            return Outputs(*local(params, constants.state, None))
        mapped = jax.shard_map(
            local,
            mesh=self._mesh,
            in_specs=(specs_of(params), specs_of(constants.state), PartitionSpec(ROWS_AXIS)),
            out_specs=(PartitionSpec(ROWS_AXIS), PartitionSpec()),
        )
        return Outputs(*mapped(params, constants.state, constants.shard))

    def _merge(self, params: nnx.State, constants: nnx.State) -> Any:
        # A copy, so that a loss may advance variables of its own without touching the traced originals.
        return nnx.merge(self._definition, params, constants, copy=True)


def _in_every_group(param: Array) -> Array:
    """A parameter as each group of devices has its own: their gradients are added up once, not at each use."""
    missing = {DATA_AXIS} - jax.typeof(param).manual_axis_type.varying
    return jax.lax.pcast(param, tuple(missing), to="varying")


def _settled(value: Float[Array, ""]) -> Float[Array, ""]:
    """A scalar that every group of devices has computed from all rows, as one value."""
    return jax.lax.pmean(value, DATA_AXIS) if DATA_AXIS in jax.typeof(value).manual_axis_type.varying else value


__all__ = ["AnyPairs", "Constants", "Outputs", "Program", "StepRecord", "TrainState"]
