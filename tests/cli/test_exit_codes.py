"""What an error of a command becomes: a line on stderr and the code of its kind, never a traceback."""

import errno
import os

import pytest

from recgoat_jax.cli import doctor
from recgoat_jax.cli.main import main
from recgoat_jax.errors import DataError, MissingExtraError, RunStoppedError, SavedAndStopped, UsageError


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("k = 0"), 2, "k = 0"),
        (DataError("a.csv, line 3"), 3, "a.csv, line 3"),
        (MissingExtraError.of("pooch", extra="data"), 4, "pip install 'recgoat-jax[data]'"),
        (RunStoppedError("not finite"), 5, "not finite"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.parquet"),
            5,
            "No space left on device: 'x.parquet'. Free",
        ),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x"), 5, "Permission denied: 'x'. Free"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "x"), 5, "Read-only file system: 'x'. Free"),
        (SavedAndStopped("saved"), 75, "saved"),
        (KeyboardInterrupt(), 130, "interrupted; start the same command again"),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(doctor, "main", fail)
    assert main(["doctor"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("recgoat doctor: ")
    assert message in printed.err
    assert "Traceback" not in printed.err


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> int:
        raise FileNotFoundError(errno.ENOENT, "gone")

    monkeypatch.setattr(doctor, "main", fail)
    with pytest.raises(FileNotFoundError):
        main(["doctor"])
