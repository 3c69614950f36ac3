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
        (IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "x"), 2, "Is a directory: 'x'. Name another file"),
        (FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), "x"), 2, "File exists: 'x'. Name another file"),
        (NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "x"), 2, "Not a directory: 'x'. Name another"),
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


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "lightgcn", "--topology", "v5e:2x2", "--json", "nowhere/plan.json"],
        ["evaluate", "run", "--per-user", "nowhere/users.parquet"],
        ["recommend", "run", "--users", "u", "--html", "nowhere/page.html"],
    ],
)
def test_a_file_in_a_directory_that_is_not_there_is_refused_before_any_work(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert f"{words[-1]}: its directory does not exist; expected one that does." in capsys.readouterr().err
