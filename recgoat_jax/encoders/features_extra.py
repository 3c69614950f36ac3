"""The packages of the extra ``features``, which are large and imported when an encoder that needs them is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from recgoat_jax.errors import DataError, MissingExtraError


def features_package(name: str) -> Any:
    """Imports a package of the extra.

    Args:
        name: of the module.

    Returns:
        The module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error.name or name, extra="features") from error


@contextmanager
def model_loading(model: str | Path, *, kind: str) -> Iterator[None]:
    """Within it a model is loaded; what the packages raise where there is none becomes a message.

    Args:
        model: id of the hub, or a directory.
        kind: what the model encodes, such as ``"image"``.

    Raises:
        DataError: no such model.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(
            f"{kind} encoder '{model}': found no model ({reason}); expected an id of the hub or a directory. Check the "
            "name and the network."
        ) from error


def model_name(model: str | Path) -> str:
    """What a card calls a model: its id, or the name of its directory."""
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else str(model)


__all__ = ["features_package", "model_loading", "model_name"]
