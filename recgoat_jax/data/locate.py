"""Where the shared research data lies."""

import os
from pathlib import Path

from recgoat_jax.errors import DataError

VARIABLE = "RECGOAT_DATA"
"""Environment variable that names the folder of the shared research data."""


def find_shared_data(explicit: Path | None = None) -> Path:
    """Finds the folder of the shared research data.

    In order: the folder given, the folder that `VARIABLE` names, then ``shared/data`` beside the repository and
    beside the current directory. A folder that was named but is not there is an error, never passed over.

    Args:
        explicit: the folder that the user gave (``--data``), or None.

    Returns:
        The folder.

    Raises:
        DataError: no such folder; both ways to name it are told.
    """
    named = [("--data", explicit)] if explicit is not None else [(VARIABLE, os.environ.get(VARIABLE))]
    for origin, folder in named:
        if folder:
            path = Path(folder).expanduser()
            if path.is_dir():
                return path
            raise DataError.at(
                path,
                found="no such folder",
                expected=f"the folder of the shared research data, as {origin} says",
                action=f"Give an existing folder with --data or {VARIABLE}.",
            )
    # Beside a checkout the package lies one level below the repository; an installed wheel has no repository.
    beside = [Path(__file__).resolve().parents[2], Path.cwd()]
    candidates = list(dict.fromkeys(place.parent / "shared" / "data" for place in beside))
    for path in candidates:
        if path.is_dir():
            return path
    raise DataError.at(
        " or ".join(str(path) for path in candidates),
        found="no such folder",
        expected="the folder of the shared research data",
        action=f"Give it with --data DIR, or set {VARIABLE}=DIR.",
    )


__all__ = ["VARIABLE", "find_shared_data"]
