"""The training step: one pure, jitted function of pytrees, scanned on the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from recgoat_jax.models.protocols import LossOutput, Retriever, Vectors
from recgoat_jax.training.batches import TrainingPairs, make_batch
from recgoat_jax.training.keys import Tag, tagged_key


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


class Program:
    """A model taken apart once, and the two jitted functions made of it.

    Args:
        model: a retriever; it is split into its definition, its trained variables and the rest.
        optimizer: optax transformation.
    """

    def __init__(self, model: Retriever, optimizer: optax.GradientTransformation) -> None:
        if not isinstance(model, nnx.Module):
            raise TypeError(f"a retriever is a flax.nnx.Module, got {type(model).__name__}.")
        self._definition, self._initial, self.constants = nnx.split(model, nnx.Param, ...)
        self._optimizer = optimizer
        self.has_params = bool(jax.tree.leaves(self._initial))

    def initial_state(self, root: Key[Array, ""]) -> TrainState:
        """The state before the first step. Its arrays are fresh copies: the first chunk donates them."""
        params = jax.tree.map(jnp.copy, self._initial)
        return TrainState(params, self._optimizer.init(params), jnp.zeros((), jnp.int32), root)

    def _merge(self, params: nnx.State, constants: nnx.State) -> Any:
        # A copy, so that a loss may advance variables of its own without touching the traced originals.
        return nnx.merge(self._definition, params, constants, copy=True)

    @partial(jax.jit, static_argnums=0, donate_argnames="state")
    def run_steps(
        self, state: TrainState, constants: nnx.State, pairs: TrainingPairs, order: Int[Array, "steps batch"]
    ) -> tuple[TrainState, StepRecord]:
        """Runs one step a row of ``order``.

        Args:
            state: donated.
            constants: graphs and features of the model.
            pairs: training pairs.
            order: pair numbers, from `epoch_order`.

        Returns:
            The new state and a record with a row a step.
        """

        def one_step(state: TrainState, chosen: Int[Array, " batch"]) -> tuple[TrainState, StepRecord]:
            batch = make_batch(pairs, chosen, key=tagged_key(state.root, Tag.NEGATIVES, state.step))

            def objective(params: nnx.State) -> tuple[Float[Array, ""], LossOutput]:
                output = self._merge(params, constants).loss(batch, key=tagged_key(state.root, Tag.MODEL, state.step))
                return output.total, output

            (total, output), gradients = jax.value_and_grad(objective, has_aux=True)(state.params)
            updates, opt_state = self._optimizer.update(gradients, state.opt_state, state.params)
            params: Any = optax.apply_updates(state.params, updates)
            record = StepRecord(total, dict(output.terms), optax.tree.norm(gradients))
            return TrainState(params, opt_state, state.step + 1, state.root), record

        return jax.lax.scan(one_step, state, order)

    @partial(jax.jit, static_argnums=0)
    def outputs(self, params: nnx.State, constants: nnx.State) -> tuple[Vectors, Mapping[str, Float[Array, ""]]]:
        """Final vectors of the model, dropout off, and its scalars for the log: one program, one encoding."""
        model = self._merge(params, constants)
        return model.vectors(), model.diagnostics()


__all__ = ["Program", "StepRecord", "TrainState"]
