"""The model of a run, built again: at its start and at its best epoch."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import content_hash, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import DataError
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.serving import Run, load_run
from recgoat_jax.serving.trained import best_parameters, model_config, starting_model
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, train
from tests.worlds import blocks

# Noise for features and a random permutation for the plan: what is drawn and not trained has to be drawn again.
MODEL = RecGoatConfig(dim=8, num_layers=1, neighbors=3, features="random", transport="permutation")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("trained")
    made = blocks(ratings=False)
    write_dataset(replace(made, manifest=replace(made.manifest, hash=content_hash(made))), folder / "data")
    loop = LoopConfig(batch_size=32, max_epochs=2, selection_metric="recall@5", cutoffs=(5,), tensorboard=False)
    optimizer = OptimizerConfig(learning_rate=0.02)
    experiment = Experiment("controls", PreparedData(folder / "data"), MODEL, optimizer, loop, seed=3)
    return load_run(train(experiment, workdir=folder / "run", quiet=True).directory)


def test_the_best_parameters_give_the_vectors_of_the_run(run: Run) -> None:
    model = starting_model(run, run.dataset_with_features)
    start = np.asarray(model.vectors().items)
    nnx.update(model, best_parameters(run, model))
    made = jax.jit(lambda one: one.vectors())(model)
    np.testing.assert_allclose(made.items, run.vectors.items, atol=1e-6)
    np.testing.assert_allclose(made.users, run.vectors.users, atol=1e-6)
    assert np.abs(start - run.vectors.items).max() > 1e-3


def test_what_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    model = starting_model(run, run.dataset_with_features)
    with pytest.raises(DataError, match=r"found no checkpoint; expected the checkpoints of the run"):
        best_parameters(run, model, checkpoints=tmp_path)
    other = replace(run, config={**run.config, "model": {"type": "Unknown"}})
    with pytest.raises(DataError, match=r"found a config that cannot be read"):
        model_config(other)
