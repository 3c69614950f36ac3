"""Compiled plans for docs/scale.md: from one chip to a pod, strong and weak scaling; no TPU is needed.

    pip install "recgoat-jax[tpu]"
    python -m experiments.scaling [GROUP ...] [--stored]

Every plan is the training step of an experiment compiled ahead of time for a slice. What is done is read from
``experiments/results/scaling.json`` and not compiled again (delete the file to start afresh), so that it may be
interrupted; a pod takes minutes. Writes tables to ``experiments/results/scaling.md`` and figures to ``docs/images``.

=========  ==============================================================================================
group      what
=========  ==============================================================================================
baby       RecGOAT on Amazon Baby: one chip, 16, 256
host       10 million users, 1 million items, 100 million pairs on the chips of one host
pod        100 million users, 10 million items, 1 billion pairs, 1,048,576 examples a step
strong     one problem on more and more chips: 4 million users, 400,000 items, 40 million pairs, 65,536 examples a step
weak       a problem that grows with the chips: 200,000 users, 20,000 items, 2 million pairs, 4,096 examples a chip
=========  ==============================================================================================
"""

import argparse
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from recgoat_jax.cli.plan import PlanCommand, run
from recgoat_jax.report.scaling import draw_scaling

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results" / "scaling.json"
POD = str(ROOT / "experiments" / "recgoat_pod.py")
BABY = str(ROOT / "experiments" / "recgoat_baby.py")


@dataclass(frozen=True)
class Point:
    """One plan."""

    topology: str
    experiment: str = POD
    mesh: str = "rows=all"
    users: int | None = None
    items: int | None = None
    edges: int | None = None
    batch: int | None = None


def _weak(topology: str, chips: int) -> Point:
    return _sized(topology, 200_000 * chips, 20_000 * chips, 2_000_000 * chips, 4_096 * chips)


def _sized(topology: str, users: int, items: int, edges: int, batch: int) -> Point:
    return Point(topology, users=users, items=items, edges=edges, batch=batch)


_HOST = (10_000_000, 1_000_000, 100_000_000, 131_072)
_POD = (100_000_000, 10_000_000, 1_000_000_000, 1_048_576)
_STRONG = (4_000_000, 400_000, 40_000_000, 65_536)
GROUPS: dict[str, tuple[Point, ...]] = {
    "baby": (
        Point("v5e:1x1", BABY, "data=1"),
        Point("v5e:4x4", BABY, "data=16"),
        Point("v5e:16x16", BABY, "data=256"),
        Point("v5e:16x16", BABY, "data=16,rows=16"),
    ),
    "strong": tuple(_sized(name, *_STRONG) for name in ("v5e:4x4", "v5e:8x8", "v5e:16x16")),
    "weak": (_weak("v5e:4x4", 16), _weak("v5e:8x8", 64), _weak("v5e:16x16", 256)),
    "host": (_sized("v6e:2x4", *_HOST), _sized("v5p:2x2x1", *_HOST), _sized("v5e:2x4", *_HOST)),
    "pod": tuple(_sized(name, *_POD) for name in ("v5p:4x4x8", "v6e:16x16", "v5p:4x4x4")),
}


def key_of(point: Point) -> str:
    """A point in words: what decides whether it has been compiled."""
    name = Path(point.experiment).stem
    sizes = "/".join(str(size) for size in (point.users, point.items, point.edges, point.batch))
    return f"{name} {point.topology} {point.mesh} {sizes}"


def planned(point: Point) -> dict[str, Any]:
    """Compiles a point."""
    command = PlanCommand(
        point.experiment,
        topology=point.topology,
        mesh=point.mesh,
        users=point.users,
        items=point.items,
        edges=point.edges,
        global_batch=point.batch,
        only_step=True,
    )
    return run(command)[0].to_json()


def as_markdown(plans: list[dict[str, Any]]) -> str:
    """A table of plans: facts, and behind them the estimates."""
    lines = [
        "| slice | mesh | users | pairs | examples a step | memory of a chip at once, GiB | all arrays one by one | "
        "of which arguments | "
        "sent by a chip a step, GB | seconds a step, estimated (bound) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for plan in plans:
        sizes, step, guess = plan["sizes"], plan["compiled"]["step"], plan["estimated"]
        if step is None:
            said = plan["refused"]["said"]
            used = re.search(r"Used (\S+ of \S+ hbm)", said)
            facts = [f"does not fit: {used.group(1) if used else said}", "-", "-", "-", "-"]
        else:
            sent = sum(one["sent"] for one in step["collectives"])
            low, high = guess["step"]
            facts = [
                f"{step['held'] / 2**30:.2f} of {plan['capacity'] / 2**30:.2f}",
                f"{step['peak'] / 2**30:.2f}",
                f"{step['arguments'] / 2**30:.2f}",
                f"{sent / 1e9:.2f}",
                f"{low:.2g} to {high:.2g} ({guess['bound']})",
            ]
        numbers = (f"{sizes[name]:,}" for name in ("users", "pairs", "batch"))
        lines.append(f"| {plan['topology']} | {plan['mesh']} | {' | '.join(numbers)} | {' | '.join(facts)} |")
    return "\n".join(lines)


def main() -> None:
    """Compiles what is missing, writes tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; by default all")
    parser.add_argument("--stored", action="store_true", help="compile nothing: tables and figures of what is stored")
    given = parser.parse_args()
    names = [] if given.stored else given.groups or list(GROUPS)
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    jax.config.update("jax_platforms", "cpu")
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names:
        for point in GROUPS[name]:
            if (key := key_of(point)) not in stored:
                stored[key] = planned(point)
                RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    tables = []
    for name, points in GROUPS.items():
        plans = [stored[key_of(point)] for point in points if key_of(point) in stored]
        if plans:
            tables += [f"**{name}**", "", as_markdown(plans), ""]
        if name in ("pod", "strong", "weak") and len(plans) > 1:
            _, pdf = draw_scaling(plans, ROOT / "docs" / "images" / f"scaling_{name}")
            pdf.unlink()  # the page shows the PNG
    RESULTS.with_suffix(".md").write_text("\n".join(tables))
    print("\n".join(tables))


if __name__ == "__main__":
    main()
