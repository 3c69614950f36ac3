"""Answers on disk, by the hash of their request: what was paid for once is not asked again.

One file ``answers.jsonl``, a line an answer: the key (`completions.request_key`), the answer, the server's token
counts and a checksum over them. Lines are only added, each in one write, so that a killed process loses none that it
had received; a line that a full disk or a crash cut short fails its checksum and its request is asked again. Prompts
and keys of access are not stored; what the model wrote is, as it came.
"""

import hashlib
import io
import json
from pathlib import Path

from recgoat_jax.encoders.profiles.completions import Completion
from recgoat_jax.errors import RunStoppedError

FILE = "answers.jsonl"
"""File of the answers in the folder of the cache."""


class AnswerCache:
    """The answers of one directory; memory holds where each lies, not what it says.

    Args:
        directory: made where it is absent, once there is something to write.

    Attributes:
        dropped: numbers of the lines that were damaged and are as good as absent.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.dropped: list[int] = []
        self._places: dict[str, int] = {}
        self._ends_whole = True
        self._path = directory / FILE
        if not self._path.exists():
            return
        place = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                entry = _read(line)
                if entry is not None:
                    self._places[entry[0]] = place
                elif line.strip():
                    self.dropped.append(number)
                place += len(line)
                self._ends_whole = line.endswith(b"\n")

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def get(self, key: str) -> Completion | None:
        """The latest answer to a request, or None."""
        if key not in self._places:
            return None
        with self._path.open("rb") as file:
            file.seek(self._places[key])
            entry = _read(file.readline())
        return entry[1] if entry is not None and entry[0] == key else None

    def put(self, key: str, answer: Completion) -> None:
        """Adds an answer.

        Args:
            key: of the request.
            answer: what came.

        Raises:
            RunStoppedError: it cannot be written: disc full, read-only directory. What was stored before is whole.
        """
        line = json.dumps(_with_checksum(key, answer), ensure_ascii=False).encode() + b"\n"
        if not self._ends_whole:
            # The line that a killed process left open.
            line = b"\n" + line
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                start = file.tell()
                try:
                    _write_whole(file, line)
                except OSError:
                    self._ends_whole = file.tell() == start
                    raise
                self._places[key] = file.tell() - len(line.lstrip(b"\n"))
                self._ends_whole = True
        except OSError as error:
            raise RunStoppedError(
                f"{self.directory / FILE}: found that an answer cannot be written ({error.strerror or error}); "
                f"expected a writable disk with room. The {len(self):,} answers before it are stored: free some "
                "space, or mend the permissions, and start the same command again to go on."
            ) from error


def _write_whole(file: io.RawIOBase, data: bytes) -> None:
    """Writes in one call where the system takes it whole, which a full disk does not."""
    written = file.write(data)
    while written < len(data):
        written += file.write(data[written:])


def _with_checksum(key: str, answer: Completion) -> dict[str, object]:
    entry: dict[str, object] = {"key": key, **answer._asdict()}
    return entry | {"checksum": _checksum(entry)}


def _checksum(entry: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:32]


def _read(line: bytes) -> tuple[str, Completion] | None:
    try:
        entry = json.loads(line)
        checksum = entry.pop("checksum")
        if checksum != _checksum(entry):
            return None
        return entry.pop("key"), Completion(**entry)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


__all__ = ["FILE", "AnswerCache"]
