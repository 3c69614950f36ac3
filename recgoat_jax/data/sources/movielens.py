"""MovieLens as GroupLens releases it: ml-100k (``u.data``), ml-1m (``ratings.dat``), and the CSV releases.

Licence: research use, no redistribution, with acknowledgement (README of each release; Harper and Konstan, "The
MovieLens Datasets", 2015). ``ml-100k.zip`` has the MD5 0e33842e24a9c977be4e0107933c0723; the other releases publish
theirs beside the archive. The user-made tags of the CSV releases are not read: a tag tells that its author watched the
film, which may be the very pair that is held out.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from recgoat_jax.data.columns import check_unique, id_column, number_column, timestamp_column
from recgoat_jax.data.delimited import read_delimited
from recgoat_jax.data.feature_files import load_npz, raw_features
from recgoat_jax.data.schema import RawFeatures, RawTables
from recgoat_jax.data.text_table import TextTable
from recgoat_jax.errors import DataError

LICENCE = (
    "MovieLens (GroupLens, University of Minnesota): for research use, no redistribution; "
    "cite Harper and Konstan (2015)."
)
"""Terms of use, in the words to print when the data is prepared."""

_GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""Order of the genre flags of ``u.item``, as its README gives it."""

_YEAR = r"\((\d{4})(?:[-–]\d{4})?\)\s*$"


def read(
    directory: Path, *, image_features: str | None = None, timestamps: Literal["read", "leave_out"] = "read"
) -> RawTables:
    """Reads a release, whichever of the three forms the folder holds.

    Args:
        directory: the unpacked release.
        image_features: file of the folder with features of the posters: an ``.npz`` with ``movieId`` [n] and ``feat``
            [n, width]; films that are not in it have no image.
        timestamps: whether to read the times of the ratings; a protocol that splits by time needs them.

    Returns:
        The tables: ratings, with times where they are read; items with ``title``, ``year`` and
        ``genres`` (separated by ``|``); users with age, gender and occupation where the release has them.

    Raises:
        DataError: none of the forms is there, or a file is damaged.
    """
    if (directory / "u.data").is_file():
        ratings, items, users = _read_100k(directory)
    elif (directory / "ratings.dat").is_file():
        ratings, items, users = _read_1m(directory)
    elif (directory / "ratings.csv").is_file():
        ratings, items, users = _read_csv(directory)
    else:
        raise DataError.at(
            directory,
            found="none of u.data, ratings.dat, ratings.csv",
            expected="an unpacked MovieLens release",
            action="Give the folder that holds the ratings.",
        )
    interactions = [id_column(ratings, "user"), id_column(ratings, "item")]
    interactions.append(number_column(ratings, "rating", minimum=0.0))
    if timestamps == "read":
        interactions.append(timestamp_column(ratings, "timestamp"))
    features = {} if image_features is None else {"image": _posters(directory / image_features)}
    return RawTables(
        source=f"movielens:{directory.name}",
        interactions=pl.DataFrame(interactions),
        items=items,
        users=users,
        item_features=features,
        licence=LICENCE,
    )


_Tables = tuple[TextTable, pl.DataFrame, pl.DataFrame | None]
"""Ratings as text under the library's names, items, users."""


def _read_100k(directory: Path) -> _Tables:
    ratings = read_delimited(directory / "u.data", separator="\t", header=["user", "item", "rating", "timestamp"])
    films = read_delimited(
        directory / "u.item",
        separator="|",
        header=["item", "title", "released", "video", "url", *_GENRES_100K],
        quoting="none",
        encoding="latin-1",
    )
    flags = films.frame.select(
        pl.when(pl.col(genre) == "1").then(pl.lit(genre)).alias(genre) for genre in _GENRES_100K if genre != "unknown"
    )
    genres = flags.select(pl.concat_str(pl.all(), separator="|", ignore_nulls=True)).to_series()
    people = read_delimited(
        directory / "u.user", separator="|", header=["user", "age", "gender", "occupation", "zip_code"], quoting="none"
    )
    return ratings, _films(films, genres), _people(people)


def _read_1m(directory: Path) -> _Tables:
    def dat(name: str, header: list[str]) -> TextTable:
        return read_delimited(directory / name, separator="::", header=header, quoting="none", encoding="latin-1")

    ratings = dat("ratings.dat", ["user", "item", "rating", "timestamp"])
    films = dat("movies.dat", ["item", "title", "genres"])
    people = dat("users.dat", ["user", "gender", "age", "occupation", "zip_code"])
    # Occupations are codes here: as words they stay categories and are not taken for numbers.
    users = _people(people).with_columns(occupation="occupation " + pl.col("occupation"))
    return ratings, _films(films, films.frame["genres"]), users


def _read_csv(directory: Path) -> _Tables:
    ratings = read_delimited(directory / "ratings.csv", separator=",")
    ratings.require(["userId", "movieId", "rating", "timestamp"])
    films = read_delimited(directory / "movies.csv", separator=",")
    films.require(["movieId", "title", "genres"])
    names = {"userId": "user", "movieId": "item"}
    return (
        _renamed(ratings, names),
        _films(_renamed(films, names), films.frame["genres"]),
        None,
    )


def _renamed(table: TextTable, names: dict[str, str]) -> TextTable:
    return TextTable(table.path, table.frame.rename(names, strict=False), table.line_of, table.types)


def _films(table: TextTable, genres: pl.Series) -> pl.DataFrame:
    """Items with title, year and genres; the year is the one at the end of the title."""
    check_unique(table, "item")
    title = table.frame["title"]
    return pl.DataFrame(
        {
            "item": id_column(table, "item"),
            "title": title,
            "year": title.str.extract(_YEAR),
            "genres": genres.replace(["", "(no genres listed)"], [None, None]),
        }
    )


def _people(table: TextTable) -> pl.DataFrame:
    check_unique(table, "user")
    return pl.DataFrame([id_column(table, "user"), *table.frame.select("age", "gender", "occupation").get_columns()])


def _posters(path: Path) -> RawFeatures:
    arrays = load_npz(path, names=("movieId", "feat"))
    ids = np.atleast_1d(arrays["movieId"]).astype(str).tolist()
    return raw_features(ids, arrays["feat"], source=path, encoder=f"file:{path.name}")


__all__ = ["LICENCE", "read"]
