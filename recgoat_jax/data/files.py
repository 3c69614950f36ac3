"""Bytes and text of a user's files, with clear errors for everything that is not what it should be."""

import gzip
import zlib
from pathlib import Path

from recgoat_jax.errors import DataError

_BINARY_STARTS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"\x1f\x8b": "gzip data",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"SQLite format 3": "an SQLite database",
}


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Args:
        path: the file; unpacked where its name ends in ``.gz``.

    Returns:
        Its whole content.

    Raises:
        DataError: absent, a directory, unreadable, or broken gzip data.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix.lower() == ".gz" else data
    except FileNotFoundError as error:
        raise DataError.at(path, found="no such file", expected="a file", action="Check the path.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError.at(
            path,
            found=f"broken gzip data ({error})",
            expected="a complete gzip file",
            action="Copy or download the file again, or drop '.gz' from its name if it is not packed.",
        ) from error
    except OSError as error:
        raise DataError.at(
            path, found=f"a file that cannot be read ({error.strerror})", expected="a readable file", action="Check it."
        ) from error


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The text of a file; a UTF-8 byte order mark at its start is left out.

    Args:
        path: the file; unpacked where its name ends in ``.gz``.
        encoding: of the file.

    Returns:
        Its whole content, line ends as they are.

    Raises:
        DataError: absent, empty, binary, UTF-16, or not in the encoding (the first wrong byte and its line are named).
    """
    data = read_bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError.at(
            path,
            found="UTF-16 text",
            expected=f"{encoding.upper()} text",
            action="Save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW.",
        )
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if not data:
        raise DataError.at(
            path, found="an empty file", expected="rows of text", action="Check that it was written whole."
        )
    kind = next((kind for start, kind in _BINARY_STARTS.items() if data.startswith(start)), None)
    zero = data.find(b"\0")
    if kind or zero >= 0:
        raise DataError.at(
            path,
            row=data.count(b"\n", 0, zero) + 1 if zero >= 0 and not kind else None,
            found=f"binary data ({kind or f'a zero byte at byte {zero + 1}'})",
            expected="a text file",
            action="Give the text file, or name the file after what it is (.parquet, .gz).",
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError.at(
            path,
            row=data.count(b"\n", 0, error.start) + 1,
            found=f"the byte 0x{data[error.start]:02x} at byte {error.start + 1}, which is not {encoding.upper()}",
            expected=f"{encoding.upper()} text",
            action="Save it as UTF-8, or convert it, for example: iconv -f LATIN1 -t UTF-8 FILE > NEW.",
        ) from error


def check_file(path: Path) -> None:
    """Refuses a path that is no file of features.

    Raises:
        DataError: no such file.
    """
    if not path.is_file():
        raise DataError.at(path, found="no such file", expected="a file of features", action="Check the path.")


def broken_file(path: Path, kind: str, error: Exception) -> DataError:
    """The error for a file that a library cannot read, with the first line of what it says."""
    return DataError.at(
        path,
        found=f"a file that cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
        expected=f"a complete {kind} of plain numbers or text",
        action="The file may be truncated: write or copy it again.",
    )


__all__ = ["broken_file", "check_file", "read_bytes", "read_text"]
