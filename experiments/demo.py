"""The demonstration: example data, four models and two together, a table, recommendations, figures.

Command:  make demo [PROFILES=FILE]   (or python -m experiments.demo [--profiles FILE])
Cost:     about 2 minutes on 2 CPU cores, install aside

RecGOAT reads profiles of the users in words: a table of your own, as ``recgoat features profile --encoder llm`` writes
one, or what is counted in their training items. Safe to interrupt: what is finished stays, what was under way goes on
from its last save.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from experiments.demo_runs import LIGHTGCN, MOST_POPULAR, RECGOAT
from recgoat_jax.cli.compare import CompareCommand
from recgoat_jax.cli.compare import run as compare
from recgoat_jax.data import describe
from recgoat_jax.encoders.profile_features import make_profile_features
from recgoat_jax.encoders.profiles import read_profiles, statistical_profiles, write_profiles
from recgoat_jax.encoders.recipes import PreparedData, load_data
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.errors import RecgoatError
from recgoat_jax.report import draw_curves, draw_fusion_weights
from recgoat_jax.serving import load_run
from recgoat_jax.training import train
from recgoat_jax.training.ranker_run import BlendExperiment, EaseExperiment, run_ranker

OUT = Path("demo")


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=Path, help="profile table of the example users; None: counted ones")
    given = parser.parse_args()
    started = time.monotonic()
    print("1. Data")
    data = load_data(RECGOAT.data)
    print(describe(data.dataset))

    print("\n2. Profiles of the users, from training items alone")
    OUT.mkdir(exist_ok=True)
    counted = OUT / "profiles.jsonl"
    if given.profiles is None and not counted.exists():
        write_profiles(statistical_profiles(data.dataset), counted)
    profiles = read_profiles(given.profiles or counted)
    words = OUT / "profiles.npz"
    made = make_profile_features(data.dataset, profiles, TfidfSvd(), out=words)
    first = data.dataset.users.ids[0]
    print(f"{made.present} of {made.rows} users have one, by {profiles.encoder}. User {first}: {profiles.texts[first]}")
    recgoat = replace(RECGOAT, data=PreparedData(data.directory, user_features=(("words", words),)))

    print("\n3. Training (validation chooses the epoch, test is read once)")
    runs = [
        train(experiment, workdir=OUT / "runs" / experiment.name) for experiment in (MOST_POPULAR, LIGHTGCN, recgoat)
    ]

    ease = EaseExperiment.beside(recgoat, "ease")
    both = BlendExperiment("recgoat+ease", recgoat, ease)
    # The blend comes last: it makes EASE's run, and takes RecGOAT's.
    blend = run_ranker(both, workdir=OUT / "runs" / both.name)
    compared = [*(run.directory for run in runs), OUT / "runs" / ease.name, blend.directory]

    print("\n4. Test figures, all items ranked")
    Console().print(compare(CompareCommand(tuple(compared), baseline=LIGHTGCN.name)).to_rich())

    print("\n5. Recommendations of RecGOAT and EASE")
    served = load_run(blend.directory)
    for one in served.recommend(list(data.dataset.users.ids[:3]), k=5):
        print(f"user {one.user}")
        for item in one.items:
            print(f"   {item.score:6.2f}  {item.title or item.item}")

    print("\n6. Figures")
    figures = OUT / "figures"
    for path in (
        *draw_curves([run.directory for run in runs[1:]], figures / "curves"),
        *draw_fusion_weights(runs[-1].directory, figures / "fusion_weights"),
    ):
        print(f"   {path}")
    print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RecgoatError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("demo: interrupted; start it again to go on.", file=sys.stderr)
        sys.exit(130)
