"""``recgoat blend``: item kNN's scores added to those of a finished run."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.serving.run import WITHOUT_VECTORS, load_run
from recgoat_jax.serving.trained import run_experiment
from recgoat_jax.training.ranker_run import BLEND_WEIGHTS, CHOSEN, BlendExperiment, run_ranker


@dataclass(frozen=True)
class BlendCommand:
    """Adds item kNN's scores to those of a finished run, with a weight that validation chooses, as a run of its own."""

    run: tyro.conf.Positional[Path]
    """Run directory of a trained model. It stays as it is."""
    workdir: Path | None = None
    """Directory of the blend; None: that of the run with -item-knn behind it."""
    data: Path | None = None
    """Prepared data directory, where it is no longer the one that the run was trained on."""
    neighbors: int = 30
    """Nearest items of an item, by the users that they share."""
    weights: tuple[float, ...] = BLEND_WEIGHTS
    """Weights that are tried on validation; 0 is the model alone."""
    json: bool = False
    """Print JSON instead of text."""
    quiet: bool = False
    """No progress line."""


def run(command: BlendCommand) -> dict[str, Any]:
    """Chooses the weight, or reads what was chosen.

    Args:
        command: what is asked for.

    Returns:
        ``directory``, ``weight``, and for ``valid`` and ``test`` the metrics of the model alone and of the blend.

    Raises:
        UsageError: a run without vectors, or settings that contradict each other.
        DataError: no finished run, or one of another program.
    """
    finished = load_run(command.run, data=command.data)
    if finished.result["model"] in WITHOUT_VECTORS:
        raise UsageError(f"{command.run}: found a run of {finished.result['model']}; expected one of a trained model.")
    # Item kNN reads the pairs alone, so features stay where they are.
    prepared = PreparedData(command.data or Path(finished.config["dataset_directory"]))
    trained = replace(run_experiment(finished), data=prepared)
    blend = BlendExperiment.of(trained, f"{trained.name}.item_knn")
    try:
        blend = replace(blend, item_neighbors=command.neighbors, weights=command.weights)
    except ValueError as error:
        raise UsageError(str(error)) from error
    directory = command.run.resolve()
    workdir = command.workdir or directory.with_name(f"{directory.name}-item-knn")
    result = run_ranker(blend, workdir=workdir, model_workdir=command.run, quiet=command.quiet)
    return {
        "directory": str(workdir),
        "weight": load_run(workdir).config[CHOSEN]["weight"],
        "valid": {"alone": finished.result["valid"], "blend": dict(result.valid)},
        "test": {"alone": finished.result["test"], "blend": dict(result.test)},
    }


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat blend``; returns the exit code."""
    command = tyro.cli(BlendCommand, args=list(arguments), prog="recgoat blend")
    found = run(command)
    if command.json:
        print(json.dumps(found))
        return 0
    print(f"weight {found['weight']:g}, in {found['directory']}")
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
