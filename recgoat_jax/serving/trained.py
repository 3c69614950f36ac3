"""The model of a finished run: as training started it, and with the parameters that gave the result."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.errors import DataError
from recgoat_jax.models.build import ModelConfig, build_model
from recgoat_jax.models.protocols import Retriever, Untrained
from recgoat_jax.serving.run import Run
from recgoat_jax.training.checkpoint import Checkpoints
from recgoat_jax.training.experiment import Experiment, from_json
from recgoat_jax.training.keys import starting_rngs
from recgoat_jax.training.layout import Layout


def model_config(run: Run) -> ModelConfig:
    """The settings of a run's model.

    Raises:
        DataError: a run directory of another program.
    """
    return _settings(run, ModelConfig, run.config.get("model"))


def run_experiment(run: Run) -> Experiment:
    """The experiment of a run.

    Raises:
        DataError: a run directory of another program.
    """
    names = {one.name for one in fields(Experiment)}
    return _settings(run, Experiment, {name: value for name, value in run.config.items() if name in names})


def _settings(run: Run, kind: Any, value: Any) -> Any:
    with readable_config(run, action="Train the run again."):
        return from_json(kind, value)


@contextmanager
def readable_config(run: Run, *, action: str) -> Iterator[None]:
    """Says of a config that cannot be read which run it is of.

    Args:
        run: the run.
        action: what to do.

    Raises:
        DataError: in place of what reading its JSON values raises.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise DataError.at(
            run.directory,
            found=f"a config that cannot be read ({error})",
            expected="the settings of a run of this version",
            action=action,
        ) from error


def starting_model(run: Run, dataset: Dataset, *, untrained: Untrained | None = None) -> Retriever:
    """A run's model as its training started.

    Args:
        run: a finished run.
        dataset: its data with features, or that with users and items added behind.
        untrained: users and items that came after training; None: there are none.

    Returns:
        The model; on the data of the run its parameters and constants are those of the first step.
    """
    rngs = starting_rngs(jax.random.key(int(run.result.get("seed", 0))))
    return build_model(model_config(run), dataset, rngs=rngs, untrained=untrained)


def best_parameters(run: Run, model: Retriever, *, checkpoints: Path | None = None) -> Any:
    """The parameters that gave the result of a run.

    Args:
        run: a finished run.
        model: its model, on the data of the run.
        checkpoints: where its checkpoints lie; None: in the run directory.

    Returns:
        An ``nnx.State`` of the model's parameters.

    Raises:
        DataError: the checkpoints are gone, damaged or of another model.
    """
    where = run.directory / "checkpoints" if checkpoints is None else checkpoints
    if not (where / "best").is_dir():
        raise DataError.at(
            where,
            found="no checkpoint",
            expected="the checkpoints of the run, with 'best' among them",
            action="Name their place, or train the run again.",
        )
    with Checkpoints(where, layout=Layout.of(run.dataset)) as saves:
        return saves.restore_latest_best(nnx.state(model, nnx.Param))


__all__ = ["best_parameters", "model_config", "run_experiment", "starting_model"]
