"""Every random use of a run draws by the seed, and anew at each step or epoch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.graphs import Shard
from recgoat_jax.models import Batch, BprMfConfig, LossOutput, Vectors
from recgoat_jax.training import Experiment, LoopConfig, fit, prepared, train
from recgoat_jax.training.batches import TrainingPairs
from recgoat_jax.training.optimizer import OptimizerConfig, make_optimizer
from recgoat_jax.training.step import Program
from tests.worlds import blocks


class Probe(nnx.Module):
    """A model whose terms are what it was given: the negatives, and a draw from its key."""

    def __init__(self) -> None:
        self.table = nnx.Param(jnp.ones(1))

    def loss(self, batch: Batch, *, key: jax.Array, shard: Shard | None = None) -> LossOutput:
        powers = jnp.arange(1.0, len(batch.negatives) + 1)
        terms = {"negatives": jnp.sum(powers * batch.negatives), "noise": jax.random.normal(key)}
        return LossOutput(jnp.sum(self.table[...]), terms)

    def vectors(self, *, shard: Shard | None = None) -> Vectors:
        return Vectors(jnp.ones((1, 1)), jnp.ones((1, 1)))

    def diagnostics(self, *, shard: Shard | None = None) -> Mapping[str, jax.Array]:
        return {}


def test_negatives_and_the_models_key_follow_seed_and_step() -> None:
    pairs = TrainingPairs.from_dataset(blocks(), batch_size=16)
    program = Program(Probe(), make_optimizer(OptimizerConfig(), steps_per_epoch=4))
    same_pairs = jnp.tile(jnp.arange(16), (4, 1))

    def drawn(seed: int) -> Mapping[str, np.ndarray]:
        _, record = program.run_steps(program.initial_state(jax.random.key(seed)), program.constants, pairs, same_pairs)
        return {name: np.asarray(values) for name, values in record.terms.items()}

    one, again, other = drawn(0), drawn(0), drawn(1)
    for name in ("negatives", "noise"):
        np.testing.assert_array_equal(one[name], again[name])
        assert len({*one[name].tolist(), *other[name].tolist()}) == 8, name


def test_start_and_order_follow_seed_and_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(blocks(), tmp_path / "data")
    experiment = Experiment(
        name="bpr",
        data=PreparedData(tmp_path / "data"),
        model=BprMfConfig(dim=8),
        loop=LoopConfig(batch_size=16, max_epochs=2, selection_metric="recall@5", cutoffs=(5,), tensorboard=False),
    )
    orders: list[bytes] = []
    starts: list[bytes] = []
    epoch_order, build_model = fit.epoch_order, prepared.build_model

    def recorded_order(*args: Any, **kwargs: Any) -> jax.Array:
        order = epoch_order(*args, **kwargs)
        orders.append(np.asarray(order).tobytes())
        return order

    def recorded_model(*args: Any, **kwargs: Any) -> Any:
        model = build_model(*args, **kwargs)
        starts.append(np.asarray(model.vectors().users).tobytes())
        return model

    monkeypatch.setattr(fit, "epoch_order", recorded_order)
    monkeypatch.setattr(prepared, "build_model", recorded_model)
    for seed in (0, 1):
        train(replace(experiment, seed=seed), workdir=tmp_path / f"run{seed}", quiet=True)
    assert len(set(orders)) == len(orders) == 4
    assert len(set(starts)) == 2
