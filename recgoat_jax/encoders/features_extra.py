"""The packages of the extra ``features``, which are large and imported when an encoder that needs them is made."""

from importlib import import_module
from typing import Any

from recgoat_jax.errors import MissingExtraError


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


__all__ = ["features_package"]
