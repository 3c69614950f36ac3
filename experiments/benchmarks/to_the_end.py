"""A whole run over a mesh against the plain path, and against what one changed bit does to the plain path itself.

    python -m experiments.benchmarks.to_the_end [--experiment NAME] [--mesh data=4,rows=2] [--data DIR]

Trains five times: until early stopping on the plain path, over a mesh of forced CPU devices, and on the plain path with
one entry of one table moved to the next number; and for some epochs in float64 (``JAX_ENABLE_X64=1``) on the plain path
and over the mesh. A mesh adds up in another order than one device; early training grows what that does to the last
digits ten-thousandfold an epoch, as it grows the moved bit without any mesh. In float64 it starts a billion times
smaller, and shows an epoch later. Writes a JSON file and a Markdown table in about half an hour on 2 cores. Finished
runs are read, stopped ones go on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from experiments.benchmarks.meshes import ROOT, trained
from recgoat_jax.training.mesh import parse_mesh


def lines_of(directory: Path) -> list[dict[str, Any]]:
    """Validation metrics by epoch."""
    logged = (json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines())
    return [line for line in logged if line["kind"] == "valid"]


def first_apart(lines: list[dict[str, Any]], others: list[dict[str, Any]], bound: float) -> int | None:
    """The first epoch at which a validation metric differs by more than a bound; None: never."""
    for line, other in zip(lines, others, strict=False):
        metrics = [name for name in line if "@" in name]
        if any(abs(line[name] - other[name]) > bound for name in metrics):
            return line["epoch"]
    return None


def as_markdown(runs: list[dict[str, Any]]) -> str:
    """The results as a table."""
    lines = [
        "| arithmetic | run | selected epoch | epochs | test recall@10 | test ndcg@10 | "
        "largest difference to plain, test | first epoch with a validation metric 1e-4 apart |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        apart = "never" if run["first_apart"] is None else str(run["first_apart"])
        plain = run["run"] == "plain"
        lines.append(
            f"| {run['arithmetic']} | {run['run']} | {run['best_epoch']} | {run['epochs']} | "
            f"{run['test']['recall@10']:.6f} | {run['test']['ndcg@10']:.6f} | "
            f"{'' if plain else format(run['difference'], '.1e')} | {'' if plain else apart} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="recgoat_movielens_small")
    parser.add_argument("--mesh", default="data=4,rows=2")
    parser.add_argument("--data", type=Path, help="root of the shared research data")
    parser.add_argument("--epochs", type=int, help="at most so many; by default as the experiment says")
    parser.add_argument("--float64-epochs", type=int, default=5, help="at most so many of them in float64")
    parser.add_argument("--out", type=Path, default=ROOT / "experiments" / "results" / "to_the_end", help="no suffix")
    parser.add_argument("--folder", type=Path, default=Path("runs/to_the_end"), help="where the runs lie")
    given = parser.parse_args()
    mesh = (given.mesh, given.mesh, parse_mesh(given.mesh).devices, 1)
    plain = ("plain", None, 1, 1)
    runs: list[dict[str, Any]] = []
    for arithmetic, wide in (("float32", "0"), ("float64", "1")):
        forms = [(plain, "plain", "recgoat_jax.cli.main"), (mesh, given.mesh, "recgoat_jax.cli.main")]
        if arithmetic == "float32":
            forms.append((plain, "plain, one bit moved", "experiments.benchmarks.moved_bit"))
        for form, name, program in forms:
            out = given.folder / f"{given.experiment} {arithmetic} {name}".replace(" ", "-").replace(",", "-")
            variables = {"JAX_ENABLE_X64": wide}
            epochs = given.epochs if arithmetic == "float32" else given.float64_epochs
            line = trained(given.experiment, form, epochs, given.data, out, program=program, variables=variables)
            start = given.folder / f"{given.experiment}-{arithmetic}-plain"
            expected = next((run for run in runs if run["arithmetic"] == arithmetic), line)
            difference = max(abs(line["test"][metric] - expected["test"][metric]) for metric in line["test"])
            apart = first_apart(lines_of(start), lines_of(out), 1e-4)
            runs.append({"arithmetic": arithmetic, "run": name, "difference": difference, "first_apart": apart, **line})
            print(json.dumps(runs[-1]), flush=True)
    found = {"experiment": given.experiment, "runs": runs}
    given.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    given.out.with_suffix(".md").write_text(as_markdown(runs))
    print(as_markdown(runs))


if __name__ == "__main__":
    main()
