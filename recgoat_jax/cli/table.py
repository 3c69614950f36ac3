"""``recgoat table``: the rows of a data set over seeds, what is missing run, what is stopped gone on with."""

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import tyro

from recgoat_jax.encoders.recipes import DataConfig, SharedData, with_root
from recgoat_jax.errors import DataError, RunStoppedError, UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.report.result_table import (
    AnyExperiment,
    ResultTable,
    TablePart,
    TableRow,
    latex,
    markdown,
    part_content,
    table_figure,
)
from recgoat_jax.report.style import save
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.serving.run import load_run
from recgoat_jax.training import Experiment, RunResult, read_result, train
from recgoat_jax.training.failures import failure_of_settings
from recgoat_jax.training.python_file import names_in, path_in_package
from recgoat_jax.training.ranker_run import BlendExperiment, run_ranker, settings_json
from recgoat_jax.training.result import differing_settings, stored_settings


@dataclass(frozen=True)
class TableCommand:
    """Runs what is missing of a table, then writes every part that is whole: NAME.json, .md, .tex, .png and .pdf.

    What is finished is kept in NAME.runs, a file of some kilobytes a run, and is not run again: a table grows by seeds
    and rows, on one machine after another. To run a row and seed again, delete its file and its run directory.
    """

    table: tyro.conf.Positional[Path]
    """Python file with a TABLE, such as experiments/tables/ml_100k.py."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every row; a part may take only the first ones."""
    parts: tuple[str, ...] = ()
    """Parts of the table; none: all."""
    data: Path | None = None
    """Root of the shared research data."""
    out: Path = Path("runs/tables")
    """Where the run directories lie; a finished run that the results keep needs none."""
    results: Path | None = None
    """Where the tables are written; None: results, beside the table file, or beside its folder if that is a package."""
    replace: bool = False
    """Replace a stored part by one of fewer seeds."""
    verify: str | None = None
    """Label of a row: runs it again with the first seed and compares with the stored figures, bit for bit."""
    render: bool = False
    """Shows what is there: runs nothing and writes nothing."""
    json: bool = False
    """Print JSON instead of Markdown."""
    quiet: bool = False
    """No progress lines."""


def load_table(path: Path) -> ResultTable:
    """The ``TABLE`` of a file.

    Args:
        path: a Python file.

    Returns:
        Its table.

    Raises:
        UsageError: no such file, or no ``TABLE`` in it.
    """
    if not path.is_file():
        raise UsageError(f"'{path}' is no file; expected a Python file with a TABLE = ResultTable(...).")
    found = names_in(path).get("TABLE")
    if not isinstance(found, ResultTable):
        raise UsageError(f"{path}: found no TABLE; expected 'TABLE = ResultTable(...)' at the top level.")
    return found


def run(command: TableCommand) -> dict[str, Any]:
    """Runs what is missing and writes the parts that are whole.

    Args:
        command: what is asked for.

    Returns:
        Key to content of every part that was asked for, whole or not.

    Raises:
        UsageError: an unknown part, no seed or one that is given twice, not all the seeds that are stored, or runs of
            other settings in ``out``.
        RunStoppedError: rows whose loss is not a number, or that ran out of memory; all others are finished.
    """
    return _contents(load_table(command.table), command)


def _contents(table: ResultTable, command: TableCommand) -> dict[str, Any]:
    """`run`, of a table that is loaded."""
    parts = _chosen(table, command)
    _refuse_other_runs(parts, command)
    if not command.render:
        _refuse_fewer_seeds(parts, command)
        _files(command)["runs"].mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    failed: dict[Path, str] = {}
    shown = (
        f"recgoat table {shlex.quote(str(path_in_package(command.table)))} --seeds {' '.join(map(str, command.seeds))}"
    )
    if any(isinstance(row.experiment.data, SharedData) for part in parts.values() for row in part.rows):
        shown += " --data DATA"
    for key, part in parts.items():
        # Twice: data that the first run makes may be other than that of kept runs, which are missing from then on.
        for seed, row in 2 * _plan(part, command.seeds):
            workdir = _directory(row, seed, command)
            if command.render or not failed.keys().isdisjoint(_directories(row, seed, command)):
                continue
            if _kept_run(row, seed, command) is not None:
                continue
            try:
                _finished(row, seed, workdir, command)
                _keep(row, seed, command)
            except Exception as error:
                if (reason := failure_of_settings(error)) is None:
                    raise
                failed[workdir] = reason
        found[key] = part_content(part, _runs(part, command), seeds=command.seeds, command=f"{shown} --parts {key}")
        if found[key]["complete"] and not command.render:
            _store(table, key, found[key], command)
    if failed:
        reasons = "\n".join(f"  {workdir}: {reason}" for workdir, reason in failed.items())
        raise RunStoppedError(
            f"{len(failed)} of the table's runs failed, the others are finished; parts with them are not written:\n"
            f"{reasons}"
        )
    return found


