"""What finished runs of item kNN, EASE and blends are made of, made again or found again."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import numpy as np

from recgoat_jax.errors import DataError
from recgoat_jax.files import CONFIG_FILE
from recgoat_jax.models.ease import Ease
from recgoat_jax.models.item_knn import ItemKnn
from recgoat_jax.serving.run import WITHOUT_VECTORS, Run, ServedVectors, load_run
from recgoat_jax.serving.trained import readable_config
from recgoat_jax.training.experiment import from_json
from recgoat_jax.training.ranker_run import CHOSEN, CHOSEN_BESIDE, MemoryExperiment, memory_ranker
from recgoat_jax.training.result import MODEL_DIRECTORY


def memory_of(run: Run) -> Ease | ItemKnn:
    """The ranker of a run of item kNN or EASE, or that which a blend adds to its model.

    Args:
        run: the finished run.

    Returns:
        The ranker, with the settings that validation chose.

    Raises:
        DataError: a run directory of another program, or data or features that are gone or have changed.
    """
    blend = "beside" in run.config
    told = run.config["beside"] if blend else run.config
    with readable_config(run, action="Run it again: delete the directory and start the same command."):
        (kind,) = (one for one in get_args(MemoryExperiment) if one.__name__ == told["type"])
        names = {one.name for one in fields(kind)} - {"data"}
        experiment = from_json(kind, {name: told[name] for name in names})
        chosen = {name: run.config[CHOSEN_BESIDE if blend else CHOSEN][name] for name in experiment.settings}
    # Interactions alone need no features, which may lie in files that are gone.
    dataset = run.dataset_with_features if chosen.get("content_weight") else run.dataset
    return memory_ranker(experiment, dataset)(chosen)


def model_of_blend(run: Run, vectors: ServedVectors) -> Run:
    """The run of the model of a blend, which alone can make vectors of newcomers.

    Args:
        run: the finished run of the blend.
        vectors: those that the blend has of its model.

    Returns:
        The model's run, on the data of the blend.

    Raises:
        DataError: a blend that does not say where its model lies, or no run with these vectors there.
    """
    expected = f"the run of the model of blend {run.directory}, with the vectors that the blend has"
    action = "Put it back in its place, or delete the blend and make it again: recgoat blend."
    place = run.config.get(MODEL_DIRECTORY)
    if place is None:
        found = f"no field '{MODEL_DIRECTORY}'"
        raise DataError.at(run.directory / CONFIG_FILE, found=found, expected=expected, action=action)
    directory = (run.directory.resolve() / place).resolve()
    if not directory.is_dir():
        raise DataError.at(directory, found="no such directory", expected=expected, action=action)
    model = load_run(directory, data=run.data or Path(str(run.config["dataset_directory"])))
    if model.result["model"] in WITHOUT_VECTORS or any(
        not np.array_equal(ours, theirs) for ours, theirs in zip(vectors, model.vectors, strict=True)
    ):
        raise DataError.at(directory, found="another run", expected=expected, action=action)
    return model


__all__ = ["memory_of", "model_of_blend"]
