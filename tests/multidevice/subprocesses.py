"""Runs a module in a process of its own, or in two that are to find each other, and reads what it found: JSON on its
last line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.ports import free_port
from recgoat_jax.files import read_json_lines

ROOT = Path(__file__).parents[2]


def log_of(run: Path) -> list[dict[str, Any]]:
    """The log of a run without its times."""
    timed = ("seconds", "examples_per_second")
    lines = read_json_lines(run / "metrics.jsonl")
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


def report_of(module: str, *words: str) -> Any:
    """The report of a module that sets its own devices, run with these arguments."""
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def reports_of_two(module: str, *words: str, devices: int, timeout: float) -> list[Any]:
    """The reports of a module that two processes run at once, on CPU; both are ended when the time is over.

    Args:
        module: it gets its number, 0 or 1, and the port of the first, then the words.
        words: further arguments.
        devices: forced devices of a process.
        timeout: seconds.
    """
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    port = str(free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(number), port, *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        ends = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(err[-4000:] for _, err in ends)
    return [json.loads(out.splitlines()[-1]) for out, _ in ends]
