"""``recgoat train``: an experiment file, or a model by name on a prepared directory."""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from etils import epath

from recgoat_jax.cli.result_lines import metric_lines
from recgoat_jax.cli.supervise import end_of_trainer, end_with_parent, is_watched, supervised
from recgoat_jax.encoders.recipes import PreparedData, with_root
from recgoat_jax.errors import UsageError
from recgoat_jax.models.bpr_mf import BprMfConfig
from recgoat_jax.models.build import ModelConfig
from recgoat_jax.models.light_gcn import LightGcnConfig
from recgoat_jax.models.most_popular import MostPopularConfig
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.training.buckets import check_writable
from recgoat_jax.training.cluster import HostsConfig, find_cluster, on_cloud_tpu
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.hosts import is_first, join
from recgoat_jax.training.loop import train
from recgoat_jax.training.mesh import parse_mesh
from recgoat_jax.training.mirror import mirrored
from recgoat_jax.training.python_file import names_in
from recgoat_jax.training.result import RunResult

MODELS: dict[str, type[ModelConfig]] = {
    "recgoat": RecGoatConfig,
    "lightgcn": LightGcnConfig,
    "bpr": BprMfConfig,
    "most-popular": MostPopularConfig,
}
"""Names of the models on the command line."""


@dataclass(frozen=True)
class TrainCommand:
    """Trains, or goes on with, one run."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")] = field(default_factory=Experiment)
    """Settings of the run."""
    data: Path | None = None
    """Prepared directory (with a model name), or the root of the shared research data (with an experiment file)."""
    workdir: str | None = None
    """Run directory, or bucket path; by default runs/NAME-seedSEED."""
    mesh: str | None = None
    """Shape of the device mesh, such as data=4,rows=2; by default one device, or all along data."""
    checkpoints: str | None = None
    """Directory, or bucket path, of the checkpoints; by default checkpoints in the run directory."""
    hosts: Annotated[HostsConfig, tyro.conf.arg(name="")] = field(default_factory=HostsConfig)
    """Which processes train together."""
    json: bool = False
    """Print the result as JSON instead of text."""
    quiet: bool = False
    """No progress line."""


def load_experiment(path: Path) -> Experiment:
    """The ``CONFIG`` of an experiment file.

    Args:
        path: a Python file.

    Returns:
        Its experiment.

    Raises:
        UsageError: no such file, or no ``CONFIG`` in it.
    """
    if not path.is_file():
        raise UsageError(
            f"'{path}' is neither a file nor a model; expected an experiment file or one of {', '.join(MODELS)}."
        )
    found = names_in(path).get("CONFIG")
    if not isinstance(found, Experiment):
        raise UsageError(f"{path}: found no CONFIG; expected 'CONFIG = Experiment(...)' at the top level.")
    return found


def parse(arguments: Sequence[str]) -> TrainCommand:
    """The command that the arguments ask for, data already in place."""
    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            print(
                f"usage: recgoat train EXPERIMENT.py|{'|'.join(MODELS)} [OPTIONS]\n\n"
                "recgoat train EXPERIMENT.py --help (or a model's name) shows every setting and its default."
            )
            raise SystemExit(0)
        raise UsageError(f"expected an experiment file or one of {', '.join(MODELS)} first.")
    target, rest = arguments[0], list(arguments[1:])
    by_name = target in MODELS
    base = (
        Experiment(name=target, data=PreparedData(), model=MODELS[target]())
        if by_name
        else load_experiment(Path(target))
    )
    command = tyro.cli(
        TrainCommand,
        default=TrainCommand(experiment=base),
        args=rest,
        prog=f"recgoat train {target}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    experiment = command.experiment
    if command.data is not None:
        experiment = replace(experiment, data=with_root(experiment.data, command.data))
    elif by_name and experiment.data.directory == PreparedData().directory:
        raise UsageError("expected --data DIR, a directory made by 'recgoat prepare'.")
    return replace(command, experiment=experiment)


def run(command: TrainCommand) -> RunResult:
    """Trains what the command asks for."""
    experiment = command.experiment
    workdir = command.workdir or str(Path("runs") / f"{experiment.name}-seed{experiment.seed}")
    mesh = None if command.mesh is None else parse_mesh(command.mesh)
    if "://" not in workdir:
        if command.checkpoints is not None:
            check_writable(command.checkpoints, option="--checkpoints")
        return train(experiment, workdir=Path(workdir), quiet=command.quiet, mesh=mesh, checkpoints=command.checkpoints)
    check_writable(workdir, option="--workdir")
    checkpoints = command.checkpoints or f"{workdir}/checkpoints"
    local = Path("runs") / workdir.partition("://")[2]
    with mirrored(local, epath.Path(workdir)) if is_first() else nullcontext():
        return train(experiment, workdir=local, quiet=command.quiet, mesh=mesh, checkpoints=checkpoints)


def report(command: TrainCommand) -> int:
    """Trains, and prints the result."""
    result = run(command)
    if not is_first():
        return 0
    if command.json:
        print(json.dumps({**dataclasses.asdict(result), "directory": str(result.directory)}))
        return 0
    print(f"{result.name} ({result.model}) on {result.dataset_name}, {result.protocol}, seed {result.seed}")
    print(f"selected epoch {result.best_epoch} of {result.epochs}, {result.seconds:.0f} s, in {result.directory}")
    print("\n".join(metric_lines(result)))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat train``; returns the exit code."""
    try:
        command = parse(arguments)
    except ValueError as error:  # a config that contradicts itself
        raise UsageError(str(error)) from error
    cluster = find_cluster(command.hosts, os.environ, has_tpu=on_cloud_tpu())
    if cluster is None:
        return report(command)
    if not is_watched(os.environ):
        return supervised(arguments, cluster=cluster, config=command.hosts)
    end_with_parent(os.environ)

    def together() -> int:
        join(cluster, command.hosts)
        return report(command)

    return end_of_trainer(together, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["MODELS", "TrainCommand", "load_experiment", "main", "parse", "run"]
