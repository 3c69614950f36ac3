"""Which parameters are kept: those that a saved state names, and all that were better since."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.training.checkpoint import Checkpoints
from recgoat_jax.training.layout import Layout
from recgoat_jax.training.step import TrainState

LAYOUT = Layout(np.ones(2, np.int64), np.ones(2, np.int64))


def params(value: float) -> nnx.State:
    return nnx.State({"scale": nnx.Param(jnp.full(2, value))})


def state(step: int) -> TrainState:
    return TrainState(params(float(step)), (), jnp.int32(step), jax.random.key(0))


@pytest.fixture
def saves(tmp_path: Path) -> Iterator[Checkpoints]:
    with Checkpoints(tmp_path, layout=LAYOUT) as saves:
        yield saves


def kept(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "best").iterdir())


def best(saves: Checkpoints, step: int) -> float:
    return float(saves.restore_best(step, params(0.0))["scale"][...][0])


def test_the_best_that_the_saved_state_names_outlives_a_later_one(saves: Checkpoints, tmp_path: Path) -> None:
    saves.save_best(100, params(1.0))
    saves.save_last(state(200), {"best_step": 100})
    saves.save_best(300, params(3.0))
    saves.wait()
    # Killed here, the run goes on from step 200; on other devices step 300 may be no better this time.
    with Checkpoints(tmp_path, layout=LAYOUT) as again:
        found = again.restore_last(state(0))
        assert found is not None
        assert found[1] == {"best_step": 100}
        assert best(again, 100) == 1.0
        again.save_last(state(400), {"best_step": 100})
        again.keep_best(100)
        assert float(again.restore_latest_best(params(0.0))["scale"][...][0]) == 1.0
    assert kept(tmp_path) == [100]


def test_what_no_saved_state_needs_goes(saves: Checkpoints, tmp_path: Path) -> None:
    for step in (100, 150):
        saves.save_best(step, params(step))
    saves.save_last(state(200), {"best_step": 150})
    saves.save_last(state(300), {"best_step": 150})
    saves.wait()
    assert kept(tmp_path) == [150]


def test_a_step_that_is_done_again_is_saved_again(saves: Checkpoints, tmp_path: Path) -> None:
    saves.save_best(100, params(1.0))
    saves.save_last(state(200), {"best_step": 100})
    for step in (300, 350):
        saves.save_best(step, params(3.0))
    saves.save_best(300, params(4.0))
    saves.wait()
    assert kept(tmp_path) == [100, 300]
    assert best(saves, 300) == 4.0
