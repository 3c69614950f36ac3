"""Rankers of finished runs that remember pairs of items, made again from data and settings."""

from dataclasses import fields
from typing import get_args

from recgoat_jax.models.ease import Ease
from recgoat_jax.models.item_knn import ItemKnn
from recgoat_jax.serving.run import Run
from recgoat_jax.serving.trained import readable_config
from recgoat_jax.training.experiment import from_json
from recgoat_jax.training.ranker_run import CHOSEN, CHOSEN_BESIDE, MemoryExperiment, memory_ranker


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


__all__ = ["memory_of"]
