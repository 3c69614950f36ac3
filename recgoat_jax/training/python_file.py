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
    whole = path.absolute()
    # The folder itself for files beside it; for a module of a package, what holds the package.
    top = next(folder for folder in whole.parents if not (folder / "__init__.py").exists())
    added = [str(whole.parent), str(top)]
    sys.path[:0] = added
    try:
        return runpy.run_path(str(path))
    finally:
        for folder in added:
            sys.path.remove(folder)


__all__ = ["names_in"]
