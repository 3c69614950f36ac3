import gzip

import numpy as np
import pytest

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.locate import find_shared_data
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import userlist
from recgoat_jax.errors import DataError


def write(directory, **files):
    for name, text in files.items():
        (directory / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return directory


def rows(raw):
    return raw.interactions.rows()


def save_graph(path, row, col, val, n):
    np.savez(path, row=np.array(row), col=np.array(col), val=np.array(val, np.float32), n=np.array(n))


def test_lists_become_pairs_with_their_split_and_ids_stay_text(tmp_path):
    write(tmp_path, train="007 1 2\n8 2\n9\n", valid="007 3\n", test="8\t1\n\n")
    raw = userlist.read(tmp_path, name="tiny")
    assert raw.source == "userlist:tiny"
    assert rows(raw) == [
        ("007", "1", "train"),
        ("007", "2", "train"),
        ("8", "2", "train"),
        ("007", "3", "valid"),
        ("8", "1", "test"),
    ]
    assert raw.items is None


def test_no_validation_file_and_gzip_are_accepted(tmp_path):
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress(b"0 1 2\n1 0 2\n"))
    write(tmp_path, test="0 3\n1 3\n")
    assert [split for *_, split in rows(userlist.read(tmp_path))] == ["train"] * 4 + ["test"] * 2


def test_repeated_pairs_go_to_the_first_split_and_are_counted(tmp_path):
    write(tmp_path, train="0 1 2 2\n1 1\n", valid="0 3\n", test="0 2 4\n1 3\n")
    raw = userlist.read(tmp_path)
    dataset = prepare(raw, name="tiny", protocol="given")
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (3, 1, 2)
    assert dataset.manifest.counts["duplicates_across_splits"] == 1
    assert dataset.manifest.counts["duplicate_interactions"] == 1


def test_features_and_neighbours_are_numbered_by_item(tmp_path):
    write(tmp_path, train="0 1 2\n1 0\n", valid="0 3\n", test="1 2\n")
    values = np.arange(10, dtype=np.float16).reshape(5, 2)
    np.save(tmp_path / "text.npy", values)
    save_graph(tmp_path / "adj.npz", [0, 1, 4], [1, 2, 4], [0.5, 0.25, 1.0], 5)
    np.save(tmp_path / "people.npy", values[:2])
    raw = userlist.read(
        tmp_path,
        item_features={"text": "text.npy"},
        user_features={"profile": "people.npy"},
        item_neighbors={"text": "adj.npz"},
    )
    assert raw.items is not None
    assert raw.items["item"].to_list() == ["0", "1", "2", "3", "4"]
    assert raw.item_features["text"].ids == ("0", "1", "2", "3", "4")
    np.testing.assert_array_equal(raw.item_features["text"].values, values)
    assert raw.user_features["profile"].ids == ("0", "1")
    neighbors = raw.item_neighbors["text"]
    assert list(zip(neighbors.ids, neighbors.neighbors, neighbors.weights.tolist(), strict=True)) == [
        ("0", "1", 0.5),
        ("1", "2", 0.25),
        ("4", "4", 1.0),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "0 1\n"}, r"found no test\.txt"),
        (
            {"train": "0 1\n1 2\n0 3\n", "test": "0 2\n"},
            r"train\.txt, line 3, column 'user': found user '0' again .*line 1",
        ),
        ({"train": "0 1\n", "test": b"0 2\n\xff 3\n"}, r"test\.txt, line 2: found the byte 0xff"),
        ({"train": "0\n1\n", "test": "0 2\n"}, r"train\.txt: found no items"),
        ({"train": "", "test": "0 2\n"}, r"train\.txt: found an empty file"),
        ({"train": b"\x00\x01", "test": "0 2\n"}, r"train\.txt, line 1: found binary data"),
    ],
)
def test_bad_lists_are_named(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        userlist.read(write(tmp_path, **files))


@pytest.mark.parametrize(
    ("row", "col", "val", "n", "message"),
    [
        ([0, 9], [1, 1], [1, 1], 5, "column 'row': found entry 1 is 9; expected item numbers from 0 to 4"),
        ([0, 1], [1, -1], [1, 1], 5, "column 'col': found entry 1 is -1"),
        ([0, 1], [1, 1], [1, np.nan], 5, "column 'val': found entry 1 is nan"),
        ([0, 1], [1], [1, 1], 5, "of one length"),
        ([0, 1], [1, 1], [1, 1], 2, "found 2 rows, but item '3' in the lists"),
    ],
)
def test_bad_neighbour_lists_are_named(tmp_path, row, col, val, n, message):
    write(tmp_path, train="0 3 1\n", test="0 2\n")
    save_graph(tmp_path / "adj.npz", row, col, val, n)
    with pytest.raises(DataError, match=message):
        userlist.read(tmp_path, item_neighbors={"text": "adj.npz"})


def test_feature_files_of_different_item_numberings_are_refused(tmp_path):
    write(tmp_path, train="0 1\n", test="0 2\n")
    np.save(tmp_path / "a.npy", np.ones((5, 2), np.float32))
    np.save(tmp_path / "b.npy", np.ones((4, 2), np.float32))
    with pytest.raises(DataError, match=r"b\.npy: found 4 rows; expected 5 rows, as in 'a\.npy'"):
        userlist.read(tmp_path, item_features={"text": "a.npy", "image": "b.npy"})


@pytest.mark.data
def test_shared_baby_has_its_published_counts():
    try:
        directory = find_shared_data() / "amazon-baby"
    except DataError as error:
        pytest.skip(f"the shared research data is absent: {error}")
    raw = userlist.read(
        directory,
        item_features={"text": "text_feat_spectral256.npy"},
        item_neighbors={"text": "text_adj_10.npz", "image": "image_adj_10.npz"},
    )
    dataset: Dataset = prepare(raw, name="baby", protocol="given")
    assert (dataset.num_users, dataset.num_items) == (19_445, 7_050)
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (118_551, 20_559, 21_682)
    assert int((dataset.item_counts == 0).sum()) == 3
    assert dataset.item_features["text"].values.shape == (7_050, 256)
    for modality, without_self in (("text", 4), ("image", 53)):
        neighbors = dataset.item_neighbors[modality]
        assert len(neighbors.receivers) == 70_500
        assert 7_050 - int((neighbors.receivers == neighbors.senders).sum()) == without_self
