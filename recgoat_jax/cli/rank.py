"""``recgoat rank``: a ranker that is not trained, on a prepared directory; validation chooses its settings."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from recgoat_jax.cli.result_lines import metric_lines
from recgoat_jax.encoders.recipes import PreparedData, with_root
from recgoat_jax.errors import UsageError
from recgoat_jax.serving.run import load_run
from recgoat_jax.training.ranker_run import (
    CHOSEN,
    ContentKnnExperiment,
    EaseExperiment,
    ItemKnnExperiment,
    run_ranker,
    shown_settings,
)
from recgoat_jax.training.result import RunResult

RANKERS: dict[str, type[ContentKnnExperiment] | type[EaseExperiment] | type[ItemKnnExperiment]] = {
    "ease": EaseExperiment,
    "item-knn": ItemKnnExperiment,
    "content-knn": ContentKnnExperiment,
}
"""Names of the rankers on the command line."""

Ranker = TypeVar("Ranker", bound=ContentKnnExperiment | EaseExperiment | ItemKnnExperiment)


@dataclass(frozen=True)
class RankCommand(Generic[Ranker]):
    """Makes one run of a ranker that is not trained."""

    experiment: Annotated[Ranker, tyro.conf.arg(name="")]
    """Settings that are tried."""
    data: Path | None = None
    """Prepared directory."""
    workdir: Path | None = None
    """Run directory; by default runs/NAME."""
    json: bool = False
    """Print the result as JSON instead of text."""
    quiet: bool = False
    """No progress line."""


def parse(arguments: Sequence[str]) -> RankCommand[Any]:
    """The command that the arguments ask for, data already in place."""
    names = ", ".join(RANKERS)
    if arguments and arguments[0] in ("-h", "--help"):
        print(
            f"usage: recgoat rank {'|'.join(RANKERS)} --data DIR [OPTIONS]\n\n"
            "recgoat rank NAME --help shows every setting and its default."
        )
        raise SystemExit(0)
    if not arguments or arguments[0] not in RANKERS:
        raise UsageError(f"found {'nothing' if not arguments else repr(arguments[0])}; expected one of {names} first.")
    kind = RANKERS[arguments[0]]
    command = tyro.cli(
        RankCommand[kind],
        default=RankCommand(kind(name=arguments[0], data=PreparedData())),
        args=list(arguments[1:]),
        prog=f"recgoat rank {arguments[0]}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    experiment = command.experiment
    if command.data is not None:
        return replace(command, experiment=replace(experiment, data=with_root(experiment.data, command.data)))
    if experiment.data.directory == PreparedData().directory:
        raise UsageError("expected --data DIR, a directory made by 'recgoat prepare'.")
    return command


def run(command: RankCommand[Any]) -> RunResult:
    """Makes the run that the command asks for, or reads it."""
    workdir = command.workdir or Path("runs") / command.experiment.name
    return run_ranker(command.experiment, workdir=workdir, quiet=command.quiet)


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat rank``; returns the exit code."""
    try:
        command = parse(arguments)
    except ValueError as error:  # a config that contradicts itself
        raise UsageError(str(error)) from error
    result = run(command)
    chosen = load_run(result.directory).config[CHOSEN]
    if command.json:
        print(json.dumps({**asdict(result), "directory": str(result.directory), "chosen": chosen}))
        return 0
    print(f"{result.name} ({result.model}) on {result.dataset_name}, {result.protocol}")
    print(f"{shown_settings(chosen)}, {result.seconds:.0f} s, in {result.directory}")
    print("\n".join(metric_lines(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["RANKERS", "RankCommand", "main", "parse", "run"]
