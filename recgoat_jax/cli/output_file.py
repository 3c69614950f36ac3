"""Where a command writes, checked before it works."""

from pathlib import Path

from recgoat_jax.errors import UsageError


def check_output_file(path: Path | None) -> None:
    """Refuses a file whose directory is not there.

    Args:
        path: the file; None: nothing is written.

    Raises:
        UsageError: no such directory.
    """
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{path}: its directory does not exist; expected one that does.")


__all__ = ["check_output_file"]
