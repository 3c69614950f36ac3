from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgoat_jax.data.sources import table


def test_reads_every_kind_of_file(tmp_path: Path) -> None:
    interactions = tmp_path / "clicks.csv"
    interactions.write_text("split,extra,item,user,timestamp,rating\ntrain,z,i1,007,5,4.5\ntest,z,i 2,ü,2024-01-31,0\n")
    (tmp_path / "items.jsonl").write_text(
        '{"item": "i1", "title": "One"}\n{"item": "i9", "title": "Nine", "year": 1999}\n'
    )
    pl.DataFrame({"user": ["ü"], "city": ["Ulm"]}).write_parquet(tmp_path / "users.parquet")
    np.savez(tmp_path / "image.npz", ids=np.array([1, 2]), values=np.array([[1, 2], [3, 4]]))
    np.save(tmp_path / "sound.npy", np.ones((2, 3), np.float16))
    (tmp_path / "sound.ids.txt").write_text("i1\ni 2\n")
    raw = table.read(
        interactions,
        items=tmp_path / "items.jsonl",
        users=tmp_path / "users.parquet",
        item_features={"image": tmp_path / "image.npz", "sound": tmp_path / "sound.npy"},
    )
    assert raw.interactions.schema == {
        "user": pl.String,
        "item": pl.String,
        "rating": pl.Float32,
        "timestamp": pl.Int64,
        "split": pl.String,
    }
    assert raw.interactions.rows() == [("007", "i1", 4.5, 5, "train"), ("ü", "i 2", 0.0, 19_753 * 86_400, "test")]
    assert raw.counts == {"ignored_columns": 1}
    assert raw.source == "table:clicks.csv,items.jsonl,users.parquet"
    assert raw.items is not None
    assert raw.items.to_dicts()[1] == {"item": "i9", "title": "Nine", "year": "1999"}
    assert raw.users is not None
    assert raw.users.rows() == [("ü", "Ulm")]
    assert raw.item_features["image"].ids == ("1", "2")
    assert raw.item_features["image"].values.dtype == np.float32
    assert raw.item_features["image"].encoder == "file:image.npz"
    assert raw.item_features["sound"].ids == ("i1", "i 2")
    assert raw.item_features["image"].revision != raw.item_features["sound"].revision


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_two_columns_are_enough(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"item": ["i1", "i2"], "user": ["u", "u"]})
    frame.write_csv(tmp_path / name) if name.endswith("csv") else frame.write_parquet(tmp_path / name)
    raw = table.read(tmp_path / name)
    assert raw.interactions.rows() == [("u", "i1"), ("u", "i2")]
    assert raw.items is None
