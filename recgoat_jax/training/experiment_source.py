"""An experiment as the Python that makes it: a file that ``recgoat train`` reads."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from recgoat_jax.training.experiment import Experiment, field_default

_INDENT = "    "


def experiment_source(experiment: Experiment, *, docstring: str) -> str:
    """The text of an experiment file; settings at their defaults are left out.

    Args:
        experiment: the experiment.
        docstring: what the file says of it.

    Returns:
        Python with ``CONFIG`` at the top level.
    """
    imports: set[tuple[str, str]] = set()
    value = _source(experiment, imports, depth=0)
    names: dict[str, list[str]] = {}
    for module, name in sorted(imports):
        names.setdefault(module, []).append(name)
    lines = [f"from {module} import {', '.join(of_module)}" for module, of_module in names.items()]
    return f'"""{docstring}"""\n\n' + "\n".join(lines) + f"\n\nCONFIG = {value}\n"


def changed_settings(base: Experiment, other: Experiment) -> list[str]:
    """What differs between two experiments, names aside: ``"model.dim: 64 -> 128"``."""
    return [line for line in _changes(base, other, "") if not line.startswith("name: ")]


def _changes(base: Any, other: Any, path: str) -> list[str]:
    if not dataclasses.is_dataclass(base) or type(base) is not type(other):
        return [] if base == other else [f"{path.removesuffix('.')}: {base!r} -> {other!r}"]
    found: list[str] = []
    for one in dataclasses.fields(base):
        found += _changes(getattr(base, one.name), getattr(other, one.name), f"{path}{one.name}.")
    return found


def _source(value: Any, imports: set[tuple[str, str]], *, depth: int) -> str:
    if isinstance(value, Path):
        imports.add(("pathlib", "Path"))
        return f"Path({str(value)!r})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        inner = [_source(one, imports, depth=depth) for one in value]
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return repr(value)
    kind = type(value)
    imports.add((kind.__module__, kind.__name__))
    pad = _INDENT * (depth + 1)
    given = [
        f"{pad}{one.name}={_source(getattr(value, one.name), imports, depth=depth + 1)},\n"
        for one in dataclasses.fields(value)
        if getattr(value, one.name) != field_default(one)
    ]
    return f"{kind.__name__}(\n{''.join(given)}{_INDENT * depth})" if given else f"{kind.__name__}()"


__all__ = ["changed_settings", "experiment_source"]
