"""Data of one's own from two tables and a folder of pictures to a page of recommendations, by the commands one types.

A catalogue of 200 items is drawn (`experiments.own_catalogue`); what follows is the `recgoat` command line alone, with
the encoders that need no network.

Command:  make demo-own   (or python -m experiments.demo_own)
Cost:     about 75 seconds of processor time, install aside; 9 when called again
Expected: test recall@10 .3187 (most-popular .1100, LightGCN .3412 without a significant difference; one seed)

Safe to interrupt: what is finished stays, what was under way goes on from its last save.
"""

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.own_catalogue import Catalogue, write_catalogue
from recgoat_jax.cli.main import main as recgoat

OUT = Path("demo-own")
TRAINING = ("--optimizer.learning-rate", "5e-3", "--loop.batch-size", "512")
"""Larger steps and smaller batches than by default, which are for more than a few thousand interactions; chosen on
validation."""
NUM_SHOWN = 5
"""Users on the page."""


class Step(NamedTuple):
    """One command.

    Attributes:
        title: what it does.
        arguments: what is typed after ``recgoat``.
    """

    title: str
    arguments: tuple[str, ...]


def steps(
    found: Catalogue, out: Path, *, encoding: tuple[str, ...] = (), training: tuple[str, ...] = ()
) -> Iterator[Step]:
    """The commands, from the tables to the page.

    Args:
        found: the tables and the pictures.
        out: folder of all that is made.
        encoding: further options of the encoder of pictures.
        training: further options of the training of RecGOAT.

    Yields:
        One command after the other.
    """
    data, text, image = f"{out}/prepared/shop", f"{out}/text.npz", f"{out}/image.npz"
    popular, ours = f"{out}/runs/most-popular", f"{out}/runs/recgoat"
    tables = ("--interactions", str(found.interactions), "--items", str(found.items))
    pictures = ("--pictures", str(found.pictures))
    yield Step("Read and split the tables", ("prepare", "table", *tables, "--out", data))
    yield Step("Texts to vectors", ("features", "text", data, "--encoder", "bert", "--out", text))
    yield Step(
        "Pictures to vectors",
        (
            *("features", "image", data, "--encoder", "efficientnet", *pictures, "--column", "image"),
            *("--out", image, *encoding),
        ),
    )
    yield Step("A baseline", ("train", "most-popular", "--data", data, "--workdir", popular))
    features = ("--data.item-features", "text", text, "image", image)
    yield Step("RecGOAT", ("train", "recgoat", "--data", data, *features, *TRAINING, "--workdir", ours, *training))
    yield Step("How good is it", ("evaluate", ours))
    yield Step("Better than the baseline?", ("compare", popular, ours))
    page = ("--html", f"{out}/recommendations.html", *pictures, "--picture-column", "image")
    yield Step("Recommend", ("recommend", ours, "--users", *found.users[:NUM_SHOWN], "--k", "6", *page))


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    started = time.monotonic()
    print(f"0. A catalogue of one's own, drawn into {OUT}")
    found = write_catalogue(OUT)
    print(f"   {found.interactions}\n   {found.items}\n   {found.pictures}/")
    for number, step in enumerate(steps(found, OUT), start=1):
        print(f"\n{number}. {step.title}\n$ recgoat {shlex.join(step.arguments)}", flush=True)
        if code := recgoat(step.arguments):
            return code
    print(f"\nDone in {time.monotonic() - started:.0f} s. Open {OUT}/recommendations.html in a browser.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("demo-own: interrupted; start it again to go on.", file=sys.stderr)
        sys.exit(130)

__all__ = ["Step", "main", "steps"]
