"""The files of a run directory, and writing files so that a reader never finds half of one."""

import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIG_FILE = "config.json"
"""The experiment of a run."""
ENVIRONMENT_FILE = "environment.json"
"""Versions and machine of a run."""
METRICS_FILE = "metrics.jsonl"
"""The log of a run, one JSON object a line."""
RESULT_FILE = "result.json"
"""The result of a finished run."""
PER_USER_FILE = "per_user.parquet"
"""Test metrics of every user."""
VECTORS_FILE = "vectors.npz"
"""Vectors of the selected epoch."""


@contextmanager
def opened_atomically(path: Path) -> Iterator[io.BufferedWriter]:
    """Opens a file for writing, by way of a temporary sibling that takes its place when the block ends well.

    Args:
        path: the file; its directory exists. A link is followed; what is no file, such as a pipe or a device, is
            written into as it is.

    Yields:
        The open file.

    Raises:
        OSError: disk full, read-only directory; the old file, if any, is untouched.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    # Readable for whom the umask says; tempfile's files are for their owner alone.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file by way of a temporary sibling.

    Args:
        path: the file; its directory exists.
        content: text (UTF-8) or bytes.

    Raises:
        OSError: disk full, read-only directory; the old file, if any, is untouched.
    """
    with opened_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines.

    Args:
        path: the file.

    Returns:
        The records, in order; a last line cut short by a kill is left out, a missing file is empty.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


__all__ = [
    "CONFIG_FILE",
    "ENVIRONMENT_FILE",
    "METRICS_FILE",
    "PER_USER_FILE",
    "RESULT_FILE",
    "VECTORS_FILE",
    "opened_atomically",
    "read_json_lines",
    "write_atomically",
]
