"""The ``recgoat`` command: hands over to one file a command, and turns errors into exit codes.

=====  =============================================================
code   meaning
=====  =============================================================
0      done
2      wrong arguments
3      data problem
4      missing extra
5      the run stopped by itself, or a plan does not fit
75     saved after SIGTERM (or Ctrl-C, where answers are awaited)
130    interrupted
=====  =============================================================
"""

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from recgoat_jax.errors import RecgoatError, RunStoppedError, UsageError

COMMANDS = {
    "prepare": "turn raw tables, or a known data set, into a prepared directory",
    "features": "features from texts, pictures or profiles, by an encoder, with a card of where they come from",
    "train": "train an experiment, or a model on a prepared directory",
    "rank": "EASE, item kNN or content kNN: rankers without training, their settings chosen on validation",
    "tune": "a search for settings on validation alone, within a budget of trials and minutes",
    "plan": "whether an experiment fits a slice of chips, and what it costs, before anything is paid",
    "blend": "EASE or item kNN beside a finished run's model, with a weight that validation chooses",
    "evaluate": "full-ranking metrics and slices of a finished run",
    "recommend": "items for users of a finished run, by external ids",
    "table": "the rows of a data set over seeds, run where missing, as a table with tests",
    "compare": "finished runs side by side, with paired tests",
    "report": "the figures of a finished run, and one page that holds them all",
    "theory": "both sides of the paper's bounds on a finished run and on planted data, and what they are worth",
    "doctor": "versions, devices, extras, data: what is here and what is missing",
}


def usage() -> str:
    """The text of ``recgoat --help``."""
    lines = [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        ["usage: recgoat COMMAND [OPTIONS]", "", "commands:", *lines, "", "recgoat COMMAND --help shows every option."]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what follows ``recgoat``; None: of this process.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] == "--version":
        from recgoat_jax import __version__

        print(__version__)
        return 0
    if not given or given[0] in ("-h", "--help"):
        print(usage())
        return 0 if given else 2
    if given[0] not in COMMANDS:
        print(f"recgoat: unknown command '{given[0]}'; expected one of {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    return ended(f"recgoat {given[0]}", lambda: importlib.import_module(f"recgoat_jax.cli.{given[0]}").main(given[1:]))


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
# Not "no such file": what was there when the command began and is gone is a fault of ours.
_MISNAMED = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def ended(command: str, action: Callable[[], int]) -> int:
    """Runs a command; an error that a user can mend becomes a message and an exit code.

    Args:
        command: its name, for the message.
        action: what it does; it returns its exit code.

    Returns:
        The exit code.
    """
    try:
        return action()
    except RecgoatError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{command}: interrupted; start the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in _MISNAMED:
            print(f"{command}: {error}. Name another file or directory.", file=sys.stderr)
            return UsageError.exit_code
        if error.errno not in _UNWRITABLE:
            raise
        print(
            f"{command}: {error}. Free some space, mend the permissions, or choose another directory.",
            file=sys.stderr,
        )
        return RunStoppedError.exit_code


if __name__ == "__main__":
    sys.exit(main())

__all__ = ["ended", "main", "usage"]