def verify(command: TableCommand) -> RunResult:
    """Runs a row anew and compares it with the stored figures.

    Args:
        command: what is asked for, with the label of a row.

    Returns:
        The new run.

    Raises:
        UsageError: an unknown label.
        DataError: no stored figures for the row and seed, or those of other settings or data.
        RunStoppedError: other figures.
    """
    table = load_table(command.table)
    _chosen(table, command)
    seed = command.seeds[0]
    rows = {row.label: row for part in table.parts.values() for row in part.rows}
    if command.verify not in rows:
        raise UsageError(f"--verify: found '{command.verify}'; expected one of {', '.join(rows)}.")
    row = rows[command.verify]
    stored = _stored_run(row, seed if row.has_seeds else None, command)
    again = replace(command, out=command.out / "verify")
    workdir = _directory(row, seed, again)
    for directory in _directories(row, seed, again):
        if read_result(directory) is not None:
            # What an earlier check left; a run that was stopped goes on.
            shutil.rmtree(directory)
    anew = _finished(row, seed, workdir, again)
    for split, ours in (("valid", anew.valid), ("test", anew.test)):
        if dict(ours) != stored[split]:
            changed = [
                f"{name} {stored[split].get(name)} before, {value} now"
                for name, value in ours.items()
                if stored[split].get(name) != value
            ]
            raise RunStoppedError(
                f"{anew.directory}: found other figures than are stored ({split}: {'; '.join(changed)}); expected the "
                f"same bits. They are those of {stored['hardware']}, commit {stored['commit']}."
            )
    return anew


def _chosen(table: ResultTable, command: TableCommand) -> dict[str, TablePart]:
    unknown = [key for key in command.parts if key not in table.parts]
    if unknown or not command.seeds or len(set(command.seeds)) < len(command.seeds):
        raise UsageError(
            f"found parts {list(command.parts)} and seeds {list(command.seeds)}; expected parts of "
            f"{', '.join(table.parts)} and one seed or more, each once."
        )
    return {key: table.parts[key] for key in command.parts or table.parts}


def _refuse_other_runs(parts: Mapping[str, TablePart], command: TableCommand) -> None:
    """Before anything runs: what lies there are runs of the table's settings."""
    wrong: dict[Path, str] = {}
    for part in parts.values():
        for seed, row in _plan(part, command.seeds):
            if _kept_run(row, seed, command) is not None:
                continue
            for directory, experiment in _directories(row, seed, command).items():
                stored = stored_settings(directory, option="--out")
                found = [] if stored is None else differing_settings(stored, settings_json(experiment))
                if found:
                    wrong[directory] = "; ".join(found[:3])
    if wrong:
        listed = "\n".join(f"  {workdir}: {found}" for workdir, found in wrong.items())
        raise UsageError(
            f"{command.out}: found {len(wrong)} runs of other settings than the table's; expected the same. Choose "
            f"another --out, or delete them:\n{listed}"
        )


