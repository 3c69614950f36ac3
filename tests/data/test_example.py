import shutil
import sys
from zipfile import ZipFile

import pytest

from recgoat_jax.data import example
from recgoat_jax.data.example import read_example
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.storage import read_dataset
from recgoat_jax.encoders.example import prepare_example
from recgoat_jax.errors import DataError

needs_wheel = pytest.mark.skipif(
    example.wheel_folder() is None, reason="the wheel recbole 1.2.1 (pip install --no-deps) is not installed"
)


@pytest.fixture(scope="module")
def raw():
    return read_example()


@needs_wheel
def test_the_wheel_is_read_without_importing_it(raw):
    assert "recbole" not in sys.modules
    assert raw.source == "recbole:ml-100k"
    assert len(raw.interactions) == 100_000
    assert raw.items is not None
    assert raw.users is not None
    assert raw.items.columns == ["item", "title", "release_year", "genres"]
    assert raw.items.row(0) == ("1", "Toy Story", "1995", "Animation Children's Comedy")
    assert raw.users.row(0) == ("1", "24", "M", "technician", "85711")
    assert "research use" in raw.licence


@needs_wheel
def test_five_core_counts(raw):
    dataset = prepare(raw, name="ml-100k", protocol="per_user_811", k_core=5)
    assert (dataset.num_users, dataset.num_items) == (943, 1_349)
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 99_287
    assert raw.item_relations["item"].unique().is_in(list(dataset.items.ids)).sum() == 1_293


@needs_wheel
def test_prepared_from_wheel_to_directory(tmp_path):
    dataset = prepare_example(tmp_path / "ml-100k")
    assert set(dataset.item_features) == {"text", "knowledge"}
    assert set(dataset.user_features) == {"profile"}
    assert dataset.user_features["profile"].present.all()
    # One film has no text but a title of its own, one no relation that another film has.
    assert dataset.item_features["text"].present.sum() == 1_348
    assert dataset.item_features["knowledge"].present.sum() == 1_292
    assert read_dataset(tmp_path / "ml-100k").manifest == dataset.manifest
    assert dataset.manifest.licence == read_example().licence


@needs_wheel
def test_other_contents_in_the_wheel_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "dataset_example" / "ml-100k"
    shutil.copytree(example.wheel_folder(), folder)
    (folder / "ml-100k.link").write_text("item_id:token\tentity_id:token\n1\tm.1\n")
    monkeypatch.setattr(example, "wheel_folder", lambda: folder)
    with pytest.raises(DataError, match=r"ml-100k\.link: found other contents .*recbole==1\.2\.1"):
        read_example()


def test_without_the_wheel_it_is_downloaded_with_a_checksum(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch", reason="pooch (extra 'data') is not installed")
    asked = {}

    def retrieve(url, *, known_hash, fname, path, progressbar):
        asked.update(url=url, known_hash=known_hash)
        with ZipFile(path / fname, "w") as packed:
            packed.writestr("ml-100k/u.data", "1\t2\t3\t4\n")
            packed.writestr("ml-100k/u.item", "|".join(["2", "Up (2009)", "", "", "", *"0000010000000000000"]))
            packed.writestr("ml-100k/u.user", "1|24|M|artist|0\n")
        return str(path / fname)

    monkeypatch.setattr(example, "wheel_folder", lambda: None)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    raw = read_example(downloads=tmp_path)
    assert raw.interactions.rows() == [("1", "2", 3.0, 4)]
    assert raw.items is not None
    assert raw.items["genres"].to_list() == ["Comedy"]
    assert asked == {
        "url": "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        "known_hash": "md5:0e33842e24a9c977be4e0107933c0723",
    }


@pytest.mark.parametrize("failure", ["no network", "bad checksum", "no pooch"])
def test_where_neither_way_works_both_are_named(tmp_path, monkeypatch, failure):
    pooch = pytest.importorskip("pooch", reason="pooch (extra 'data') is not installed")

    def retrieve(*args, **kwargs):
        raise OSError("Name or service not known") if failure == "no network" else ValueError("MD5 hash differs")

    monkeypatch.setattr(example, "wheel_folder", lambda: None)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    if failure == "no pooch":
        monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"--no-deps recbole==1\.2\.1; .*recgoat-jax\[data\]") as caught:
        read_example(downloads=tmp_path)
    assert caught.value.exit_code == 3
