"""Kills a training at random moments, again and again, and compares what comes out with an unbroken run, bit for bit.

Command:  python -m experiments.kill_loop [--kills 50] [--seed 0] [--folder runs/kill_loop]
Cost:     about 40 minutes on 2 quiet CPU cores
Writes:   experiments/results/kill_loop.json and .md

RecGOAT on the example set (``make demo`` prepares it, else the first run does), few epochs, in three forms: one
process on the plain path, one with a mesh of four devices, two processes with two devices each. A kill is a SIGTERM or
SIGKILL of one process. After it the same command is started again, on all processes, and left alone until it finishes;
so there are as many finals as kills. The second start must go on from the last complete save, and each final must equal
that of the unbroken run of its form. Safe to interrupt: started again it goes on.
"""

import argparse
import json
import random
import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.killed_lives import Form, Kill, Life, Trainings, differences
from recgoat_jax.files import write_atomically
from recgoat_jax.training.environment import environment

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "kill_loop.json"
EXPERIMENT = HERE / "recgoat_ml_100k.py"
OPTIONS = ("--loop.max-epochs", "6", "--loop.checkpoint-seconds", "1", "--loop.no-tensorboard")
FORMS = (
    Form("one process, one device"),
    Form("one process, 4 devices", mesh="data=2,rows=2", devices=4),
    Form("two processes, 2 devices each", mesh="data=2,rows=2", processes=2, devices=2),
)


SHARES = (0.4, 0.36, 0.24)
"""Shares of the kills of the forms: two processes on two cores take their time."""


class KillLoop:
    """Kills of one experiment, in some forms.

    Args:
        trainings: starts them.
        folder: where runs and the record of what was done lie.
        seed: of the moments.
    """

    def __init__(self, trainings: Trainings, folder: Path, *, seed: int) -> None:
        self._trainings, self._folder, self._seed = trainings, folder, seed
        self._file = folder / "lives.json"
        self.lives: dict[str, list[dict[str, Any]]] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def kill(self, form: Form, kills: int) -> None:
        """Does what is missing of so many kills, and finishes the last run.

        Raises:
            RuntimeError: a life or a final is not as it must be.
        """
        lives = self.lives.setdefault(form.folder, [])
        unbroken = self._folder / form.folder / "unbroken"
        unbroken.parent.mkdir(parents=True, exist_ok=True)
        if not lives:
            self._note(form, unbroken, self._trainings.live(form, unbroken, None))
        while (done := sum(life["came"] for life in lives)) < kills or not lives[-1]["finished"]:
            run = unbroken.with_name(f"run-{sum(life['finished'] for life in lives)}")
            # One kill a run: where it came, the next life is left alone.
            kill = None if lives[-1]["came"] and not lives[-1]["finished"] else self._moment(form, done)
            life = self._trainings.live(form, run, kill)
            if life.finished and (found := differences(run, unbroken)):
                raise RuntimeError(f"{run}: the final differs from the unbroken run's in {', '.join(found)}.")
            self._note(form, run, life)

    def _moment(self, form: Form, number: int) -> Kill:
        """Mostly while it trains, sometimes while it starts; and often enough a little after the end, in vain."""
        draw = random.Random(f"{self._seed} {form.name} {number} {len(self.lives[form.folder])}")
        # The unbroken run compiles, the others find its programs: the quickest to the end tells how long one lives.
        unharmed = [
            life
            for life in self.lives[form.folder]
            if not life["came"] and not life["picked"] and life["start_seconds"] is not None
        ]
        whole = min(unharmed, key=lambda life: life["seconds"])
        since = draw.choices(("training", "start"), (3, 1))[0]
        longest = whole["start_seconds"] if since == "start" else whole["seconds"] - whole["start_seconds"]
        how = draw.choice(("TERM", "KILL"))
        return Kill(how, draw.randrange(form.processes), since, round(draw.uniform(0, longest), 2))

    def _note(self, form: Form, run: Path, life: Life) -> None:
        self.lives[form.folder].append(
            {"run": run.name, **asdict(life), "codes": list(life.codes), "finished": life.finished}
        )
        write_atomically(self._file, json.dumps(self.lives, indent=1) + "\n")
        end = "finished" if life.finished else f"codes {', '.join(map(str, life.codes))}"
        what = "left alone"
        if life.kill is not None:
            what = f"{life.kill.signal} {life.kill.seconds} s into {life.kill.since}"
            what += "" if life.came else " (too late)"
        print(f"{form.name}, {run.name}: {what}: {end} after {life.seconds} s; began after step {life.picked}")
        sys.stdout.flush()

    def summary(self, form: Form) -> dict[str, Any]:
        """The row of a form."""
        lives = self.lives[form.folder][1:]
        killed = [life for life in lives if life["came"]]
        stopped = [life for life in killed if set(life["codes"]) == {75}]
        saved = [life["seconds"] for life in stopped if life["start_seconds"]]
        starting = [life["seconds"] for life in stopped if not life["start_seconds"]]
        noticed = [
            life["seconds"]
            for life in killed
            if life["kill"]["signal"] == "KILL" and 5 in life["codes"] and life["start_seconds"]
        ]
        return {
            "form": form.name,
            "term": sum(life["kill"]["signal"] == "TERM" for life in killed),
            "kill": sum(life["kill"]["signal"] == "KILL" for life in killed),
            "in_training": sum(life["start_seconds"] is not None for life in killed),
            "went_on_from_a_save": sum(bool(life["picked"]) for life in lives),
            "finals": sum(life["finished"] for life in lives),
            "term_to_exit": {
                "saved": len(saved),
                "median": statistics.median(saved) if saved else None,
                "max": max(saved, default=None),
            },
            "term_while_starting": {"times": len(starting), "max": max(starting, default=None)},
            "others_ended": {"times": len(noticed), "max": max(noticed, default=None)},
        }


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table; a run whose final differs never comes to it."""
    lines = [
        "| form | kills: TERM / KILL | while it trained | went on from a save | finals, all identical | "
        "TERM to saved and exit 75, s: median / max | TERM while it starts to exit 75, s: max | "
        "KILL of one to the end of the other, s: max |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        term, starting, others = row["term_to_exit"], row["term_while_starting"], row["others_ended"]
        times = f"{term['median']:.1f} / {term['max']:.1f} ({term['saved']})" if term["saved"] else "-"
        early, end = (f"{one['max']:.1f} ({one['times']})" if one["times"] else "-" for one in (starting, others))
        finals = f"{row['finals']} of {row['finals']}"
        cells = (row["in_training"], row["went_on_from_a_save"], finals, times, early, end)
        lines.append(f"| {row['form']} | {row['term']} / {row['kill']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the loop; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="kills in all (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default 0)")
    parser.add_argument("--folder", type=Path, default=Path("runs/kill_loop"), help="where the runs lie")
    given = parser.parse_args()
    folder = given.folder.resolve()
    loop = KillLoop(Trainings(EXPERIMENT, OPTIONS, folder), folder, seed=given.seed)
    for form, share in zip(FORMS, SHARES, strict=True):
        loop.kill(form, round(given.kills * share))
    rows = [loop.summary(form) for form in FORMS]
    record = {"kills": given.kills, "seed": given.seed, "forms": rows, "lives": loop.lives, "machine": environment()}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(as_markdown(rows))
    print("\n" + as_markdown(rows))
    return 0


if __name__ == "__main__":
    # A life that is under way is ended with the loop, whichever way that is asked to stop.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"kill loop: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("kill loop: interrupted; start it again to go on.", file=sys.stderr)
        sys.exit(130)
