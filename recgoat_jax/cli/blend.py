"""``recgoat blend``: the scores of EASE or item kNN added to those of a finished run."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.serving.run import WITHOUT_VECTORS, Run, load_run
from recgoat_jax.serving.trained import run_experiment
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.ranker_run import (
    BLEND_WEIGHTS,
    CHOSEN,
    CHOSEN_BESIDE,
    BlendExperiment,
    EaseExperiment,
    ItemKnnExperiment,
    MemoryExperiment,
    run_ranker,
    shown_settings,
)


@dataclass(frozen=True)
class BlendCommand:
    """Adds another ranker's scores to those of a finished run, with a weight that validation chooses, as a new run.

    The other ranker remembers which items are bought together, which a trained model's vectors cannot hold. It is a run
    of its own as well, in the folder "beside" of the blend.
    """

    run: tyro.conf.Positional[Path]
    """Run directory of a trained model. It stays as it is."""
    beside: Literal["ease", "item-knn"] = "ease"
    """The other ranker: EASE, for up to 32,768 items, or item kNN, for any number."""
    workdir: Path | None = None
    """Directory of the blend; None: that of the run with -and- and the other ranker's name behind it."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    weights: tuple[float, ...] = BLEND_WEIGHTS
    """Weights that are tried on validation: 0 is the model alone, with 1 both count the same."""
    l2: tuple[float, ...] = EaseExperiment.l2
    """Penalties that are tried, of EASE."""
    content_weights: tuple[float, ...] = EaseExperiment.content_weights
    """Weights of content that are tried, of EASE; above 0 only where the data has content. 0 reads no features."""
    neighbors: tuple[int, ...] = ItemKnnExperiment.neighbors
    """Numbers of nearest items that are tried, of item kNN."""
    json: bool = False
    """Print JSON instead of text."""
    quiet: bool = False
    """No progress line."""


def run(command: BlendCommand) -> dict[str, Any]:
    """Chooses the settings, or reads what was chosen.

    Args:
        command: what is asked for.

    Returns:
        ``directory``; ``chosen``, the weight; ``chosen_beside``, the settings of the other ranker; and for ``valid``
        and ``test`` the metrics of the model alone and of the blend.

    Raises:
        UsageError: a run without vectors, or settings that contradict each other.
        DataError: no finished run, one of another program, or data that has changed.
    """
    finished = load_run(command.run, data=command.data)
    if finished.result["model"] in WITHOUT_VECTORS:
        raise UsageError(f"{command.run}: found a run of {finished.result['model']}; expected one of a trained model.")
    directory = command.run.resolve()
    name = command.beside
    try:
        trained = replace(run_experiment(finished), data=_data(finished, command))
        blend = BlendExperiment(
            f"{trained.name}-and-{name}", trained, _beside(command, trained), weights=command.weights
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    workdir = command.workdir or directory.with_name(f"{directory.name}-and-{name}")
    result = run_ranker(
        blend, workdir=workdir, model_workdir=command.run, beside_workdir=workdir / "beside", quiet=command.quiet
    )
    config = load_run(workdir).config
    return {
        "directory": str(workdir),
        "chosen": config[CHOSEN],
        "chosen_beside": config[CHOSEN_BESIDE],
        "valid": {"alone": finished.result["valid"], "blend": dict(result.valid)},
        "test": {"alone": finished.result["test"], "blend": dict(result.test)},
    }


def _data(finished: Run, command: BlendCommand) -> PreparedData:
    """The data of a run where it lies now; its features only where they are read."""
    prepared = PreparedData(command.data or Path(finished.config["dataset_directory"]))
    if command.beside != "ease" or max(command.content_weights, default=0.0) == 0:
        return prepared
    return replace(prepared, item_features=tuple(finished.feature_files["item"]))


def _beside(command: BlendCommand, trained: Experiment) -> MemoryExperiment:
    name, loop = f"{trained.name}-{command.beside}", trained.loop
    if command.beside == "ease":
        ease = EaseExperiment.beside(trained, name)
        return replace(ease, l2=command.l2, content_weights=command.content_weights)
    return ItemKnnExperiment(
        name,
        trained.data,
        neighbors=command.neighbors,
        selection_metric=loop.selection_metric,
        cutoffs=loop.cutoffs,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat blend``; returns the exit code."""
    command = tyro.cli(BlendCommand, args=list(arguments), prog="recgoat blend")
    found = run(command)
    if command.json:
        print(json.dumps(found))
        return 0
    chosen = shown_settings(found["chosen"] | found["chosen_beside"])
    print(f"{chosen}, in {found['directory']}")
    for split in ("valid", "test"):
        alone, blend = found[split]["alone"], found[split]["blend"]
        shown = [
            f"{name} {alone[name]:.4f} -> {blend[name]:.4f}"
            for name in blend
            if name.startswith(("recall@", "ndcg@")) and name in alone
        ]
        print(f"{split:<5}  " + "  ".join(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["BlendCommand", "main", "run"]
