"""The files of a finished run: written once, read back instead of running again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from recgoat_jax.data.serialize import to_npz
from recgoat_jax.encoders.recipes import LoadedData
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation import EvalResult
from recgoat_jax.evaluation.ranking import VectorPair
from recgoat_jax.files import CONFIG_FILE, PER_USER_FILE, RESULT_FILE, VECTORS_FILE, write_atomically
from recgoat_jax.progress import ProgressLine
from recgoat_jax.training.experiment import differences

MODEL_DIRECTORY = "model_directory"
"""Where the model of a blend lies, relative to the blend, so that the two can be moved together."""

PLACES = frozenset({"data", "dataset_directory", "feature_files", MODEL_DIRECTORY})
"""Settings of a run that say where what it reads lies. The place may change; the hashes may not."""


@dataclass(frozen=True)
class RunResult:
    """What a finished run found.

    Attributes:
        directory: the run directory.
        name: name of the experiment.
        model: class of the model's config, without "Config".
        protocol: split protocol of the data.
        dataset: hash of the data.
        dataset_name: name of the data.
        valid: validation metrics of the selected epoch, ``{"recall@20": ...}``.
        test: test metrics of the same parameters.
        best_epoch: the selected epoch; 0 is the start.
        epochs: epochs done.
        seconds: wall-clock seconds of training and validation, over all starts.
        seed: seed of the run.
        commit: commit of the working tree, or None.
    """

    directory: Path
    name: str
    model: str
    protocol: str
    dataset: str
    dataset_name: str
    valid: Mapping[str, float]
    test: Mapping[str, float]
    best_epoch: int
    epochs: int
    seconds: float
    seed: int
    commit: str | None

    def to_json(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return {name: value for name, value in asdict(self).items() if name != "directory"}


def data_settings(loaded: LoadedData) -> dict[str, Any]:
    """What a run's ``config.json`` says of its data, beside the recipe.

    Args:
        loaded: the data.

    Returns:
        Directory and hash; identity and place of the features that come from files, where there are any.
    """
    directory, dataset, attached = loaded
    settings: dict[str, Any] = {
        "dataset_directory": str(directory.resolve()),
        "dataset_hash": dataset.manifest.hash,
    }
    if attached is not None:
        settings |= {"features": attached.identity, "feature_files": attached.files}
    return settings


def check_same_run(
    directory: Path | epath.Path, config: Mapping[str, Any], *, holds: str = "a run", option: str = "--workdir"
) -> None:
    """Refuses a directory that holds something of another experiment.

    Args:
        directory: a run directory, or that of its checkpoints.
        config: settings of the run that is to start.
        holds: what the directory holds, for the message.
        option: the option that names another one.

    Raises:
        UsageError: other settings.
        DataError: settings that cannot be read.
    """
    stored = stored_settings(directory, option=option)
    if stored is None:
        return
    found = differences(without_places(stored), without_places(config))
    if found:
        raise UsageError(
            f"{directory}: found {holds} of another experiment ({'; '.join(found[:5])}); expected the same settings. "
            f"Choose another {option}, or delete this one."
        )


def stored_settings(directory: Path | epath.Path, *, option: str = "--workdir") -> dict[str, Any] | None:
    """The settings of the run in a directory; None where there is no run.

    Args:
        directory: a run directory, or that of its checkpoints.
        option: the option that names another one, for the message.

    Raises:
        DataError: settings that cannot be read.
    """
    path = directory / CONFIG_FILE
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError.at(
            path,
            found=f"a damaged file ({error})",
            expected="the settings of a run",
            action=f"Choose another {option}, or delete this one.",
        ) from error


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that decide its figures: all but where the data lies."""
    return {name: value for name, value in config.items() if name not in PLACES}


def differing_settings(stored: Mapping[str, Any], experiment: Mapping[str, Any]) -> list[str]:
    """Where the settings of a run are not those of an experiment; what only the run tells, such as hashes, aside.

    Args:
        stored: settings of the run, as of `stored_settings`.
        experiment: the experiment as JSON values.

    Returns:
        One line a difference, as of `recgoat_jax.training.experiment.differences`.
    """
    given = without_places(experiment)
    return differences({name: stored.get(name) for name in given}, given)


def write_result(result: RunResult, vectors: VectorPair | None, test: EvalResult) -> None:
    """Writes the files that a finished run leaves; ``result.json`` comes last and says that it is complete.

    Args:
        result: the result.
        vectors: final vectors of users and items; None: the run has none.
        test: test metrics of every user.
    """
    directory = result.directory
    if vectors is not None:
        arrays = {name: np.asarray(side) for name, side in zip(("users", "items"), vectors, strict=True)}
        write_atomically(directory / VECTORS_FILE, to_npz(arrays))
    test.write_parquet(directory / PER_USER_FILE)
    write_atomically(directory / RESULT_FILE, json.dumps(result.to_json(), indent=2) + "\n")


def read_result(workdir: Path) -> RunResult | None:
    """The result of a finished run; None where there is none."""
    path = workdir / RESULT_FILE
    if not path.exists():
        return None
    return result_from_json(workdir, json.loads(path.read_text(encoding="utf-8")))


def tell_finished(workdir: Path, line: ProgressLine | None) -> None:
    """Says on the progress line, if there is one, that a run was finished before."""
    if line:
        line.show(f"finished already; the result is in {workdir / RESULT_FILE}", final=True)


def result_from_json(workdir: Path, content: Mapping[str, Any]) -> RunResult:
    """The inverse of `RunResult.to_json`."""
    return RunResult(directory=workdir, **content)


__all__ = [
    "RunResult",
    "check_same_run",
    "data_settings",
    "differing_settings",
    "read_result",
    "result_from_json",
    "stored_settings",
    "tell_finished",
    "without_places",
    "write_result",
]
