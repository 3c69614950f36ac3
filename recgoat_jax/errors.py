"""Errors that a user can cause and mend, each with the exit code of its kind.

Every message says what was found, what was expected and what to do. The command line prints the message
without a traceback and exits with ``exit_code``; Python callers catch the class.
"""

from typing import ClassVar


class RecgoatError(Exception):
    """Base of all errors that the library raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(RecgoatError):
    """Wrong arguments: an unknown id, a k larger than the catalogue, options that contradict each other."""

    exit_code = 2


class DataError(RecgoatError):
    """A data problem: a bad file, a bad row, a directory that changed after it was prepared."""

    exit_code = 3

    @classmethod
    def at(
        cls,
        source: object,
        *,
        found: str,
        expected: str,
        action: str,
        row: int | None = None,
        column: str | None = None,
    ) -> "DataError":
        """Builds the error for one place in one file.

        Args:
            source: the file or directory.
            found: what is there.
            expected: what should be there.
            action: what the user can do about it.
            row: 1-based line of the file (the header is line 1), where known.
            column: column name, where known.

        Returns:
            The error, its message naming file, row and column.
        """
        place = str(source)
        if row is not None:
            place += f", line {row}"
        if column is not None:
            place += f", column '{column}'"
        return cls(f"{place}: found {found}; expected {expected}. {action}")


class MissingExtraError(RecgoatError):
    """An optional dependency is not installed."""

    exit_code = 4

    @classmethod
    def of(cls, package: str, *, extra: str) -> "MissingExtraError":
        """Names the package that is missing and the extra that brings it."""
        return cls(f"'{package}' is not installed. Install it with: pip install 'recgoat-jax[{extra}]'")


class RunStoppedError(RecgoatError):
    """A run stopped by itself: non-finite loss, lock held by another run, disk full."""

    exit_code = 5


class NonFiniteLossError(RunStoppedError):
    """The loss of a run is not a number: its settings are to blame, not the machine."""


class SavedAndStopped(RecgoatError):
    """A run saved its state after SIGTERM and stopped; started again it goes on."""

    exit_code = 75


__all__ = [
    "DataError",
    "MissingExtraError",
    "NonFiniteLossError",
    "RecgoatError",
    "RunStoppedError",
    "SavedAndStopped",
    "UsageError",
]
