"""Time of ``import recgoat_jax.losses`` over that of ``import jax``: fresh processes in turns, medians.

    python -m experiments.benchmarks.import_time --repeats 7

It prints one JSON line; the target is a ratio under 1.3.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

TARGET = 1.3
PROGRAM = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def import_seconds(module: str) -> float:
    """Seconds that a fresh process takes to import a module, start of the interpreter aside."""
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure(repeats: int) -> dict[str, float | int | bool]:
    """Medians of interleaved repeats, after one uncounted round that fills the file caches."""
    seconds: dict[str, list[float]] = {"jax": [], "recgoat_jax.losses": []}
    for turn in range(repeats + 1):
        for module, times in seconds.items():
            taken = import_seconds(module)
            if turn:
                times.append(taken)
    jax, losses = (statistics.median(times) for times in seconds.values())
    ratios = [ours / theirs for theirs, ours in zip(*seconds.values(), strict=True)]
    ratio = statistics.median(ratios)
    return {
        "jax_seconds": round(jax, 3),
        "losses_seconds": round(losses, 3),
        "ratio": round(ratio, 3),
        "target": TARGET,
        "reached": ratio < TARGET,
        "repeats": repeats,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="counted rounds")
    result = measure(parser.parse_args().repeats)
    sys.stdout.write(json.dumps({"benchmark": "import_time", **result}) + "\n")


if __name__ == "__main__":
    main()
