"""Kept runs: the metrics of every user come back from ranks alone, and a file that contradicts itself is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgoat_jax.data import Dataset, write_dataset
from recgoat_jax.data.feature_files import file_hash
from recgoat_jax.encoders.recipes import ExampleData, PreparedData
from recgoat_jax.errors import DataError
from recgoat_jax.models import BprMfConfig
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.serving import Run, load_run
from recgoat_jax.training.experiment import Experiment, to_json
from tests.runs import random_dataset, random_vectors, write_run

SETTINGS = to_json(Experiment("bpr", model=BprMfConfig(dim=4)))


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
    TableRun.of(run, SETTINGS).write(path)
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
    assert kept.settings == SETTINGS
    assert kept.record == TableRun.of(run, SETTINGS).record
    assert kept.record["test"] == run.result["test"]
    assert kept.record["hardware"] == run.hardware


def test_other_settings_seeds_and_data_do_not_fit(dataset: Dataset, run: Run, file: Path, tmp_path: Path) -> None:
    prepared = Path(run.config["dataset_directory"])
    kept = TableRun.read(file)
    assert kept.fits(SETTINGS, PreparedData(prepared), seed=0)
    assert kept.fits(SETTINGS, PreparedData(prepared), seed=None)
    # Data that is not there is trusted; another place is no other data.
    assert kept.fits(SETTINGS, PreparedData(tmp_path / "gone"), seed=0)
    assert not kept.fits({**SETTINGS, "model": {**SETTINGS["model"], "dim": 8}}, PreparedData(prepared), seed=0)
    assert not kept.fits(SETTINGS, PreparedData(prepared), seed=1)
    assert not kept.fits(SETTINGS, ExampleData(prepared), seed=0)
    assert not kept.fits(SETTINGS, PreparedData(prepared, item_features=(("text", Path("text.npz")),)), seed=0)
    other = random_dataset(seed=5)
    write_dataset(other, tmp_path / "other")
    assert not kept.fits(SETTINGS, PreparedData(tmp_path / "other"), seed=0)


def test_what_a_release_adds_counts_as_its_default(run: Run, tmp_path: Path) -> None:
    prepared = PreparedData(Path(run.config["dataset_directory"]))
    model = {name: value for name, value in SETTINGS["model"].items() if name != "regularization_weight"}
    TableRun.of(run, SETTINGS | {"model": model}).write(tmp_path / "old.parquet")
    kept = TableRun.read(tmp_path / "old.parquet")
    assert kept.fits(SETTINGS, prepared, seed=0)
    assert not kept.fits(SETTINGS | {"model": SETTINGS["model"] | {"regularization_weight": 0.5}}, prepared, seed=0)


def test_features_from_files_fit_by_content(dataset: Dataset, run: Run, tmp_path: Path) -> None:
    features = tmp_path / "text.npz"
    features.write_bytes(b"one")
    data = PreparedData(tmp_path / "gone", item_features=(("text", features),))
    told = {"data": to_json(data), "features": {"item/text": {"sha256": file_hash(features)}}}
    TableRun.of(replace(run, config={**run.config, **told}), SETTINGS).write(tmp_path / "run.parquet")
    kept = TableRun.read(tmp_path / "run.parquet")
    assert kept.fits(SETTINGS, data, seed=0)
    assert kept.fits(SETTINGS, replace(data, item_features=(("text", tmp_path / "nowhere.npz"),)), seed=0)
    assert not kept.fits(SETTINGS, replace(data, item_features=(("image", features),)), seed=0)
    features.write_bytes(b"two")
    assert not kept.fits(SETTINGS, data, seed=0)


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
