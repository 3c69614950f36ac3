import numpy as np
import pytest

from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import mmrec
from recgoat_jax.errors import DataError

HEADER = "userID\titemID\trating\ttimestamp\tx_label\n"
ROWS = "0\t0\t5.0\t100\t0\n0\t1\t4.0\t200\t1\n0\t2\t3.0\t300\t2\n1\t2\t1.0\t50\t0\n"


def write(directory, text=HEADER + ROWS, num_items=3):
    (directory / "baby.inter").write_text(text)
    np.save(directory / "text_feat.npy", np.arange(1, num_items * 2 + 1, dtype=np.float64).reshape(num_items, 2))
    return directory


def test_labels_become_splits_and_features_follow_item_numbers(tmp_path):
    raw = mmrec.read(write(tmp_path), name="baby")
    assert raw.interactions.rows() == [
        ("0", "0", 5.0, 100, "train"),
        ("0", "1", 4.0, 200, "valid"),
        ("0", "2", 3.0, 300, "test"),
        ("1", "2", 1.0, 50, "train"),
    ]
    assert set(raw.item_features) == {"text"}
    assert raw.items is not None
    assert raw.items["item"].to_list() == ["0", "1", "2"]
    dataset = prepare(raw, name="baby", protocol="given")
    np.testing.assert_array_equal(dataset.item_features["text"].values, [[1, 2], [3, 4], [5, 6]])
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (2, 1, 1)


def test_named_feature_files_replace_the_usual_ones(tmp_path):
    np.save(tmp_path / "sound.npy", np.ones((3, 4), np.float32))
    raw = mmrec.read(write(tmp_path), name="baby", features={"audio": "sound.npy"})
    assert {name: table.values.shape for name, table in raw.item_features.items()} == {"audio": (3, 4)}


def test_without_feature_files_there_is_no_item_table(tmp_path):
    (tmp_path / "baby.inter").write_text(HEADER + ROWS)
    raw = mmrec.read(tmp_path, name="baby")
    assert raw.items is None
    assert not raw.item_features


@pytest.mark.parametrize(
    ("text", "num_items", "message"),
    [
        (HEADER + ROWS, 4, r"text_feat\.npy: found an array of shape \(4, 2\); expected 3 rows"),
        (HEADER + ROWS, 2, r"expected 3 rows"),
        (HEADER + "0\t0\t5\t1\t3\n", 1, "line 2, column 'x_label': found '3'; expected one of '0', '1', '2'"),
        (HEADER + "0\t0\t5\t1\t0\n0\tb7\t5\t1\t0\n", 1, "line 3, column 'itemID': found 'b7'; expected an item number"),
        (HEADER + "0\t0\tnan\t1\t0\n", 1, "line 2, column 'rating'"),
        ("userID\titemID\n0\t0\n", 1, "x_label"),
        (HEADER, 1, "header without rows"),
    ],
)
def test_bad_files_are_named(tmp_path, text, num_items, message):
    with pytest.raises(DataError, match=message):
        mmrec.read(write(tmp_path, text, num_items), name="baby")


def test_a_truncated_feature_file_is_named(tmp_path):
    path = write(tmp_path) / "text_feat.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"text_feat\.npy: found a file that cannot be read"):
        mmrec.read(tmp_path, name="baby")
