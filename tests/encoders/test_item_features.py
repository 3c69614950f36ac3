"""Texts and pictures of a data set through encoders that stand in for real ones."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recgoat_jax.data.content import with_features
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.data.feature_match import match_features
from recgoat_jax.encoders.image.folder import NO_NAME, NamedPictures, picture_inputs, pictures_by_name
from recgoat_jax.encoders.image.pictures import ABSENT, CLOSED, OUTSIDE
from recgoat_jax.encoders.item_features import item_column, item_pictures, make_image_features, make_text_features
from recgoat_jax.encoders.protocols import Encoded
from recgoat_jax.encoders.templates import ItemTemplate
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.errors import DataError, UsageError
from tests.worlds import blocks

TITLES = ["green tea", None, "black tea", "tea pot", *(f"cup {number} of tea" for number in range(12))]


@dataclass
class Lengths:
    """Text to length and number of words."""

    name: str = "lengths"
    revision: str = "3"
    pooling: str = "sum"
    max_length: int | None = 5
    calls: list[int] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(len(texts))
        return np.array([[len(text), len(text.split())] for text in texts], np.float32)


class Sizes:
    """Picture file to its number of bytes; a text file is no picture."""

    name, revision, pooling = "sizes", "1", "none"

    def encode(self, images: Sequence[Path]) -> Encoded:
        read = [image.read_bytes() for image in images]
        values = np.array([[len(data), 1] for data in read], np.float32)
        return Encoded(values, [None if data.startswith(b"\xff\xd8") else "no picture" for data in read])


@pytest.fixture
def dataset():
    made = replace(blocks(), item_table=pa.table({"title": TITLES, "file": [f"p/{row}.jpg" for row in range(16)]}))
    return with_features(made)


def test_texts_are_encoded_with_their_provenance(tmp_path, dataset):
    encoder = Lengths()
    template = ItemTemplate.of_columns(["title"])
    out = tmp_path / "text.npz"
    report = make_text_features(dataset, encoder, template=template, out=out, chunk_size=6)
    assert encoder.calls == [6, 6, 3]
    assert (report.present, report.missing) == (15, {"no text": 1})
    raw = read_features(out)
    card = raw.card
    assert card is not None
    assert (card.encoder, card.revision, card.pooling, card.max_length) == ("lengths", "3", "sum", 5)
    assert (card.template, card.template_hash) == ("title: {title:.2000}", template.hash)
    assert (card.dataset_name, card.dataset_hash, card.train_pairs) == ("blocks", dataset.manifest.hash, None)
    table, note = match_features(raw, dataset, kind="item", name="text")
    assert note is None
    assert table.values[0].tolist() == [len("title: green tea"), 3]
    assert not table.present[1]


def test_tfidf_reads_all_texts_at_once(tmp_path, dataset):
    template = ItemTemplate.of_columns(["title"], labelled=False)
    out = tmp_path / "text.npz"
    make_text_features(dataset, TfidfSvd(dim=4), template=template, out=out, chunk_size=2)
    expected = TfidfSvd(dim=4).encode(TITLES)
    table, _ = match_features(read_features(out), dataset, kind="item", name="text")
    np.testing.assert_array_equal(table.present, expected.present)
    np.testing.assert_allclose(table.values, expected.values, atol=1e-6)
    assert make_text_features(dataset, TfidfSvd(dim=4), template=template, out=out).encoded == 0
    with pytest.raises(UsageError, match="other revision"):
        make_text_features(dataset, TfidfSvd(dim=5), template=template, out=out)


def test_another_template_is_another_table_and_changed_texts_are_noticed(tmp_path, dataset):
    out = tmp_path / "text.npz"
    make_text_features(dataset, Lengths(), template=ItemTemplate.of_columns(["title"]), out=out)
    with pytest.raises(UsageError, match="other template_hash, inputs"):
        make_text_features(dataset, Lengths(), template=ItemTemplate.of_columns(["title"], labelled=False), out=out)
    changed = replace(dataset, item_table=pa.table({"title": [*TITLES[:-1], "spoon"]}))
    with pytest.raises(UsageError, match="other inputs"):
        make_text_features(changed, Lengths(), template=ItemTemplate.of_columns(["title"]), out=out)


def test_pictures_that_cannot_be_had_are_masks_with_reasons(tmp_path, dataset):
    folder = tmp_path / "pictures"
    (folder / "p").mkdir(parents=True)
    files = {"0.jpg": b"\xff\xd8 a", "1.jpg": b"\xff\xd8 abc", "2.jpg": b"a text file"}
    for name, data in files.items():
        (folder / "p" / name).write_bytes(data)
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8 secret")
    (folder / "p" / "3.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "p" / "4.jpg").symlink_to("0.jpg")
    (folder / "p" / "5.jpg").mkdir()
    pictures = pictures_by_name(folder, item_column(dataset, "file"))
    out = tmp_path / "image.parquet"
    report = make_image_features(dataset, Sizes(), pictures=pictures, out=out)
    assert report.missing == {ABSENT: 11, OUTSIDE: 1, "no picture": 1}
    table, _ = match_features(read_features(out), dataset, kind="item", name="image")
    assert table.values[:6, 0].tolist() == [4, 6, 0, 0, 4, 0]
    assert make_image_features(dataset, Sizes(), pictures=pictures, out=out).encoded == 0
    # A picture that was mended is another input.
    (folder / "p" / "2.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(UsageError, match="other inputs"):
        make_image_features(dataset, Sizes(), pictures=pictures, out=out)
    with pytest.raises(DataError, match="column 'photo': found no such item column; there are 'title', 'file'"):
        item_column(dataset, "photo")


def test_pictures_are_named_by_a_column_or_by_the_ids(tmp_path, dataset):
    first = dataset.items.ids[0]
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "3.jpg").write_bytes(b"x")
    (tmp_path / f"{first}.png").write_bytes(b"x")
    assert [row for row, path in enumerate(item_pictures(dataset, tmp_path).paths) if path] == [0]
    assert [row for row, path in enumerate(item_pictures(dataset, tmp_path, column="file").paths) if path] == [3]


def test_names_that_lead_out_of_the_folder_are_not_followed(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "out.jpg").write_bytes(b"x")
    (folder / "a.jpg").write_bytes(b"a")
    names = ["../out.jpg", str(tmp_path / "out.jpg"), "a.jpg", "zero\0byte", None]
    found = pictures_by_name(folder, names)
    assert found.problems == (OUTSIDE, OUTSIDE, None, CLOSED, NO_NAME)
    assert found.paths == (None, None, folder / "a.jpg", None, None)
    inputs = picture_inputs("abcde", found)
    assert inputs.hashes == ("", "", hashlib.sha256(b"a").hexdigest(), "", "")


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    pictures = NamedPictures((tmp_path / "pipe.jpg", tmp_path / "gone.jpg"), (None, None))
    assert picture_inputs("ab", pictures).problems == (ABSENT, ABSENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_a_mask(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "a.jpg").chmod(0)
    assert picture_inputs("a", NamedPictures((tmp_path / "a.jpg",), (None,))).problems == (CLOSED,)


def test_no_folder_and_no_picture_are_errors(tmp_path):
    with pytest.raises(DataError, match="found no such folder"):
        pictures_by_name(tmp_path / "absent", ["a.jpg"])
    with pytest.raises(DataError, match=r"found none of the files .* expected files such as 'x\.png'"):
        pictures_by_name(tmp_path, [None, "x.png"])
