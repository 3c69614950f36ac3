"""The figures of a finished run: all that apply to it are drawn, the others are named with the reason."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.errors import RecgoatError, UsageError
from recgoat_jax.report.run_plates import PLATES, ReportOptions, Subject
from recgoat_jax.report.style import save
from recgoat_jax.serving.run import Run


class Drawn(NamedTuple):
    """A figure that was drawn.

    Attributes:
        title: what it is.
        caption: what is drawn, in words.
        sources: files of the run that it was made from.
        png: the picture.
        pdf: the same for print.
    """

    title: str
    caption: str
    sources: tuple[str, ...]
    png: Path
    pdf: Path


class LeftOut(NamedTuple):
    """A figure that was not drawn.

    Attributes:
        title: what it would have been.
        reason: why it is not there.
    """

    title: str
    reason: str


def draw_run(
    runs: Sequence[Run], out: Path, *, options: ReportOptions | None = None, checkpoints: Path | None = None
) -> Iterator[Drawn | LeftOut]:
    """Draws the figures of a run one after the other.

    Args:
        runs: a finished run, and further ones of the same experiment with other seeds: these are drawn beside it where
            there is a value a run.
        out: directory of the figures; made when missing.
        options: what they show; None: the defaults.
        checkpoints: where the checkpoints of the first run lie; None: in its directory.

    Yields:
        Each figure, drawn or left out.

    Raises:
        UsageError: no run, runs of several experiments, or a metric that the run does not have.
    """
    _check_seeds(runs)
    subject = Subject(runs, options or ReportOptions(), checkpoints)
    for name, title, draw in PLATES:
        try:
            plate = draw(subject)
            png, pdf = save(plate.figure, out / name)
        except RecgoatError as error:
            yield LeftOut(title, str(error))
        else:
            yield Drawn(title, plate.caption, plate.sources, png, pdf)


def _check_seeds(runs: Sequence[Run]) -> None:
    if not runs:
        raise UsageError("no run to report on; expected one or more.")
    first, *others = runs
    seeds = {first.result["seed"]}
    for run in others:
        same = [first.result[key] == run.result[key] for key in ("name", "dataset", "protocol")]
        same += [first.config.get(key) == run.config.get(key) for key in ("model", "optimizer", "loop")]
        if not all(same) or run.result["seed"] in seeds:
            raise UsageError(
                f"{run.directory}: found another experiment than that of {first.directory}, or the same seed again; "
                "expected runs that differ in their seed alone. To compare models: recgoat compare RUN RUN ..."
            )
        seeds.add(run.result["seed"])


__all__ = ["Drawn", "LeftOut", "ReportOptions", "draw_run"]
