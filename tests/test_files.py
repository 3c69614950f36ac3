"""Files that appear whole, and the lock of a directory."""

import errno
import os
import threading
from pathlib import Path

import pytest

from recgoat_jax import lock
from recgoat_jax.errors import RunStoppedError
from recgoat_jax.files import write_atomically


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    for text in ("first", "second"):
        write_atomically(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "file").read_text() == text
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_what_is_no_file_is_written_into(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_atomically(pipe, "page")
    reader.join(timeout=30)
    assert read == ["page"]
    assert pipe.is_fifo()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, "page")


def test_a_file_system_without_locks_is_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    assert lock.fcntl is not None
    monkeypatch.setattr(lock.fcntl, "flock", without_locks)
    with pytest.raises(RunStoppedError, match=r"cannot be locked \(No locks available\)"), lock.run_lock(tmp_path):
        pass
