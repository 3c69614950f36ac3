"""One run, or one job, a directory: a lock that the operating system drops when the process ends, however it ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recgoat_jax.errors import RunStoppedError

try:
    import fcntl
except ImportError:  # Windows has no fcntl; there two runs in one directory are the user's to avoid.
    fcntl = None


@contextmanager
def run_lock(directory: Path) -> Iterator[None]:
    """Holds the directory while the block runs.

    Args:
        directory: the directory; it exists.

    Raises:
        RunStoppedError: another process holds it, whose id is named; or the file system has no locks.
    """
    path = directory / ".lock"
    with path.open("a+") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise RunStoppedError(
                        f"{directory}: found a directory that cannot be locked ({error.strerror}); expected a file "
                        "system with locks. Choose another directory."
                    ) from error
                file.seek(0)
                raise RunStoppedError(
                    f"{directory}: found another run at work here (process {file.read().strip() or 'unknown'}); "
                    "expected none. Wait for it, stop it, or choose another directory."
                ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


__all__ = ["run_lock"]
