"""Runs of RecGOAT that reports are made of, trained once."""

from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data import Dataset, content_hash, write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.report.run_views import RunViews
from recgoat_jax.serving import load_run
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig, train
from tests.worlds import blocks

MODEL = RecGoatConfig(dim=8, num_layers=1, neighbors=3, id_share=0.5)


@pytest.fixture(scope="package")
def world() -> Dataset:
    made = blocks(ratings=False)
    return replace(made, manifest=replace(made.manifest, hash=content_hash(made)))


@pytest.fixture(scope="package")
def directories(world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of one experiment."""
    folder = tmp_path_factory.mktemp("reported")
    write_dataset(world, folder / "data")
    loop = LoopConfig(batch_size=32, max_epochs=3, selection_metric="recall@5", cutoffs=(5,), tensorboard=False)
    optimizer = OptimizerConfig(learning_rate=0.02)
    first = Experiment("recgoat", PreparedData(folder / "data"), MODEL, optimizer, loop)
    runs = [replace(first, seed=seed) for seed in (0, 1)]
    return [train(one, workdir=folder / f"seed{one.seed}", quiet=True).directory for one in runs]


@pytest.fixture(scope="package")
def views(directories: list[Path]) -> RunViews:
    return RunViews(load_run(directories[0]))