def _refuse_fewer_seeds(parts: Mapping[str, TablePart], command: TableCommand) -> None:
    """Before anything runs: what is stored is not replaced by less."""
    path = _files(command)["json"]
    stored = _read(path).get("parts", {})
    for key, part in parts.items():
        if key not in stored or command.replace:
            continue
        with_seeds = {row.label: row for row in part.rows if row.has_seeds}
        theirs = {run["seed"] for row in stored[key]["rows"] if row["label"] in with_seeds for run in row["runs"]}
        ours = {seed for row in with_seeds.values() for seed in part.seeds_of(row, command.seeds)}
        if theirs - ours:
            raise UsageError(
                f"{path}: found part '{key}' with the seeds {sorted(theirs)}; expected all of them among "
                f"{sorted(ours)}. Name them with --seeds, choose another --results, or say --replace."
            )


def _plan(part: TablePart, seeds: Sequence[int]) -> list[tuple[int, TableRow]]:
    """Runs of a part, seed after seed, so that a stopped table has all rows of some seeds."""
    order = {seed: position for position, seed in enumerate(seeds)}
    runs = [(seed, row) for row in part.rows for seed in part.seeds_of(row, seeds)]
    return sorted(runs, key=lambda run: order[run[0]])


def _directory(row: TableRow, seed: int, command: TableCommand) -> Path:
    """The run directory of a row and seed; what no seed changes is run once, whichever seeds are asked for."""
    return _directory_of(row.experiment.name, row, seed, command)


def _directories(row: TableRow, seed: int, command: TableCommand) -> dict[Path, AnyExperiment]:
    """What is run for a row and seed, and where: of a blend its model and its other ranker as well."""
    experiment, workdir = row.with_seed(seed), _directory(row, seed, command)
    found: dict[Path, AnyExperiment] = {workdir: experiment}
    if isinstance(experiment, BlendExperiment):
        model = _model_directory(row, seed, command)
        assert model is not None
        found |= {model: experiment.trained, workdir.with_name(experiment.beside.name): experiment.beside}
    return found


def _model_directory(row: TableRow, seed: int, command: TableCommand) -> Path | None:
    """The run directory of the model of a blend: that of the model's own row."""
    found = row.experiment
    return _directory_of(found.trained.name, row, seed, command) if isinstance(found, BlendExperiment) else None


def _directory_of(name: str, row: TableRow, seed: int, command: TableCommand) -> Path:
    return command.out / (f"{name}-seed{seed}" if row.has_seeds else name)


def _finished(row: TableRow, seed: int, workdir: Path, command: TableCommand) -> RunResult:
    """The result of a row and seed, run where it is missing."""
    experiment, data = row.with_seed(seed), _data(row, command)
    blend = isinstance(experiment, BlendExperiment)
    experiment = experiment.with_data(data) if blend else replace(experiment, data=data)
    if isinstance(experiment, Experiment):
        result = train(experiment, workdir=workdir, quiet=command.quiet)
    else:
        # Its other ranker has no seeds, and lies in a directory of its name beside it.
        model = _model_directory(row, seed, command)
        result = run_ranker(experiment, workdir=workdir, model_workdir=model, quiet=command.quiet)
    # Each row compiles programs of its own; of dozens in one process none would ever be let go.
    jax.clear_caches()
    return result


def _data(row: TableRow, command: TableCommand) -> DataConfig:
    """The data of a row where the command says that it lies."""
    given = row.experiment.data
    return given if command.data is None else with_root(given, command.data)


def _runs(part: TablePart, command: TableCommand) -> dict[str, list[TableRun]]:
    """Label to finished runs; of rows without seeds the first stands for all."""
    found = {}
    for row in part.rows:
        runs = [
            _kept_run(row, seed, command) or _run_in_directory(row, seed, command)
            for seed in part.seeds_of(row, command.seeds)
        ]
        found[row.label] = [run for run in runs if run is not None]
    return found


def _kept_run(row: TableRow, seed: int, command: TableCommand) -> TableRun | None:
    """The kept run of a row and seed; None where there is none, or one of other settings."""
    path = _kept_file(row, seed, command)
    if not path.exists():
        return None
    run = TableRun.read(path)
    return run if run.fits(row.settings, _data(row, command), seed=seed if row.has_seeds else None) else None


def _run_in_directory(row: TableRow, seed: int, command: TableCommand) -> TableRun | None:
    directory = _directory(row, seed, command)
    return None if read_result(directory) is None else TableRun.of(load_run(directory), row.settings)


