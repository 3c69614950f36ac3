"""A run, from an experiment to a run directory, top to bottom; the same on one device, a mesh, and many hosts.

The directory holds ``config.json``, ``environment.json``, ``metrics.jsonl``, ``result.json``, ``per_user.parquet``,
``vectors.npz`` and ``checkpoints/``. A run that was stopped in any way, SIGKILL included, goes on from its last save:
on the same mesh bit for bit as an unbroken one, on another up to rounding. A finished run is not run again: its result
is read. Of several processes all train and the first writes; they share the checkpoints.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import jax
from etils import epath

from recgoat_jax.data.storage import prepared_hash
from recgoat_jax.encoders.recipes import LoadedData, load_data
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import EvalResult
from recgoat_jax.files import CONFIG_FILE, ENVIRONMENT_FILE, write_atomically
from recgoat_jax.lock import run_lock
from recgoat_jax.progress import ProgressLine, duration
from recgoat_jax.training import hosts
from recgoat_jax.training.checkpoint import Checkpoints, claim
from recgoat_jax.training.environment import environment
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.fit import Fit, StudyTrial
from recgoat_jax.training.interrupts import catch_interrupts, stopping_at_once
from recgoat_jax.training.mesh import MeshShape, make_mesh
from recgoat_jax.training.prepared import follow_run, prepare_run
from recgoat_jax.training.result import (
    RunResult,
    check_same_run,
    data_settings,
    read_result,
    result_from_json,
    tell_finished,
    write_result,
)
from recgoat_jax.training.shared_inputs import new_directory
from recgoat_jax.training.writers import MetricsWriter, NoWriter, stopping_where_nothing_can_be_written


def train(
    experiment: Experiment,
    *,
    workdir: Path,
    quiet: bool = False,
    mesh: MeshShape | None = None,
    checkpoints: str | None = None,
    trial: StudyTrial | None = None,
) -> RunResult:
    """Runs an experiment, or goes on with it, or reads its result.

    Args:
        experiment: data, model, optimiser, loop, seed.
        workdir: the run directory; made when missing. Of several processes the first alone needs it.
        quiet: no progress line.
        mesh: shape of the device mesh. None: the plain path where there is one device, else all devices along "data".
            It is no part of the experiment: a run may go on with another.
        checkpoints: directory of the checkpoints, or bucket path; None: ``checkpoints`` in the run directory. Of
            several processes all must see it.
        trial: the trial of a study that the run is. It may end the run early; then what the run shows is validation
            alone, so that nobody chooses by test. None: a run of its own.

    Returns:
        The result, as in ``result.json``.

    Raises:
        UsageError: a blend, of which only the model is trained; the directory, or that of the checkpoints, holds a run
            of another experiment; a mesh that does not fit the devices; processes that differ in settings or data.
        DataError: the data is missing or has changed.
        RunStoppedError: non-finite loss, another run at work in the directory, or no room or permission to write there.
        SavedAndStopped: SIGTERM came; the state is saved, or there was nothing to save.
    """
    if type(experiment) is not Experiment:
        raise UsageError(
            f"found a {type(experiment).__name__}; expected an Experiment. Train the model of a blend, then: recgoat "
            "blend RUN, or run_ranker."
        )
    first = hosts.is_first()
    line = None if quiet or not first else ProgressLine(experiment.name if trial is None else trial.title)
    if mesh is None and jax.device_count() > 1:
        mesh = MeshShape(data=jax.device_count())
    devices = None if mesh is None else make_mesh(mesh)
    with ExitStack() as held:
        held.enter_context(stopping_at_once())

        def take_the_directory() -> None:
            _make_directory(workdir)
            held.enter_context(stopping_where_nothing_can_be_written(workdir))
            held.enter_context(run_lock(workdir))

        hosts.on_first(take_the_directory)
        if devices is not None:
            hosts.connect(devices)
        # ---- Data: prepared on first use, read and verified by the first process; the others read their parts later.
        dataset = None
        loaded: list[LoadedData] = []
        told = json.loads(hosts.on_first(lambda: _load(experiment, loaded)) or "{}")
        if loaded:
            dataset = loaded[0].dataset
        config = to_json(experiment) | told["config"]
        if line:
            for note in told["notes"]:
                line.show(note, final=True)
        settings = {name: json.dumps(config[name]) for name in ("name", "model", "optimizer", "loop", "seed")}
        seen = prepared_hash(experiment.data.directory) or config["dataset_hash"]
        hosts.check_agreement(settings | {"mesh": str(mesh), "data": seen})

        def begin() -> str | None:
            check_same_run(workdir, config)
            if (finished := read_result(workdir)) is not None:
                return json.dumps(finished.to_json())
            write_atomically(workdir / CONFIG_FILE, json.dumps(config, indent=2) + "\n")
            described = environment() | {"mesh": None if mesh is None else str(mesh)}
            write_atomically(workdir / ENVIRONMENT_FILE, json.dumps(described, indent=2) + "\n")
            return None

        if (stored := hosts.on_first(begin)) is not None:
            tell_finished(workdir, line)
            return result_from_json(workdir, json.loads(stored))

        # ---- Model: taken apart once; graphs and features are arguments of the step, not part of its program.
        where = epath.Path(checkpoints or workdir / "checkpoints")
        hosts.check_shared(where, option="--checkpoints")
        hosts.on_first(lambda: claim(where, config))
        shared = new_directory(where / "inputs") if jax.process_count() > 1 else None
        if dataset is not None:
            run = prepare_run(experiment, dataset, devices, shared=shared)
        else:
            assert devices is not None
            assert shared is not None
            run = follow_run(experiment, devices, shared)
        hosts.barrier()
        if first and shared is not None:
            shared.parent.rmtree()

        # ---- Training, with validation and saves.
        with catch_interrupts() as interrupts, Checkpoints(where, layout=run.layout) as saves:
            fit = Fit(
                experiment.loop,
                program=run.program,
                pairs=run.pairs,
                validator=run.valid,
                checkpoints=saves,
                interrupts=interrupts,
                workdir=workdir,
                line=line,
                trial=trial,
            )

            def open_log(after_step: int) -> MetricsWriter | NoWriter:
                if not first:
                    return NoWriter()
                return MetricsWriter(workdir, after_step=after_step, tensorboard=experiment.loop.tensorboard)

            state, progress = fit.run(run.program.initial_state(jax.random.key(experiment.seed)), open_log)
            params = state.params
            if progress.best_step:
                params = saves.restore_best(progress.best_step, state.params)
                saves.keep_best(progress.best_step)

        # ---- Result: the validation-selected parameters, tested once.
        vectors, _ = run.program.outputs(params, run.program.constants)
        valid, test = run.valid(vectors), run.test(vectors)
        result = RunResult(
            directory=workdir,
            name=experiment.name,
            model=type(experiment.model).__name__.removesuffix("Config"),
            protocol=told["protocol"],
            dataset=config["dataset_hash"],
            dataset_name=told["name"],
            valid=valid.means,
            test=test.means,
            best_epoch=progress.best_epoch,
            epochs=progress.epoch,
            seconds=round(progress.seconds, 3),
            seed=experiment.seed,
            commit=environment().get("commit"),
        )
        in_order = run.in_vocabulary_order(vectors)
        if in_order is not None and isinstance(test, EvalResult):
            write_result(result, in_order, test)
        hosts.barrier()
        if line:
            if trial is None:
                shown = _figures("test", result.test, ("recall@10", "ndcg@10"))
            else:
                shown = _figures("validation", result.valid, (experiment.loop.selection_metric,))
            line.show(f"{shown} (epoch {result.best_epoch}, {duration(result.seconds)})", final=True)
        return result


def _load(experiment: Experiment, loaded: list[LoadedData]) -> str:
    """Reads the data, after making it where it is not there; returns what the other processes have to know of it."""
    loaded.append(load_data(experiment.data))
    _, dataset, attached = loaded[0]
    notes = () if attached is None else attached.notes
    named = {"name": dataset.manifest.name, "protocol": dataset.manifest.protocol}
    return json.dumps(named | {"config": data_settings(loaded[0]), "notes": notes})


def _figures(split: str, metrics: Mapping[str, float], names: tuple[str, ...]) -> str:
    return f"{split} " + ", ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)


def _make_directory(workdir: Path) -> None:
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{workdir}: cannot make the run directory ({error.strerror}); expected a directory that can be written. "
            "Choose another one with --workdir."
        ) from error


__all__ = ["train"]
