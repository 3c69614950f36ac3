"""A search file: what a study may vary, as one function from a trial of optuna to an experiment."""

import inspect
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.training.experiment import Experiment, to_json
from recgoat_jax.training.python_file import names_in

if TYPE_CHECKING:
    from types import ModuleType

    from optuna.trial import BaseTrial


def optuna_module() -> "ModuleType":
    """optuna, imported on first use; it says nothing below a warning.

    Raises:
        MissingExtraError: the extra ``tune`` is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError.of("optuna", extra="tune") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@dataclass(frozen=True)
class SearchSpace:
    """What a study may vary.

    Attributes:
        suggest: a pure function from a trial and the base experiment to the experiment of the trial.
        first: settings that are tried first, each name to value.
        text: the file that it stands in, kept with the study.
        source: name of that file, for messages.
    """

    suggest: Callable[["BaseTrial", Experiment], Experiment]
    first: tuple[Mapping[str, Any], ...] = ()
    text: str = ""
    source: str = "suggest"

    def experiment(self, trial: "BaseTrial", base: Experiment) -> Experiment:
        """The experiment of a trial, checked: the same data, judged by the same metric.

        Args:
            trial: a trial of optuna: running, or one of known settings such as ``optuna.trial.FixedTrial``.
            base: the experiment that the study starts from.

        Returns:
            The experiment.

        Raises:
            UsageError: ``suggest`` returned something else.
            ValueError: a setting that the config refuses.
        """
        found = self.suggest(trial, base)
        if not isinstance(found, Experiment):
            raise UsageError(
                f"{self.source}: suggest returned {type(found).__name__}; expected an Experiment, such as "
                "dataclasses.replace(experiment, optimizer=...)."
            )
        judged = ("selection_metric", "cutoffs")
        if found.data != base.data or any(getattr(found.loop, it) != getattr(base.loop, it) for it in judged):
            raise UsageError(
                f"{self.source}: suggest changed the data, loop.selection_metric or loop.cutoffs; expected those of "
                "the experiment, so that the values of trials compare. Vary the model, the optimiser or other settings."
            )
        return found

    def check(self, base: Experiment, *, seed: int) -> None:
        """Tries the space without training: one draw, and each of the first settings.

        Args:
            base: the experiment that the study starts from.
            seed: seed of the draw.

        Raises:
            UsageError: as `experiment`; an assertion of ``suggest`` that does not hold; first settings that ``suggest``
                does not ask for, or that lie outside of their bounds; nothing to vary.
        """
        optuna = optuna_module()
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        for place, first in enumerate(self.first):
            study.enqueue_trial(dict(first))
            trial = study.ask()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # optuna's own words about bounds; ours are below
                self._tried(trial, base)
            wrong = {
                name: value
                for name, value in first.items()
                if name not in trial.params or not _within(trial.distributions[name], value)
            }
            if wrong:
                raise UsageError(
                    f"{self.source}: FIRST[{place}] sets {wrong}; expected names that suggest asks for, with values "
                    f"within their bounds. It asks for {', '.join(trial.params) or 'nothing'}."
                )
        trial = study.ask()
        self._tried(trial, base)
        if not trial.params:
            raise UsageError(
                f"{self.source}: suggest asks the trial for nothing; expected trial.suggest_float or such."
            )

    def _tried(self, trial: "BaseTrial", base: Experiment) -> None:
        """A config may refuse what is drawn, and the study goes on; what ``suggest`` returns is never excused."""
        try:
            self.experiment(trial, base)
        except ValueError as error:
            if not trial.params:
                raise UsageError(f"{self.source}: suggest fails: {error}") from error
        except (AssertionError, AttributeError, KeyError, TypeError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise UsageError(
                f"{last.filename}, line {last.lineno}: found that '{base.name}', with {type(base.model).__name__}, "
                f"does not hold to '{last.line or error}' ({type(error).__name__}{': ' if str(error) else ''}{error}); "
                f"expected the experiment that {self.source} is written for. "
                "Name another search file or another experiment."
            ) from error


def _within(distribution: Any, value: Any) -> bool:
    """Whether a value is one that the distribution gives."""
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return any(value == choice and type(value) is type(choice) for choice in choices)
    return isinstance(value, int | float) and distribution.low <= value <= distribution.high


def load_search_space(path: Path) -> SearchSpace:
    """The ``suggest`` of a search file, and its ``FIRST`` where it has one.

    Args:
        path: a Python file.

    Returns:
        The space.

    Raises:
        MissingExtraError: the extra ``tune`` is not installed.
        UsageError: no such file; no ``suggest`` in it, or one of other arguments; a ``FIRST`` that is no tuple of
            dicts.
    """
    optuna_module()
    if not path.is_file():
        raise UsageError(
            f"--search: '{path}' is not a file; expected a search file, such as those in experiments/search."
        )
    found = names_in(path)
    suggest: Any = found.get("suggest")
    first: Any = found.get("FIRST", ())
    takes = len(inspect.signature(suggest).parameters) if callable(found.get("suggest")) else 0
    if takes != 2:
        raise UsageError(
            f"{path}: found {'no suggest' if suggest is None else 'a suggest of other arguments'}; expected "
            "'def suggest(trial, experiment): ...' at the top level."
        )
    if not isinstance(first, tuple) or not all(isinstance(one, dict) for one in first):
        raise UsageError(f"{path}: FIRST is {first!r}; expected a tuple of dicts of settings, each name to value.")
    return SearchSpace(suggest, first, path.read_text(encoding="utf-8"), str(path))


def named(experiment: Experiment, suffix: str) -> Experiment:
    """The experiment with a longer name, so that tables and figures tell trials apart."""
    return replace(experiment, name=f"{experiment.name}-{suffix}")


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """The experiment as JSON values, without the place of its data, which may change."""
    return {name: value for name, value in to_json(experiment).items() if name != "data"}


__all__ = ["SearchSpace", "load_search_space", "named", "optuna_module", "settings_of"]
