"""Feature tables of the items of a prepared data set: its texts, or its pictures, through an encoder."""

from pathlib import Path

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_writer import Precision
from recgoat_jax.encoders.feature_job import JobReport, run_feature_job
from recgoat_jax.encoders.image.folder import NamedPictures, find_pictures, picture_inputs, pictures_by_name
from recgoat_jax.encoders.protocols import ImageEncoder, TextEncoder
from recgoat_jax.encoders.templates import ItemTemplate
from recgoat_jax.encoders.text_job import run_text_job, text_inputs
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.errors import DataError
from recgoat_jax.progress import ProgressLine

NO_TEXT = "no text"
"""Why an item has no text features."""


def make_text_features(
    dataset: Dataset,
    encoder: TfidfSvd | TextEncoder,
    *,
    template: ItemTemplate,
    out: Path,
    precision: Precision = "float32",
    chunk_size: int = 512,
    line: ProgressLine | None = None,
) -> JobReport:
    """Makes a table of text features, goes on with one, or finds that it is made.

    Args:
        dataset: prepared data with an item table.
        encoder: `TfidfSvd`, which reads all texts at once, or an encoder of single texts.
        template: how the text of an item is put together.
        out: the table, ``.npz`` or ``.parquet``.
        precision: number format.
        chunk_size: texts that are encoded and kept together; `TfidfSvd` does not read it.
        line: shows the progress.

    Returns:
        What was done.

    Raises:
        DataError: a column of the template is missing, or no item has a text.
        UsageError, RunStoppedError: see `run_feature_job`.
    """
    name = f"{dataset.manifest.name}, item table"
    card = FeatureCard(
        kind="item",
        encoder="",
        revision="",
        template=template.description,
        template_hash=template.hash,
        dataset_name=dataset.manifest.name,
        dataset_hash=dataset.manifest.hash,
        precision=precision,
    )
    inputs = text_inputs(dataset.items.ids, template.render(dataset.item_table, source=name), absent=NO_TEXT)
    return run_text_job(inputs, encoder, out=out, card=card, chunk_size=chunk_size, line=line)


def make_image_features(
    dataset: Dataset,
    encoder: ImageEncoder,
    *,
    pictures: NamedPictures,
    out: Path,
    precision: Precision = "float32",
    chunk_size: int = 256,
    line: ProgressLine | None = None,
) -> JobReport:
    """Makes a table of picture features, goes on with one, or finds that it is made.

    Args:
        dataset: prepared data.
        encoder: the encoder.
        pictures: file of each item, in the order of the vocabulary, or why there is none.
        out: the table, ``.npz`` or ``.parquet``.
        precision: number format.
        chunk_size: pictures that are encoded and kept together.
        line: shows the progress.

    Returns:
        What was done; items whose picture is absent or cannot be read are missing, by reason.

    Raises:
        DataError: no item has a picture that can be read.
        UsageError, RunStoppedError: see `run_feature_job`.
    """
    card = FeatureCard(
        kind="item",
        encoder=encoder.name,
        revision=encoder.revision,
        pooling=encoder.pooling,
        dataset_name=dataset.manifest.name,
        dataset_hash=dataset.manifest.hash,
        precision=precision,
    )
    inputs = picture_inputs(dataset.items.ids, pictures)
    return run_feature_job(inputs, encoder.encode, out=out, card=card, chunk_size=chunk_size, line=line)


def item_column(dataset: Dataset, column: str) -> list[str | None]:
    """Cells of a column of the item table.

    Args:
        dataset: prepared data.
        column: the column.

    Returns:
        One cell an item.

    Raises:
        DataError: no such column; those that are there are listed.
    """
    there = [] if dataset.item_table is None else dataset.item_table.column_names
    if dataset.item_table is None or column not in there:
        raise DataError.at(
            f"{dataset.manifest.name}, item table",
            column=column,
            found=f"no such item column; there are {', '.join(map(repr, there)) or 'none'}",
            expected="a column of the item table",
            action="Name a column that is there.",
        )
    return dataset.item_table[column].to_pylist()


def item_pictures(dataset: Dataset, folder: Path, *, column: str | None = None) -> NamedPictures:
    """The picture files of the items.

    Args:
        dataset: prepared data.
        folder: folder of the pictures.
        column: item column that names the files; None: they are named after the item ids.

    Returns:
        One an item, in the order of the vocabulary.

    Raises:
        DataError: no such folder or column, or the folder has no picture of an item.
    """
    if column is None:
        return find_pictures(folder, dataset.items.ids)
    return pictures_by_name(folder, item_column(dataset, column))


__all__ = ["NO_TEXT", "item_column", "item_pictures", "make_image_features", "make_text_features"]
