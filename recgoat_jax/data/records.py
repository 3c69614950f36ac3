"""Files of one record a line, read line by line: memory holds one line, whatever the size of the file."""

import ast
import gzip
import io
import json
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from recgoat_jax.errors import DataError

LINE_LIMIT = 1 << 26
"""Bytes of a line at most: a longer one is no record, and reading it would fill the memory."""


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of a file of JSON lines, or of lines that are Python literals, which some older files hold.

    Literals are read by `ast.literal_eval`, which knows constants and containers and runs nothing. Blank lines are
    left out.

    Args:
        path: a UTF-8 file; unpacked while it is read where its name ends in ``.gz``.

    Yields:
        Line, counted from 1, and record.

    Raises:
        DataError: absent, unreadable, empty, broken gzip data, not UTF-8, a line of more than `LINE_LIMIT` bytes, or
            one that is neither a JSON object nor a literal dictionary; the line is named.
    """
    line = 0
    found = False
    try:
        with closing(_open(path)) as file:
            while raw := file.readline(LINE_LIMIT + 1):
                line += 1
                if len(raw) > LINE_LIMIT:
                    raise DataError.at(
                        path,
                        row=line,
                        found=f"more than {LINE_LIMIT >> 20} MiB without a line end",
                        expected="one record a line",
                        action="Write the file anew as JSON lines.",
                    )
                if raw.isspace():
                    continue
                found = True
                yield line, _record(path, line, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError.at(
            path,
            row=line + 1,
            found=f"broken gzip data ({error})",
            expected="a complete gzip file",
            action="Copy or download the file again, or drop '.gz' from its name if it is not packed.",
        ) from error
    except OSError as error:
        raise DataError.at(
            path,
            found="no such file" if isinstance(error, FileNotFoundError) else f"no readable file ({error.strerror})",
            expected="a file of JSON lines",
            action="Check the path.",
        ) from error
    if not found:
        raise DataError.at(path, found="no record", expected="one record a line", action="Give a file with content.")


def _open(path: Path) -> io.BufferedReader:
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return io.BufferedReader(gzip.open(path, "rb"), 1 << 20)  # type: ignore[arg-type]  # a GzipFile reads as a raw file does


def _record(path: Path, line: int, raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError.at(
            path,
            row=line,
            found=f"the byte 0x{raw[error.start]:02x}, which is not UTF-8",
            expected="UTF-8 text",
            action="Save the file as UTF-8; if it is packed, its name must end in .gz.",
        ) from error
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        record = _literal(text)
        if record is None:
            raise DataError.at(
                path,
                row=line,
                found=f"text that is not JSON ({error})",
                expected="one JSON object a line",
                action="Mend or remove the line; if the file is cut short, copy or download it again.",
            ) from error
    if not isinstance(record, dict):
        raise DataError.at(
            path,
            row=line,
            found=f"a {type(record).__name__}",
            expected="one JSON object a line",
            action="Write one object a line.",
        )
    return record


def _literal(text: str) -> Any:
    """The value of a Python literal; None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unknown escapes such as "\d", which old files hold
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def bad_field(path: Path, line: int, record: Mapping[str, Any], name: str, expected: str) -> DataError:
    """The error for one field of a record.

    Args:
        path: the file.
        line: line of the record.
        record: the record.
        name: the field.
        expected: what should be there.

    Returns:
        The error; it names file, line and field, and shows the start of the value.
    """
    shown = repr(record[name]) if name in record else "no such field"
    return DataError.at(
        path,
        row=line,
        column=name,
        found=shown if len(shown) <= 60 else shown[:57] + "...",
        expected=expected,
        action="Mend or remove the line.",
    )


__all__ = ["LINE_LIMIT", "bad_field", "read_records"]
