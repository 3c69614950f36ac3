"""All benchmarks, ours and where a path is given the peers' in turns, and one table of ratios.

    python -m experiments.benchmarks [--data ROOT] [--peers DIR] [--rounds 3]

``--peers`` is a folder with ``venv/bin/python`` (torch), ``time_mmrec.py`` and ``time_official.py``: programs that
run the toolbox (``--model NAME --epochs N --data DIR --threads 2``) and the published RecGOAT (``--steps N``), and
print one JSON line with ``seconds_per_epoch`` and ``seconds_per_validation``. Without it only our own figures are
printed. Every measurement is a process of its own; ours and theirs alternate, and the table shows medians and the ratio
of medians. Run it on an idle machine: threads that wait for a busy core cost the peers three times their time.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROWS = {"bpr": "BPR", "lightgcn": "LightGCN", "recgoat": None, "recgoat_published": None}
"""Our model to the toolbox's name; RecGOAT's peer is the published program."""

TARGETS = {"bpr epoch": 3, "lightgcn epoch": 6, "recgoat epoch": 10, "recgoat_published epoch": 10, "validation": 10}


def run(command: list[str]) -> dict[str, Any]:
    """The JSON object on the last line that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"benchmarks: {' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(module: str, *options: str) -> dict[str, Any]:
    """One of our benchmarks in a process of its own."""
    return run([sys.executable, "-m", f"experiments.benchmarks.{module}", *options])


def peer(peers: Path, name: str | None, data: Path | None) -> dict[str, float]:
    """Seconds of an epoch and of a validation of a peer."""
    python = str(peers / "venv" / "bin" / "python")
    if name is None:
        found = run([python, str(peers / "time_official.py"), "--steps", "6"])
        return {"epoch": found["seconds_per_epoch"]}
    command = [python, str(peers / "time_mmrec.py"), "--model", name, "--epochs", "3", "--threads", "2"]
    found = run([*command, *(["--data", str(data / "amazon-baby")] if data else [])])
    return {"epoch": found["seconds_per_epoch"], "validation": found["seconds_per_validation"]}


def table(lines: list[tuple[str, float, float | None]]) -> str:
    """Rows of name, our seconds, theirs, ratio and target."""
    out = [f"{'what':<30}{'ours s':>10}{'peer s':>10}{'ratio':>8}{'target':>8}"]
    for name, mine, theirs in lines:
        target = TARGETS.get("validation" if "validation" in name else name)
        ratio = f"{theirs / mine:.1f}" if theirs is not None else "-"
        peer_seconds = f"{theirs:.2f}" if theirs is not None else "-"
        out.append(f"{name:<30}{mine:>10.3f}{peer_seconds:>10}{ratio:>8}{target or '-':>8}")
    return "\n".join(out)


def main() -> None:
    """Runs everything and prints the table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="root of the shared research data")
    parser.add_argument("--peers", type=Path, default=None, help="folder of the peers' programs")
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements of each row")
    arguments = parser.parse_args()
    data_options = ["--data", str(arguments.data)] if arguments.data else []
    lines: list[tuple[str, float, float | None]] = []
    for model, name in ROWS.items():
        mine: dict[str, list[float]] = {"epoch": [], "validation": []}
        theirs: dict[str, list[float]] = {"epoch": [], "validation": []}
        for _ in range(arguments.rounds):
            sys.stderr.write(f"{model} ...\n")
            found = ours("epochs", "--model", model, *data_options)
            for what in mine:
                mine[what].append(found[what]["seconds"])
            if arguments.peers:
                for what, seconds in peer(arguments.peers, name, arguments.data).items():
                    theirs[what].append(seconds)
        for what in mine:
            other = statistics.median(theirs[what]) if theirs[what] else None
            lines.append((f"{model} {what}", statistics.median(mine[what]), other))
    sys.stdout.write(table(lines) + "\n\n")
    memory, imports = ours("transport_memory"), ours("import_time")
    sys.stdout.write(f"cost + plan, width 800, Baby's size: {memory['cost_and_plan_mb']} MB (target under 100)\n")
    sys.stdout.write(f"import recgoat_jax.losses / import jax: {imports['ratio']} (target under 1.3)\n")
    rows = [{"what": name, "ours": mine, "peer": theirs} for name, mine, theirs in lines]
    sys.stdout.write(json.dumps({"rows": rows, "memory": memory, "imports": imports}) + "\n")


if __name__ == "__main__":
    main()