def _keep(row: TableRow, seed: int, command: TableCommand) -> None:
    """Keeps the finished run of a row and seed beside the results."""
    run, path = _run_in_directory(row, seed, command), _kept_file(row, seed, command)
    assert run is not None
    if (model := _model_directory(row, seed, command)) is not None:
        _refuse_other_model(model, path.with_name(f"{model.name}.parquet"))
    path.parent.mkdir(parents=True, exist_ok=True)
    run.write(path)


def _refuse_other_model(model: Path, kept: Path) -> None:
    """A blend is tested against its model's row: both are of the same training, or nothing is kept."""
    if not kept.exists():
        return
    found, before = load_run(model), TableRun.read(kept)
    if found.result["test"] != before.record["test"]:
        raise DataError.at(
            kept,
            found=f"the figures of another training ({before.record['hardware']}) than in {model} ({found.hardware})",
            expected="those of the model that the blend was made with",
            action="Delete this file to keep that model's figures in its place.",
        )


def _kept_file(row: TableRow, seed: int, command: TableCommand) -> Path:
    return _files(command)["runs"] / f"{_directory(row, seed, command).name}.parquet"


def _files(command: TableCommand) -> dict[str, Path]:
    beside = command.table.absolute().parent
    folder = command.results or (beside.parent if (beside / "__init__.py").exists() else beside) / "results"
    return {kind: folder / f"{command.table.stem}.{kind}" for kind in ("json", "md", "tex", "runs")}


def _store(table: ResultTable, key: str, content: dict[str, Any], command: TableCommand) -> None:
    """Writes a whole part; the other parts of the table stay as they are."""
    files = _files(command)
    files["json"].parent.mkdir(parents=True, exist_ok=True)
    parts = _read(files["json"]).get("parts", {}) | {key: content}
    if gone := [name for name in parts if name not in table.parts]:
        print(f"{files['json']}: left out, since the table has it no longer: {', '.join(gone)}", file=sys.stderr)
    stored = {"title": table.title, "parts": {name: parts[name] for name in table.parts if name in parts}}
    write_atomically(files["json"], json.dumps(stored, indent=1) + "\n")
    write_atomically(files["md"], markdown(table.title, stored["parts"]))
    write_atomically(files["tex"], latex(stored["parts"]))
    save(table_figure(stored["parts"]), files["json"].with_suffix(""))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _stored_run(row: TableRow, seed: int | None, command: TableCommand) -> dict[str, Any]:
    """The stored figures of a row and seed; None: of a row that has no seeds."""
    path = _files(command)["json"]
    for part in _read(path).get("parts", {}).values():
        for one in part["rows"]:
            for stored in one["runs"]:
                if one["experiment"] == row.experiment.name and seed in (None, stored["seed"]):
                    kept = _kept_file(row, stored["seed"], command)
                    if kept.exists() and _kept_run(row, stored["seed"], command) is None:
                        raise DataError.at(
                            kept,
                            found=f"figures of '{row.label}' with other settings or data than the table has now",
                            expected="those of the same",
                            action="Run the table again.",
                        )
                    return stored
    raise DataError.at(
        path,
        found=f"no figures of '{row.label}'" + ("" if seed is None else f" with seed {seed}"),
        expected="those of an earlier run",
        action="Run the table first.",
    )


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat table``; returns the exit code."""
    command = tyro.cli(TableCommand, args=list(arguments), prog="recgoat table")
    if command.verify is not None:
        result = verify(command)
        print(f"{command.verify}, seed {result.seed}: the stored figures, bit for bit ({result.seconds:.0f} s)")
        return 0
    table = load_table(command.table)
    found = _contents(table, command)
    print(json.dumps(found) if command.json else markdown(table.title, found))
    written = [key for key, part in found.items() if part["complete"] and not command.render]
    if written and not command.json:
        print(f"written: {', '.join(written)}, to {_files(command)['json'].with_suffix('')}.{{json,md,tex,png,pdf}}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["TableCommand", "load_table", "main", "run", "verify"]
