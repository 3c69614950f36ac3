"""An experiment: data, model, optimiser, loop and seed, and nothing else. One value describes one run."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recgoat_jax.encoders.recipes import DataConfig, ExampleData
from recgoat_jax.evaluation.metrics import METRIC_NAMES
from recgoat_jax.models.build import ModelConfig
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.training.batches import Shuffle
from recgoat_jax.training.optimizer import OptimizerConfig


@dataclass(frozen=True)
class LoopConfig:
    """Epochs, batches, early stopping."""

    batch_size: int = 2048
    """Triples a step."""
    max_epochs: int = 1000
    """Epochs at most."""
    evaluate_every: int = 1
    """Epochs between validations."""
    patience: int = 20
    """Validations in a row without improvement that are tolerated; the next one stops the run."""
    selection_metric: str = "recall@20"
    """Validation metric that chooses the epoch, unrounded."""
    cutoffs: tuple[int, ...] = (5, 10, 20, 50)
    """Cut-offs k of the metrics that are written."""
    shuffle: Shuffle = "permutation"
    """How an epoch's order is drawn: whole, or for each step when it is due, for data that is large beside a device."""
    steps_per_call: int = 512
    """Steps a call of the jitted loop at most."""
    seconds_per_call: float = 2.0
    """Time that a call of the jitted loop aims at: the grain of the progress line and of a stop."""
    checkpoint_seconds: float = 20.0
    """Least time between two saves of the state."""
    tensorboard: bool = True
    """Whether TensorBoard files are written beside the JSON lines."""

    def __post_init__(self) -> None:
        metric, _, k = self.selection_metric.partition("@")
        if metric not in METRIC_NAMES or k not in map(str, self.cutoffs):
            raise ValueError(
                f"selection_metric is '{self.selection_metric}'; expected one of {', '.join(METRIC_NAMES)} at one of "
                f"the cut-offs {list(self.cutoffs)}, for example 'recall@{max(self.cutoffs, default=20)}'."
            )
        for name in ("batch_size", "max_epochs", "evaluate_every", "patience", "steps_per_call"):
            if getattr(self, name) < (0 if name in ("max_epochs", "patience") else 1):
                raise ValueError(f"{name} is {getattr(self, name)}; expected a positive number.")


@dataclass(frozen=True)
class Experiment:
    """One run, in full."""

    name: str = "recgoat"
    """Name of the run, for tables and plots."""
    data: DataConfig = field(default_factory=ExampleData)
    """Where the data comes from."""
    model: ModelConfig = field(default_factory=RecGoatConfig)
    """The model and its settings."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Adam and its schedule."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """Batches and early stopping."""
    seed: int = 0
    """Seed of everything random in training; the split has its own."""


def to_json(value: Any) -> Any:
    """A config as JSON values; a dataclass carries its class name as ``"type"``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def from_json(kind: Any, value: Any) -> Any:
    """The inverse of `to_json`.

    Args:
        kind: the annotated type; a union of dataclasses is decided by the tag.
        value: JSON values.

    Returns:
        The config.

    Raises:
        ValueError: a tag that the union does not list.
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if isinstance(value, dict) and "type" in value:
            for option in options:
                if dataclasses.is_dataclass(option) and getattr(option, "__name__", "") == value["type"]:
                    return from_json(option, value)
            raise ValueError(f"'{value['type']}' is none of {[getattr(o, '__name__', str(o)) for o in options]}.")
        if value is None:
            return None
        return from_json(next(option for option in options if option is not types.NoneType), value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: from_json(hints[name], item) for name, item in value.items() if name != "type"})  # type: ignore[operator]  # a dataclass type is callable
    if origin is tuple:
        kinds = [options[0]] * len(value) if options[-1] is Ellipsis else options
        return tuple(from_json(one, item) for one, item in zip(kinds, value, strict=True))
    if kind is Path:
        return Path(value)
    return value


def field_default(one: "dataclasses.Field[Any]") -> Any:
    """The default of a dataclass's field; `dataclasses.MISSING` where it has none."""
    return one.default if one.default_factory is dataclasses.MISSING else one.default_factory()


def differences(stored: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where two configs in JSON form differ: ``"model.epsilon: stored 0.02, given 0.05"``.

    A setting that the stored config does not know, since a later release added it, counts as its default there: that
    is what runs did before.
    """
    found = []
    added = _defaults(stored.get("type"))
    stored = {name: added[name] for name in given if name in added} | dict(stored)
    for name in sorted({*stored, *given}):
        a, b = stored.get(name), given.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}: stored {json.dumps(a)}, given {json.dumps(b)}")
    return found


def _defaults(kind: Any) -> dict[str, Any]:
    """The defaults of a class of settings, by its tag, as JSON values; nothing for a tag that is none of theirs."""
    kinds = (Experiment, LoopConfig, OptimizerConfig, *typing.get_args(ModelConfig), *typing.get_args(DataConfig))
    fields = [one for each in kinds if each.__name__ == kind for one in dataclasses.fields(each)]
    return {one.name: to_json(default) for one in fields if (default := field_default(one)) is not dataclasses.MISSING}


__all__ = ["Experiment", "LoopConfig", "differences", "field_default", "from_json", "to_json"]
