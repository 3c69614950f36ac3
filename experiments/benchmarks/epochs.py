"""Seconds of a training epoch and of a validation: BPR-MF, LightGCN, RecGOAT on data of Baby's size.

    python -m experiments.benchmarks.epochs --model lightgcn [--data ROOT] [--epochs 3]

``--data`` names the shared research data (the Baby split); without it, generated pairs of the same size stand in. The
settings are those of the peers: width 64, batch 2048 (RecGOAT: width 64, batch 1024, k = 20), dense Adam. ``recgoat``
is the model that one gets by default; ``recgoat_published`` has the published program's architecture: 8 heads, its
contrasts over the whole batch, no item graph on the IDs. Prints one JSON line: medians over epochs, compilation aside,
wall clock and CPU seconds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from experiments.benchmarks.evaluation import synthetic
from recgoat_jax.data import Dataset, FeatureTable
from recgoat_jax.encoders.recipes import AmazonBaby, load_data
from recgoat_jax.evaluation import Evaluator
from recgoat_jax.models import BprMfConfig, LightGcnConfig, ModelConfig, RecGoatConfig, build_model, released
from recgoat_jax.training.batches import TrainingPairs, epoch_order
from recgoat_jax.training.optimizer import OptimizerConfig, make_optimizer
from recgoat_jax.training.step import Program

MODELS: dict[str, tuple[ModelConfig, int]] = {
    "bpr": (BprMfConfig(dim=64), 2048),
    "lightgcn": (LightGcnConfig(dim=64), 2048),
    "recgoat": (RecGoatConfig(dim=64, neighbors=20, item_graphs="features"), 1024),
    "recgoat_published": (replace(released(dim=64), transport="plan", epsilon=None, item_graphs="features"), 1024),
}
"""Model and batch size of each row; the published architecture with the stabilised plan in place of its own."""


def load(root: Path | None) -> Dataset:
    """Baby, or generated data of its size with noise for features."""
    if root is not None:
        return load_data(AmazonBaby(root=root)).dataset
    dataset = synthetic()
    rng = np.random.default_rng(0)
    present = np.ones(dataset.num_items, bool)
    features = {
        name: FeatureTable(rng.normal(size=(dataset.num_items, 256)).astype(np.float32), present, "noise")
        for name in ("text", "image")
    }
    return replace(dataset, item_features=features)


def _clock(work: Callable[[], object], repeats: int) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        jax.block_until_ready(work())
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    return {"seconds": round(statistics.median(wall), 4), "cpu_seconds": round(statistics.median(cpu), 4)}


def measure(name: str, *, root: Path | None, epochs: int) -> dict[str, Any]:
    """Times one model.

    Args:
        name: a key of `MODELS`.
        root: root of the shared research data, or None.
        epochs: epochs and validations to time, after one of each for compilation.

    Returns:
        Medians of an epoch and of a validation.
    """
    config, batch_size = MODELS[name]
    dataset = load(root)
    program = Program(
        build_model(config, dataset, rngs=nnx.Rngs(0)), make_optimizer(OptimizerConfig(), steps_per_epoch=1)
    )
    pairs = TrainingPairs.from_dataset(dataset, batch_size=batch_size)
    state = program.initial_state(jax.random.key(0))
    validator = Evaluator(dataset, "valid", cutoffs=(5, 10, 20, 50), metrics=("recall", "ndcg", "precision", "map"))

    def epoch() -> object:
        nonlocal state
        order = epoch_order(jax.random.key(1), num_pairs=len(pairs.users), batch_size=batch_size)
        state, record = program.run_steps(state, program.constants, pairs, order)
        return record

    def validation() -> object:
        return validator(program.outputs(state.params, program.constants)[0]).means["recall@20"]

    started = time.perf_counter()
    jax.block_until_ready(epoch())
    compiled = time.perf_counter() - started
    validation()
    return {
        "model": name,
        "batch_size": batch_size,
        "steps_per_epoch": pairs.steps,
        "first_epoch_seconds": round(compiled, 2),
        "epoch": _clock(epoch, epochs),
        "validation": _clock(validation, epochs),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="lightgcn")
    parser.add_argument("--data", type=Path, default=None, help="root of the shared research data")
    parser.add_argument("--epochs", type=int, default=3, help="epochs and validations to time")
    arguments = parser.parse_args()
    result = measure(arguments.model, root=arguments.data, epochs=arguments.epochs)
    sys.stdout.write(json.dumps({"benchmark": "epochs", **result}) + "\n")


if __name__ == "__main__":
    main()
