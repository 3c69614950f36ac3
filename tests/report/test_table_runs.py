"""Kept runs: the metrics of every user come back from ranks alone, and a file that contradicts itself is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgoat_jax.data import Dataset
from recgoat_jax.errors import DataError
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.serving import Run, load_run
from tests.runs import random_dataset, random_vectors, write_run


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    # More items than the largest cut-off, so that there are ranks past it.
    return random_dataset(num_users=60, num_items=120)


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(write_run(tmp_path_factory.mktemp("run") / "run", dataset, random_vectors(dataset)))


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "run.parquet"
    TableRun.of(run, "abc").write(path)
    return path


def test_everything_comes_back_to_the_bit(run: Run, file: Path) -> None:
    kept, found = TableRun.read(file), run.per_user
    assert found.ranks.max() > max(found.cutoffs)
    np.testing.assert_array_equal(kept.per_user.users, found.users)
    assert kept.per_user.means == found.means
    assert set(kept.per_user.values) == set(found.values)
    for name, values in found.values.items():
        np.testing.assert_array_equal(kept.per_user.values[name], values)
    for name in ("dataset_name", "dataset_hash", "protocol", "split", "excluded", "cutoffs"):
        assert getattr(kept.per_user, name) == getattr(found, name)
    assert kept.settings == "abc"
    assert kept.record == TableRun.of(run, "abc").record
    assert kept.record["test"] == run.result["test"]
    assert kept.record["hardware"] == run.hardware


def test_a_file_holds_neither_ids_nor_items(file: Path, dataset: Dataset) -> None:
    table = pq.read_table(file)
    assert table.column_names == ["ranks"]
    assert table["ranks"].type.value_type == pa.int32()
    content = file.read_bytes()
    for name in (*dataset.users.ids, *dataset.items.ids):
        assert name.encode() not in content


def test_what_contradicts_itself_is_refused(file: Path, tmp_path: Path) -> None:
    table = pq.read_table(file)
    ranks = table["ranks"].to_pylist()
    # The first hit within the smallest cut-off is lost.
    row = next(row for row, one in enumerate(ranks) if one and one[0] < 5)
    ranks[row][0] = 119
    changed = tmp_path / "changed.parquet"
    metadata = table.schema.metadata
    pq.write_table(
        pa.table({"ranks": pa.array(ranks, pa.list_(pa.int32()))}).replace_schema_metadata(metadata), changed
    )
    with pytest.raises(
        DataError, match=r"changed.parquet: found ranks that do not give its .*recall@5.*Delete the file"
    ):
        TableRun.read(changed)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_what_is_no_kept_run_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"other.parquet: found an unreadable file .*as recgoat table keeps it"):
        TableRun.read(path)
    pq.write_table(pa.table({"ranks": [1, 2]}), path)
    with pytest.raises(DataError, match="unreadable"):
        TableRun.read(path)
