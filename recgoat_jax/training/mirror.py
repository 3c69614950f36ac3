"""A run directory in a bucket: the files lie on this machine and are copied as they change.

A log cannot be appended to in a bucket. So a run works in a local directory, which at the start is made what the bucket
holds, whatever an earlier start on this machine has left there; a thread takes back what has changed, every few seconds
and at the end. Checkpoints go to the bucket directly. After a kill the log may lack the lines of the last seconds;
nothing that is trained is lost.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etils import epath

from recgoat_jax.files import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    METRICS_FILE,
    PER_USER_FILE,
    RESULT_FILE,
    VECTORS_FILE,
    write_atomically,
)
from recgoat_jax.lock import run_lock

_FILES = (CONFIG_FILE, ENVIRONMENT_FILE, METRICS_FILE, VECTORS_FILE, PER_USER_FILE, RESULT_FILE)
"""In this order: the result says that the others are complete."""


@contextmanager
def mirrored(local: Path, remote: epath.Path, *, every: float = 10.0) -> Iterator[None]:
    """Keeps a copy of a run directory while the block runs.

    Args:
        local: the run directory on this machine; made when missing.
        remote: its copy, in a bucket.
        every: seconds between two looks for changes.

    Raises:
        RunStoppedError: another run is at work in the local directory.
    """
    local.mkdir(parents=True, exist_ok=True)
    # Not under the hands of a run that is at work here.
    with run_lock(local):
        for name in _FILES:
            if (remote / name).exists():
                write_atomically(local / name, (remote / name).read_bytes())
            else:
                (local / name).unlink(missing_ok=True)
    copied: dict[str, tuple[int, int]] = {}
    stop = threading.Event()

    def copy_changes() -> None:
        remote.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            path = local / name
            if not path.exists():
                continue
            status = path.stat()
            if copied.get(name) != (state := (status.st_mtime_ns, status.st_size)):
                (remote / name).write_bytes(path.read_bytes())
                copied[name] = state

    def work() -> None:
        while not stop.wait(every):
            # The network may be gone for a while; what could not be copied is copied later, at the end at the latest.
            with suppress(OSError):
                copy_changes()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        copy_changes()


__all__ = ["mirrored"]
