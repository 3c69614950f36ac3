"""``recgoat plan``: whether an experiment fits a slice, and what it costs, before anything is paid."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import jax
import tyro

from recgoat_jax.cli.output_file import check_output_file
from recgoat_jax.cli.train import MODELS, load_experiment
from recgoat_jax.encoders.recipes import PreparedData, with_root
from recgoat_jax.errors import UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.planning import Plan, make_plan
from recgoat_jax.planning.chips import TABLE, find_topology, read_chips
from recgoat_jax.planning.sizes import planned_data
from recgoat_jax.planning.text import as_text, sweep_table
from recgoat_jax.training.experiment import Experiment
from recgoat_jax.training.mesh import parse_mesh


@dataclass(frozen=True)
class PlanCommand:
    """Compiles the training step of an experiment for a slice of chips that need not be here."""

    experiment: tyro.conf.Positional[str]
    """Experiment file, or the name of a model."""
    topology: str | None = None
    """The slice, such as v5e:16x16 or v5p:4x4x4; or cpu:N, the devices of this process."""
    sweep: tuple[str, ...] = ()
    """Several slices, one after the other: a table, and the scaling figure."""
    mesh: str | None = None
    """Shape of the mesh, such as data=4,rows=4; rows=all spreads rows over every device of each slice."""
    users: int | None = None
    """Users; by default as many as the data has."""
    items: int | None = None
    """Items; by default as many as the data has."""
    edges: int | None = None
    """Training pairs; by default as many as the data has."""
    global_batch: int | None = None
    """Examples of a step over all devices; by default that of the experiment."""
    dim: int | None = None
    """Width of the vectors; by default that of the experiment."""
    data: Path | None = None
    """Root of the shared research data, or the prepared directory of a model's name."""
    chips: Path = TABLE
    """Table of chips and prices (TOML)."""
    json: Path | None = None
    """File for everything, as JSON; of a sweep a list."""
    figure: Path = Path("scaling")
    """File for the scaling figure of a sweep, without suffix: PNG and PDF."""
    only_step: bool = False
    """Leave out what is compiled beside the step: one propagation, the ranking of a block of users."""


def run(command: PlanCommand) -> list[Plan]:
    """Plans what the command asks for, and writes the files that it names."""
    slices = [*([command.topology] if command.topology else []), *command.sweep]
    if not slices:
        raise UsageError("expected --topology SLICE, or --sweep SLICE SLICE ...; for example --topology v5e:4x4.")
    check_output_file(command.json)
    experiment = _experiment(command)
    chips = read_chips(command.chips)
    topologies = [find_topology(name, chips) for name in slices]
    planned = planned_data(
        experiment.data,
        users=command.users,
        items=command.items,
        pairs=command.edges,
        batch=command.global_batch or experiment.loop.batch_size,
    )
    plans = []
    for topology in topologies:
        text = None if command.mesh is None else command.mesh.replace("rows=all", f"rows={len(topology.devices)}")
        mesh = None if text is None else parse_mesh(text)
        plans.append(make_plan(experiment, planned, topology, mesh=mesh, with_others=not command.only_step))
        print(as_text(plans[-1]), end="\n\n", flush=True)
        if command.json is not None:
            found = [plan.to_json() for plan in plans]
            write_atomically(command.json, json.dumps(found if command.sweep else found[0], indent=2) + "\n")
    if command.sweep:
        print(sweep_table(plans))
        from recgoat_jax.report.scaling import draw_scaling

        for path in draw_scaling([plan.to_json() for plan in plans], command.figure):
            print(path)
    return plans


def _experiment(command: PlanCommand) -> Experiment:
    """The experiment, its data in place and its width as asked for."""
    if command.experiment in MODELS:
        experiment = Experiment(name=command.experiment, data=PreparedData(), model=MODELS[command.experiment]())
    else:
        experiment = load_experiment(Path(command.experiment))
    if command.data is not None:
        experiment = replace(experiment, data=with_root(experiment.data, command.data))
    if command.dim is not None:
        if "dim" not in {field.name for field in fields(experiment.model)}:
            raise UsageError(f"--dim {command.dim}: {type(experiment.model).__name__} has no width; expected none.")
        model = replace(experiment.model, dim=command.dim)  # type: ignore[call-arg]  # a field of it, as just seen
        experiment = replace(experiment, model=model)
    return experiment


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat plan``; returns the exit code: 5 where a slice does not suffice."""
    command = tyro.cli(PlanCommand, args=list(arguments), prog="recgoat plan")
    # Programs are compiled for chips elsewhere; JAX must not look for any here.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    jax.config.update("jax_platforms", "cpu")
    try:
        plans = run(command)
    except ValueError as error:  # a config that contradicts itself
        raise UsageError(str(error)) from error
    return 0 if all(plan.fits for plan in plans) else 5


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["PlanCommand", "main", "run"]
