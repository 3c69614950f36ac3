"""The example set as a tensorflow-datasets builder, usable without TensorFlow.

Import this module late: it loads tensorflow-datasets. Files are written as ``array_record``, which the extra ``seq``
brings::

    source = example_data_source(Path("~/tensorflow_datasets").expanduser())
    raw = recgoat_jax.data.sources.tfds.read(source, name="ml-100k", **EXAMPLE_FIELDS)

Licence and origin: see `recgoat_jax.data.example`.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tensorflow_datasets as tfds

from recgoat_jax.data.example import read_example
from recgoat_jax.data.sources.movielens import LICENCE
from recgoat_jax.data.sources.tfds import DataSource
from recgoat_jax.errors import MissingExtraError

ITEM_COLUMNS = ("title", "release_year", "genres")
"""Columns of the films."""
USER_COLUMNS = ("age", "gender", "occupation")
"""Columns of the users."""

EXAMPLE_FIELDS: dict[str, Any] = {
    "user": "user_id",
    "item": "item_id",
    "rating": "rating",
    "timestamp": "timestamp",
    "item_columns": {column: column for column in ITEM_COLUMNS},
    "user_columns": {column: column for column in USER_COLUMNS},
    "licence": LICENCE,
}
"""Arguments that make `recgoat_jax.data.sources.tfds.read` read this builder's examples in full."""


class RecgoatMl100k(tfds.core.GeneratorBasedBuilder):
    """MovieLens-100K, one rating an example, with the film's and the user's columns; one split, ``train``."""

    VERSION = tfds.core.Version("1.0.0")
    # No folder with checksums and citations beside the code; finding one needs a package that tfds does not install.
    code_path = None

    def _info(self) -> tfds.core.DatasetInfo:
        # The info is built here and not from config files, which a builder outside tfds' own tree lacks.
        text = dict.fromkeys(("user_id", "item_id", *ITEM_COLUMNS, *USER_COLUMNS), tfds.features.Text())
        numbers = {"rating": tfds.features.Scalar(np.float32), "timestamp": tfds.features.Scalar(np.int64)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Ratings of films with titles, years, genres and user demographics. {LICENCE}",
            features=tfds.features.FeaturesDict({**text, **numbers}),
            homepage="https://grouplens.org/datasets/movielens/100k/",
            license=LICENCE,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        del dl_manager  # The example set has its own ways, see `recgoat_jax.data.example`.
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(_examples())


def _examples() -> Iterator[dict[str, Any]]:
    """Ratings joined with the columns of film and user; an absent text is empty."""
    raw = read_example()
    assert raw.items is not None
    assert raw.users is not None
    films = raw.items.rename({"year": "release_year"}, strict=False)
    joined = raw.interactions.join(films, on="item", how="left", maintain_order="left").join(
        raw.users, on="user", how="left", maintain_order="left"
    )
    columns = joined.select(
        pl.col("user").alias("user_id"),
        pl.col("item").alias("item_id"),
        "rating",
        "timestamp",
        pl.col(*ITEM_COLUMNS, *USER_COLUMNS).fill_null(""),
    )
    yield from columns.iter_rows(named=True)


def example_data_source(directory: Path) -> DataSource:
    """The example set as a tfds data source; written below ``directory`` on the first call.

    Args:
        directory: tfds' ``data_dir``.

    Returns:
        100,000 examples: ``user_id``, ``item_id``, the columns as bytes, ``rating`` and ``timestamp``.

    Raises:
        MissingExtraError: array_record is not installed.
        DataError: the example set is not available.
    """
    if find_spec("array_record") is None:
        raise MissingExtraError.of("array-record", extra="seq")
    builder = RecgoatMl100k(data_dir=str(directory), file_format="array_record")
    builder.download_and_prepare()
    # pyright takes the wrapped method for the wrapper's own signature.
    return builder.as_data_source(split="train")  # pyright: ignore[reportCallIssue]


__all__ = ["EXAMPLE_FIELDS", "ITEM_COLUMNS", "USER_COLUMNS", "RecgoatMl100k", "example_data_source"]
