"""Names at the top level of a Python file: experiments, search spaces and tables are such files."""

import runpy
import sys
from pathlib import Path
from typing import Any


def names_in(path: Path) -> dict[str, Any]:
    """Runs a file and returns what it defines.

    The file may import what lies beside it and in the package that it is part of, wherever the program was started.

    Args:
        path: a Python file that exists.

    Returns:
        Names to values.
    """
    # The folder itself for files beside it; for a module of a package, what holds the package.
    added = [str(path.absolute().parent), str(_top(path))]
    sys.path[:0] = added
    try:
        return runpy.run_path(str(path))
    finally:
        for folder in added:
            sys.path.remove(folder)


def path_in_package(path: Path) -> Path:
    """A file as its package names it, wherever that lies: ``experiments/tables/ml_100k.py``.

    Args:
        path: a Python file.

    Returns:
        The path from the folder that holds the package; the name alone for a file that is in none.
    """
    return path.absolute().relative_to(_top(path))


def _top(path: Path) -> Path:
    """The nearest folder above a file that is no package."""
    return next(folder for folder in path.absolute().parents if not (folder / "__init__.py").exists())


__all__ = ["names_in", "path_in_package"]
