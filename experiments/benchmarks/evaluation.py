"""Time of one full-ranking validation: 19,445 users, 7,050 items, 20,559 held-out pairs, width 64.

    python experiments/benchmarks/evaluation.py [--data DIR] [--repeats 7]

``--data`` names the shared research data, whose Baby split is then read; without it a synthetic set of the same size
with a long-tailed popularity is made. Prints one JSON object: seconds are minima over interleaved repeats, so that load
on the machine falls on all forms alike; read the ratios. ``cpu_seconds`` adds up all cores: on a machine that others
use too it says more than the wall clock.

=================  ===================================================================================================
``validation``     what a training run pays at each validation: ranks, six metrics at four cut-offs, for every user
``ranks``          the compiled pass alone
``scores``         the score product alone, a lower bound for any exact method
``top_50``         the usual way: top-50 lists, training items masked, then a look-up of the held-out items
=================  ===================================================================================================
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from recgoat_jax.data import Dataset, Interactions, Manifest, Vocabulary
from recgoat_jax.evaluation import Evaluator, ranks, top_k
from recgoat_jax.evaluation.scores import all_scores

NUM_USERS, NUM_ITEMS, DIM = 19_445, 7_050, 64


@dataclass(frozen=True)
class Options:
    """Settings of the benchmark."""

    data: Path | None = None
    """Root of the shared research data."""
    repeats: int = 7
    """Interleaved repeats; the least time counts."""
    block_sizes: tuple[int, ...] = ()
    """Further block sizes to time."""


def baby(root: Path) -> Dataset:
    """The published Baby split."""
    parts = {}
    for part in ("train", "valid", "test"):
        lines = [line.split() for line in (root / "amazon-baby" / f"{part}.txt").read_text().splitlines()]
        pairs = [(int(line[0]), int(item)) for line in lines for item in line[1:]]
        parts[part] = sorted_pairs(np.array(pairs))
    return as_dataset(parts)


def synthetic() -> Dataset:
    """Sizes of Baby, item popularity falling as 1 / rank, users of geometric activity."""
    rng = np.random.default_rng(0)
    popularity = 1.0 / np.arange(10, NUM_ITEMS + 10)
    counts = 3 + rng.geometric(0.33, NUM_USERS)
    users = np.repeat(np.arange(NUM_USERS), counts + 2)
    items = rng.choice(NUM_ITEMS, len(users), p=popularity / popularity.sum())
    unique = np.unique(np.stack([users, items], 1), axis=0)
    place = np.argsort(np.lexsort((rng.random(len(unique)), unique[:, 0])))
    first = np.searchsorted(unique[:, 0], unique[:, 0])
    return as_dataset(
        {
            "train": sorted_pairs(unique[place - first >= 2]),
            "valid": sorted_pairs(unique[place - first == 0]),
            "test": sorted_pairs(unique[place - first == 1]),
        }
    )


def sorted_pairs(pairs: np.ndarray) -> Interactions:
    """Interactions of rows (user, item)."""
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].astype(np.int32)
    return Interactions(ordered[:, 0], ordered[:, 1])


def as_dataset(parts: dict[str, Interactions]) -> Dataset:
    """A data set of rows without names."""
    users = Vocabulary((str(i) for i in range(NUM_USERS)), kind="user")
    items = Vocabulary((str(i) for i in range(NUM_ITEMS)), kind="item")
    manifest = Manifest("baby", "benchmark", "given", 0, {}, {}, "benchmark")
    return Dataset(users, items, parts["train"], parts["valid"], parts["test"], manifest)


def least_seconds(forms: dict[str, Callable[[], object]], repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Least wall-clock and least processor time of each form, after one warm-up, forms interleaved."""
    for form in forms.values():
        form()
    wall, processor = dict.fromkeys(forms, float("inf")), dict.fromkeys(forms, float("inf"))
    for _ in range(repeats):
        for name, form in forms.items():
            start, start_processor = time.perf_counter(), time.process_time()
            form()
            wall[name] = min(wall[name], time.perf_counter() - start)
            processor[name] = min(processor[name], time.process_time() - start_processor)
    return wall, processor


def main(arguments: Sequence[str]) -> int:
    """Times all forms and prints them."""
    options = tyro.cli(Options, args=list(arguments))
    dataset = baby(options.data) if options.data else synthetic()
    rng = np.random.default_rng(1)
    users, items = (jnp.asarray(rng.normal(size=(n, DIM)), jnp.float32) for n in (NUM_USERS, NUM_ITEMS))
    evaluator = Evaluator(dataset, "valid")
    rows = np.unique(dataset.valid.users)

    @jax.jit
    def product(users: jax.Array, items: jax.Array) -> jax.Array:
        def step(total: jax.Array, block: jax.Array) -> tuple[jax.Array, None]:
            scores = all_scores(users[block], items)
            return total + scores[0, 0], None  # one entry is read; the product is computed whole

        return jax.lax.scan(step, jnp.zeros(()), evaluator.plan.blocks.users[0])[0]

    def lists() -> np.ndarray:
        found = top_k((users, items), rows, k=50, excluded=[dataset.train]).items
        place = np.searchsorted(rows, dataset.valid.users)
        return (found[place] == dataset.valid.items[:, None]).any(axis=1)

    forms: dict[str, Callable[[], object]] = {
        "validation": lambda: evaluator((users, items)).means,
        "ranks": lambda: ranks(evaluator.plan, (users, items)),
        "scores": lambda: jax.block_until_ready(product(users, items)),
        "top_50": lists,
    }
    for size in options.block_sizes:
        plan = Evaluator(dataset, "valid", block_size=size).plan
        forms[f"ranks, blocks of {size}"] = lambda plan=plan: ranks(plan, (users, items))
    seconds, cpu_seconds = least_seconds(forms, options.repeats)
    print(  # noqa: T201
        json.dumps(
            {
                "data": "amazon-baby" if options.data else "synthetic",
                "held_out_pairs": len(dataset.valid),
                "block_size": evaluator.plan.block_size,
                "device": jax.devices()[0].platform,
                "seconds": {name: round(value, 4) for name, value in seconds.items()},
                "cpu_seconds": {name: round(value, 4) for name, value in cpu_seconds.items()},
                "ratio_to_scores": {name: round(v / seconds["scores"], 2) for name, v in seconds.items()},
            },
            indent=2,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
