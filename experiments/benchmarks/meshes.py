"""The same figures on every mesh: training on Baby over meshes and processes against the plain path, and its overhead.

    python -m experiments.benchmarks.meshes [--data DIR] [--epochs 3] [--out experiments/results/meshes]

LightGCN and RecGOAT as their experiments train them, for a few epochs each: on the plain path; on meshes of 1, 2 and 8
forced CPU devices; as two processes of two devices over loopback. Then every mesh ranks the vectors of the plain run.
RecGOAT trains on the plain path with one bit of one parameter moved as well, since its early training grows what the
order of sums does to the last digits. At the end the time of a step on a mesh of one device against the
plain path, in turns, in one process. Writes a JSON file and a Markdown table; takes about half an hour on 2 cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.ports import free_port

ROOT = Path(__file__).parents[2]
MOVED = ("plain, one bit moved", None, 1, 1)
FORMS: tuple[tuple[str, str | None, int, int], ...] = (
    ("plain", None, 1, 1),
    ("1", "data=1", 1, 1),
    ("2 x 1", "data=2,rows=1", 2, 1),
    ("4 x 2", "data=4,rows=2", 8, 1),
    ("2 processes x 2", "data=2,rows=2", 2, 2),
)
"""Name (data x rows), mesh, devices of a process, processes."""
SERIES = {"lightgcn_baby": FORMS, "recgoat_baby": (*FORMS, MOVED)}
"""What trains on what; the first form is what the others are compared with."""
MOVED_PARAMETER = "branches/text/projection/kernel"


def trained(
    experiment: str,
    form: tuple[str, str | None, int, int],
    epochs: int | None,
    data: Path | None,
    out: Path,
    *,
    program: str = "recgoat_jax.cli.main",
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Test and validation metrics of a run, its selected epoch and its seconds.

    Args:
        experiment: name of its file.
        form: name, mesh, devices of a process, processes.
        epochs: at most so many; None: as many as the experiment says.
        data: root of the shared research data.
        out: run directory.
        program: module that takes the arguments of ``recgoat``.
        variables: further environment variables.

    Returns:
        What a line of the results holds.
    """
    name, mesh, devices, processes = form
    command = [
        *(sys.executable, "-m", program, "train", str(ROOT / "experiments" / f"{experiment}.py")),
        *("--workdir", str(out), "--loop.no-tensorboard", "--quiet", "--json"),
        *(() if epochs is None else ("--loop.max-epochs", str(epochs))),
        *(() if data is None else ("--data", str(data))),
        *(() if mesh is None else ("--mesh", mesh)),
    ]
    port = free_port()
    started = time.monotonic()
    running = []
    for process in range(processes):
        flags = ("--coordinator", f"127.0.0.1:{port}", "--num-processes", str(processes), "--process-id", str(process))
        running.append(
            subprocess.Popen(
                [*command, *(flags if processes > 1 else ())],
                env={**environment(devices), **(variables or {})},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"{experiment} on {name}: exit codes {[process.returncode for process in running]}")
    result = json.loads(said[0].splitlines()[-1])
    return {
        **{name: result[name] for name in ("valid", "test", "best_epoch", "epochs")},
        "seconds": round(time.monotonic() - started, 1),
    }


def environment(devices: int) -> dict[str, str]:
    """The environment of a process with so many forced CPU devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}


def ranks_on(mesh: str | None, run: Path) -> str:
    """A digest of the ranks that a mesh gives to the vectors of a run, in a process with its devices."""
    devices = 1
    for part in (mesh or "").split(","):
        devices *= int(part.partition("=")[2] or 1)
    code = (
        "from experiments.benchmarks.meshes import digest_of_ranks; import sys; print(digest_of_ranks(*sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), mesh or ""],
        cwd=ROOT,
        env=environment(devices),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


def digest_of_ranks(run: str, mesh: str) -> str:
    """SHA-256 of the test ranks of stored vectors, computed on a mesh of the devices that are here."""
    import hashlib

    import numpy as np

    from recgoat_jax.evaluation import Evaluator
    from recgoat_jax.graphs.placement import in_mesh_order
    from recgoat_jax.serving import load_run
    from recgoat_jax.training.mesh import make_mesh, parse_mesh, place_vocabularies

    finished = load_run(run)
    vectors: Any = finished.vectors
    placement = None
    if mesh:
        placement = place_vocabularies(finished.dataset, make_mesh(parse_mesh(mesh)))
        sides = zip(vectors, (placement.users, placement.items), strict=True)
        vectors = tuple(placement.put(in_mesh_order(side, partition)) for side, partition in sides)
    found = Evaluator(finished.dataset, "test", placement=placement)(vectors)
    return hashlib.sha256(np.asarray(found.ranks, np.int32).tobytes()).hexdigest()


def overhead(data: Path | None, rounds: int) -> list[dict[str, Any]]:
    """Seconds of a step on a mesh of one device and on the plain path, in turns."""
    import jax
    import numpy as np

    from recgoat_jax.cli.train import load_experiment
    from recgoat_jax.encoders.recipes import load_data, with_root
    from recgoat_jax.training.batches import epoch_order
    from recgoat_jax.training.mesh import MeshShape, make_mesh
    from recgoat_jax.training.prepared import prepare_run

    found = []
    for name in SERIES:
        experiment = load_experiment(ROOT / "experiments" / f"{name}.py")
        dataset = load_data(experiment.data if data is None else with_root(experiment.data, data)).dataset
        forms = {}
        for form, mesh in (("plain", None), ("mesh", make_mesh(MeshShape()))):
            run = prepare_run(experiment, dataset, mesh)
            order = epoch_order(jax.random.key(0), num_pairs=run.pairs.num_pairs, batch_size=run.pairs.batch_size)[:10]
            forms[form] = [run, run.program.initial_state(jax.random.key(0)), order]
        seconds: dict[str, list[float]] = {"plain": [], "mesh": []}
        for turn in range(rounds + 1):
            for form in ("plain", "mesh") if turn % 2 else ("mesh", "plain"):
                run, state, order = forms[form]
                started = time.perf_counter()
                state, record = run.program.run_steps(state, run.program.constants, run.pairs, order)
                np.asarray(record.loss)
                forms[form][1] = state
                if turn:  # the first round compiles
                    seconds[form].append((time.perf_counter() - started) / len(order))
        ratios = np.array(seconds["mesh"]) / np.array(seconds["plain"])
        found.append(
            {
                "experiment": name,
                "plain_seconds": float(np.median(seconds["plain"])),
                "mesh_seconds": float(np.median(seconds["mesh"])),
                "ratio": float(np.median(ratios)),
                "quartiles": [float(value) for value in np.quantile(ratios, (0.25, 0.75))],
                "rounds": rounds,
            }
        )
    return found


def as_markdown(found: dict[str, Any]) -> str:
    """The results as two tables."""
    lines = [
        "| experiment | devices (data x rows) | test recall@20 | test ndcg@20 | "
        "largest difference to plain, all metrics | ranks of the plain run's vectors | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in found["runs"]:
        test = line["test"]
        lines.append(
            f"| `{line['experiment']}` | {line['form']} | "
            f"{test['recall@20']:.6f} | {test['ndcg@20']:.6f} | {line['difference']:.1e} | "
            f"{line['ranks']} | {line['seconds']:.0f} |"
        )
    lines += [
        "",
        "| experiment | step, plain, ms | step, mesh of one device, ms | ratio, median (quartiles) |",
        "|---|---|---|---|",
    ]
    for line in found["overhead"]:
        low, high = line["quartiles"]
        lines.append(
            f"| `{line['experiment']}` | {1e3 * line['plain_seconds']:.1f} | {1e3 * line['mesh_seconds']:.1f} | "
            f"{line['ratio']:.3f} ({low:.3f} to {high:.3f}) |"
        )
    return "\n".join(lines) + "\n"


def compared_runs(epochs: int, data: Path | None) -> Iterator[dict[str, Any]]:
    """Trains every form, and compares it with the first of its series."""
    with tempfile.TemporaryDirectory() as scratch:
        for experiment, forms in SERIES.items():
            folder = Path(scratch) / experiment
            digest, plain = "", {}
            for form in forms:
                moved = form is MOVED
                line = trained(
                    experiment,
                    form,
                    epochs,
                    data,
                    folder / form[0].replace(" ", "-"),
                    program="experiments.benchmarks.moved_bit" if moved else "recgoat_jax.cli.main",
                    variables={"RECGOAT_MOVED": MOVED_PARAMETER},
                )
                plain = plain or line
                ranks = ranks_on(form[1], folder / forms[0][0])
                digest = digest or ranks
                every = [abs(line[s][m] - plain[s][m]) for s in ("valid", "test") for m in plain[s]]
                named = {"experiment": experiment, "form": form[0]}
                same = "identical" if ranks == digest else "DIFFERENT"
                told = {**named, **line, "difference": max(every), "ranks": same}
                print(json.dumps(told), flush=True)
                yield told


def main() -> None:
    """Runs everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="root of the shared research data")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of ten steps for the overhead")
    parser.add_argument("--out", type=Path, default=ROOT / "experiments" / "results" / "meshes", help="without suffix")
    parser.add_argument("--overhead", action="store_true", help="the overhead alone, beside the stored runs")
    given = parser.parse_args()
    stored = given.out.with_suffix(".json")
    if given.overhead:
        found = json.loads(stored.read_text())
    else:
        found = {"epochs": given.epochs, "runs": list(compared_runs(given.epochs, given.data))}
    found["overhead"] = overhead(given.data, given.rounds)
    stored.write_text(json.dumps(found, indent=2) + "\n")
    given.out.with_suffix(".md").write_text(as_markdown(found))
    print(as_markdown(found))


if __name__ == "__main__":
    main()
