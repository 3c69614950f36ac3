"""``recgoat tune``: a search for settings on validation alone, within a budget; and test figures after the fact."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, cast

import tyro

from recgoat_jax.cli.train import load_experiment
from recgoat_jax.encoders.recipes import with_root
from recgoat_jax.errors import UsageError
from recgoat_jax.files import write_atomically
from recgoat_jax.report.study_figures import Ended, search_figure, validation_against_test_figure
from recgoat_jax.report.study_tables import study_page, unblinded_page
from recgoat_jax.report.style import save
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.experiment_source import changed_settings, experiment_source
from recgoat_jax.training.search_space import SearchSpace, load_search_space
from recgoat_jax.training.study_record import StudyConfig, StudyRecord, read_study
from recgoat_jax.training.tuning import run_study, tuned_experiment
from recgoat_jax.training.unblind import Unblinded, unblind

PAGE, CURVE, BEST = "study.md", "curve", "best.py"
"""Files of a study beside its record: the page, the figure (PNG and PDF), the best trial as an experiment file."""
TEST_PAGE, TEST_FIGURE = "test.md", "validation_against_test"
"""The same for its test figures."""


@dataclass(frozen=True)
class TuneCommand:
    """Searches settings on validation: proposes, trains, prunes; goes on where it was stopped."""

    experiment: tyro.conf.Positional[Path]
    """Experiment file whose settings are varied."""
    search: Path | None = None
    """Search file: what may be varied. See experiments/search; needed unless --unblind is given."""
    out: Path | None = None
    """Directory of the study; None: runs/tune/NAME."""
    data: Path | None = None
    """Prepared directory, or the root of the shared research data, as for recgoat train."""
    budget: Annotated[StudyConfig, tyro.conf.arg(name="")] = field(default_factory=StudyConfig)
    """Budget and search."""
    unblind: bool = False
    """Read the test figures of the finished trials, once, and close the study: it takes no further trials."""
    json: bool = False
    """Print the result as JSON instead of text."""
    quiet: bool = False
    """No progress line."""


def base_of(command: TuneCommand) -> Experiment:
    """The experiment that the command varies, its data in place."""
    base = load_experiment(command.experiment)
    return base if command.data is None else replace(base, data=with_root(base.data, command.data))


def out_of(command: TuneCommand, base: Experiment) -> Path:
    """The directory of the study."""
    return Path("runs") / "tune" / base.name if command.out is None else command.out


def run(command: TuneCommand) -> StudyRecord:
    """Runs what is left of the study, and writes its page, figure and best experiment after each trial."""
    if command.search is None:
        raise UsageError("expected --search FILE, such as one of experiments/search.")
    space, base = load_search_space(command.search), base_of(command)
    out = out_of(command, base)
    found = None
    for found in run_study(base, space, out=out, config=command.budget, quiet=command.quiet):
        write_study(found, out, space=space, base=base)
    assert found is not None
    return found


def write_study(record: StudyRecord, out: Path, *, space: SearchSpace, base: Experiment) -> None:
    """Writes what shows a study, test figures aside: the page, the curve, and the best trial as an experiment file."""
    write_atomically(out / PAGE, study_page(record))
    valued = [one for one in record.trials if one.value is not None]
    if record.best is None:
        return
    figure = search_figure(
        [one.number for one in valued],
        [one.value or 0.0 for one in valued],
        [cast("Ended", one.state) for one in valued],
        metric=record.metric,
    )
    save(figure, out / CURVE)
    best = record.best
    docstring = (
        f"Trial {best.number} of {len(record.trials)} of a search on {record.name}: validation {record.metric} "
        f"{best.value:.4f}."
    )
    write_atomically(out / BEST, experiment_source(tuned_experiment(space, base, trial=best), docstring=docstring))


def write_unblinded(found: Unblinded, out: Path) -> None:
    """Writes what shows the test figures: a page, and the scatter of validation against test."""
    write_atomically(out / TEST_PAGE, unblinded_page(found))
    figure = validation_against_test_figure(
        [one.valid for one in found.trials],
        [one.test for one in found.trials],
        [cast("Ended", one.state) for one in found.trials],
        metric=found.metric,
        chosen=0,
    )
    save(figure, out / TEST_FIGURE)


def _print_study(command: TuneCommand, record: StudyRecord) -> None:
    base = base_of(command)
    out, best = out_of(command, base), record.best
    print(
        f"{len(record.trials)} of {record.config.trials} trials ({record.count('pruned')} pruned, "
        f"{record.count('failed')} failed), {record.minutes:.1f} minutes of training: {out / PAGE}, {out / CURVE}.png"
    )
    if best is None:
        print("no trial has a value: see the reasons on the page")
        return
    print(f"best: trial {best.number}, validation {record.metric} {best.value:.4f} (epoch {best.best_epoch})")
    changes = changed_settings(base, load_experiment(out / BEST))
    print("\n".join(f"  {line}" for line in changes) if changes else "  the settings of the experiment as it is")
    print(f"train it, with a seed of its own: {shlex.join(['recgoat', 'train', str(out / BEST), '--seed', '1'])}")


def _print_unblinded(found: Unblinded, out: Path) -> None:
    rho = "not defined" if found.correlation.rho is None else f"{found.correlation.rho:.2f}"
    print(
        f"chosen on validation: trial {found.chosen.number}, test {found.metric} {found.chosen.test:.4f}; best on "
        f"test: trial {found.best.number}, {found.best.test:.4f}"
    )
    print(f"regret {found.regret:.4f}, rank correlation {rho} over {found.correlation.trials} trials")
    if found.unfinished:
        print(f"not finished, and left out: {', '.join(found.unfinished)}")
    print(f"page: {out / TEST_PAGE}, figure: {out / TEST_FIGURE}.png; the study takes no further trials")


def main(arguments: Sequence[str]) -> int:
    """Runs ``recgoat tune``; returns the exit code."""
    try:
        command = tyro.cli(TuneCommand, args=list(arguments), prog="recgoat tune")
    except ValueError as error:  # a budget that is none
        raise UsageError(str(error)) from error
    if command.unblind:
        base = load_experiment(command.experiment)
        out = out_of(command, base)
        if (name := read_study(out).name) != base.name:
            raise UsageError(
                f"{out}: found the study of '{name}'; expected that of '{base.name}', since a look at test closes it. "
                "Name its experiment, or its directory with --out."
            )
        found = unblind(out)
        write_unblinded(found, out)
        if command.json:
            print((out / "test.json").read_text(encoding="utf-8"), end="")
        else:
            _print_unblinded(found, out)
        return 0
    record = run(command)
    if command.json:
        print(json.dumps(to_json(record)))
    else:
        _print_study(command, record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = [
    "BEST",
    "CURVE",
    "PAGE",
    "TEST_FIGURE",
    "TEST_PAGE",
    "TuneCommand",
    "base_of",
    "main",
    "out_of",
    "run",
    "write_study",
    "write_unblinded",
]
