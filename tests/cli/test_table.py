"""``recgoat table``: what is missing is run, whole parts are written, stored figures are verified."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recgoat_jax.cli import table as table_command
from recgoat_jax.cli.main import main
from recgoat_jax.cli.table import TableCommand, load_table, run, verify
from recgoat_jax.data import content_hash, write_dataset
from recgoat_jax.errors import DataError, NonFiniteLossError, RunStoppedError, UsageError
from recgoat_jax.report.table_runs import TableRun
from recgoat_jax.training import Experiment, RunResult, train
from tests.worlds import blocks

ROWS = """
from dataclasses import replace
from pathlib import Path
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.models import BprMfConfig, MostPopularConfig
from recgoat_jax.report.result_table import ResultTable, TablePart, TableRow
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig
from recgoat_jax.training.ranker_run import BlendExperiment, ContentKnnExperiment, ItemKnnExperiment
from shared_names import BPR

DATA = PreparedData(Path({data!r}))
LOOP = LoopConfig(batch_size=32, max_epochs=2, tensorboard=False)
bpr = Experiment(BPR, DATA, BprMfConfig(dim=4), OptimizerConfig(learning_rate=0.02), LOOP)
rows = (
    TableRow("most popular", replace(bpr, name="popular", model=MostPopularConfig())),
    TableRow("content kNN", ContentKnnExperiment("knn", DATA, neighbors=(1, 3))),
    TableRow("BPR", bpr),
)
items = ItemKnnExperiment("items", DATA, neighbors=(3,))
blend = TableRow("BPR + item kNN", BlendExperiment("bpr.item_knn", bpr, items))
TABLE = ResultTable(
    "Blocks",
    {{
        "main": TablePart("Main", rows, "most popular"),
        "few": TablePart("Few seeds", (rows[0], rows[2], blend), "BPR", most_seeds=1),
    }},
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of two files beside each other, and prepared data."""
    top = tmp_path_factory.mktemp("tables")
    made = blocks(ratings=False)
    write_dataset(replace(made, manifest=replace(made.manifest, hash=content_hash(made))), top / "data")
    tables = top / "tables"
    tables.mkdir()
    (top / "shared_names.py").write_text('BPR = "bpr"\n')
    (tables / "__init__.py").touch()
    (tables / "blocks.py").write_text(ROWS.format(data=str(top / "data")))
    return top


@pytest.fixture(scope="module")
def command(folder: Path) -> TableCommand:
    given = TableCommand(folder / "tables" / "blocks.py", seeds=(0, 1), out=folder / "runs", quiet=True)
    run(given)
    return given


def stored(folder: Path) -> dict:
    return json.loads((folder / "results" / "blocks.json").read_text())


def test_every_row_and_seed_is_run_and_written(command: TableCommand, folder: Path) -> None:
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [
        "bpr-seed0", "bpr-seed1", "bpr.item_knn-seed0", "items", "knn", "popular",
    ]  # fmt: skip
    parts = stored(folder)["parts"]
    assert list(parts) == ["main", "few"]
    assert [[len(row["runs"]) for row in part["rows"]] for part in parts.values()] == [[1, 1, 2], [1, 1, 1]]
    result = json.loads((folder / "runs" / "bpr-seed1" / "result.json").read_text())
    assert parts["main"]["rows"][2]["runs"][1]["test"] == result["test"]
    knn = parts["main"]["rows"][1]["runs"][0]
    assert knn["chosen"] in ("k = 1", "k = 3")
    assert parts["few"]["rows"][2]["runs"][0]["chosen"].startswith("weight = ")
    # Features tell the blocks apart, and what a user likes lies in one block.
    assert knn["test"]["recall@10"] == 1.0
    page = (folder / "results" / "blocks.md").read_text()
    assert "recgoat table tables/blocks.py --seeds 0 1 --parts few" in page
    assert r"\toprule" in (folder / "results" / "blocks.tex").read_text()


def test_finished_rows_are_read_and_parts_that_are_not_whole_leave_the_stored_one(
    command: TableCommand, folder: Path
) -> None:
    before = stored(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*/result.json")}
    found = run(replace(command, seeds=(0, 1, 2), render=True))
    assert not found["main"]["complete"]
    assert stored(folder) == before
    # What is stored is not replaced by less, and looking writes nothing.
    with pytest.raises(
        UsageError, match=r"found part 'main' with the seeds \[0, 1\]; expected all of them among \[0\]"
    ):
        run(replace(command, seeds=(0,)))
    with pytest.raises(UsageError, match=r"expected all of them among \[1, 2, 3\]"):
        run(replace(command, seeds=(1, 2, 3)))
    assert run(replace(command, seeds=(0,), render=True))["main"]["complete"]
    assert stored(folder) == before
    run(command)
    assert stored(folder) == before
    assert times == {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*/result.json")}


def test_runs_of_other_settings_are_refused_before_anything_runs(command: TableCommand, folder: Path) -> None:
    file = folder / "tables" / "blocks.py"
    text = file.read_text()
    wider = folder / "tables" / "wider.py"
    wider.write_text(text.replace("dim=4", "dim=8"))
    for render in (False, True):
        with pytest.raises(
            UsageError, match=r"(?s)2 runs of other settings.*--out.*bpr-seed1: model.dim: stored 4, given 8"
        ):
            run(replace(command, table=wider, seeds=(2, 1, 0), render=render))
    assert not (command.out / "bpr-seed2").exists()
    # Of a blend the runs that it is made of are looked at as well.
    told = r"(?s)2 runs.*bpr-seed0: model.*bpr.item_knn-seed0: trained.model.dim: stored 4"
    with pytest.raises(UsageError, match=told):
        run(replace(command, table=wider, seeds=(0,), parts=("few",)))
    # The stored figures are not those of the settings that the table has now either.
    file.write_text(text.replace("dim=4", "dim=8"))
    try:
        with pytest.raises(DataError, match=r"figures of 'BPR' with other settings or data"):
            verify(replace(command, verify="BPR"))
    finally:
        file.write_text(text)


def test_a_row_that_fails_does_not_keep_the_others_from_finishing(
    command: TableCommand, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_once(experiment: Experiment, **options: Any) -> RunResult:
        if experiment.seed == 2:
            raise NonFiniteLossError("the loss is not finite at step 3")
        return train(experiment, **options)

    before = stored(folder)
    monkeypatch.setattr(table_command, "train", fail_once)
    with pytest.raises(RunStoppedError, match=r"(?s)1 of the table's runs failed.*bpr-seed2: the loss is not finite"):
        run(replace(command, seeds=(0, 2, 1)))
    after = stored(folder)
    assert after["parts"]["main"] == before["parts"]["main"]


def test_kept_runs_need_no_run_directories_and_grow_by_seeds(
    command: TableCommand, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine: the results are there, the run directories are not."""
    trained: list[tuple[str, int]] = []

    def recorded(experiment: Experiment, **options: Any) -> RunResult:
        trained.append((experiment.name, experiment.seed))
        return train(experiment, **options)

    monkeypatch.setattr(table_command, "train", recorded)
    shutil.copytree(folder / "results", tmp_path / "results")
    elsewhere = replace(command, out=tmp_path / "runs", results=tmp_path / "results")
    assert run(elsewhere) == run(command)
    assert trained == []
    assert not elsewhere.out.exists()
    grown = run(replace(elsewhere, seeds=(0, 1, 2)))
    assert trained == [("bpr", 2)]
    assert grown["main"]["complete"]
    first, second, third = grown["main"]["rows"][2]["runs"]
    assert [first, second] == stored(folder)["parts"]["main"]["rows"][2]["runs"]
    kept = {path.name for path in (tmp_path / "results" / "blocks.runs").iterdir()}
    assert {"bpr-seed0.parquet", "bpr-seed2.parquet", "bpr.item_knn-seed0.parquet", "popular.parquet"} < kept
    assert third["test"] == json.loads((elsewhere.out / "bpr-seed2" / "result.json").read_text())["test"]


def test_kept_runs_are_run_anew_where_the_data_turns_out_to_be_other(
    command: TableCommand, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is not there before the first run, which makes it, as an encoder does on another processor."""
    made = blocks(ratings=False)
    made = replace(made, train=replace(made.train, users=made.train.users[1:], items=made.train.items[1:]))
    made = replace(made, manifest=replace(made.manifest, hash=content_hash(made)))
    trained: list[tuple[str, int]] = []

    def making(experiment: Experiment, **options: Any) -> RunResult:
        if not trained:
            write_dataset(made, tmp_path / "data")
        trained.append((experiment.name, experiment.seed))
        return train(experiment, **options)

    monkeypatch.setattr(table_command, "train", making)
    shutil.copytree(folder / "results", tmp_path / "results")
    (tmp_path / "shared_names.py").write_text((folder / "shared_names.py").read_text())
    file = tmp_path / "blocks.py"
    file.write_text(ROWS.format(data=str(tmp_path / "data")))
    given = replace(command, table=file, seeds=(0, 1, 2), parts=("main",), out=tmp_path / "runs")
    found = run(replace(given, results=tmp_path / "results"))
    assert trained == [("bpr", 2), ("popular", 0), ("bpr", 0), ("bpr", 1)]
    assert found["main"]["complete"]
    assert {one["dataset"] for row in found["main"]["rows"] for one in row["runs"]} == {made.manifest.hash}


def test_a_blend_is_made_again_with_the_model_that_its_row_has(
    command: TableCommand, folder: Path, tmp_path: Path
) -> None:
    """Its vectors are not kept, so that the model is trained again: to the same figures, or nothing is kept."""
    results = tmp_path / "results"
    shutil.copytree(folder / "results", results)
    blend = results / "blocks.runs" / "bpr.item_knn-seed0.parquet"
    blend.unlink()
    elsewhere = replace(command, parts=("few",), seeds=(0,), out=tmp_path / "runs", results=results)
    other = TableRun.read(folder_run(folder, "bpr-seed1"))
    replace(other, record={**other.record, "seed": 0}).write(results / "blocks.runs" / "bpr-seed0.parquet")
    with pytest.raises(DataError, match=r"bpr-seed0.parquet: found the figures of another training .*Delete this file"):
        run(elsewhere)
    assert not blend.exists()
    (results / "blocks.runs" / "bpr-seed0.parquet").unlink()
    run(elsewhere)
    assert TableRun.read(blend).record["test"] == TableRun.read(folder_run(folder, blend.stem)).record["test"]


def folder_run(folder: Path, name: str) -> Path:
    return folder / "results" / "blocks.runs" / f"{name}.parquet"


def test_kept_runs_of_other_settings_are_run_anew(command: TableCommand, folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(folder / "results", results)
    file = folder / "tables" / "blocks.py"
    text = file.read_text()
    before = TableRun.read(results / "blocks.runs" / "bpr-seed0.parquet")
    try:
        file.write_text(text.replace("dim=4", "dim=8"))
        run(replace(command, parts=("main",), seeds=(0,), out=tmp_path / "runs", results=results, replace=True))
    finally:
        file.write_text(text)
    after = TableRun.read(results / "blocks.runs" / "bpr-seed0.parquet")
    assert after.settings != before.settings
    assert after.record["test"] != before.record["test"]


def test_a_part_alone_is_replaced(command: TableCommand, folder: Path) -> None:
    path = folder / "results" / "blocks.json"
    before = stored(folder)
    changed = {**before, "parts": {"main": {**before["parts"]["main"], "note": "kept"}}}
    path.write_text(json.dumps(changed))
    run(replace(command, parts=("few",)))
    after = stored(folder)["parts"]
    assert after["main"]["note"] == "kept"
    assert after["few"] == {**before["parts"]["few"], "command": after["few"]["command"]}
    path.write_text(json.dumps(before))


def test_a_row_is_verified_bit_for_bit(command: TableCommand, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["table", str(command.table), "--out", str(command.out), "--quiet", "--seeds", "1", "--verify", "BPR"]
    assert main(arguments) == 0
    assert "BPR, seed 1: the stored figures, bit for bit" in capsys.readouterr().out
    first = (folder / "runs" / "verify" / "bpr-seed1" / "result.json").stat().st_mtime_ns
    path, before = folder / "results" / "blocks.json", stored(folder)
    changed = json.loads(json.dumps(before))
    changed["parts"]["main"]["rows"][2]["runs"][1]["test"]["ndcg@10"] += 1e-16
    path.write_text(json.dumps(changed))
    assert main(arguments) == 5
    message = capsys.readouterr().err
    assert "ndcg@10" in message
    assert "recall@10" not in message
    assert "expected the same bits" in message
    # It is trained again each time: an old answer would say nothing of this program.
    assert (folder / "runs" / "verify" / "bpr-seed1" / "result.json").stat().st_mtime_ns > first
    path.write_text(json.dumps(before))
    blend = [*arguments[:-3], "0", "--verify", "BPR + item kNN"]
    assert main(blend) == 0
    parts = [folder / "runs" / "verify" / name / "result.json" for name in ("bpr-seed0", "items", "bpr.item_knn-seed0")]
    times = [path.stat().st_mtime_ns for path in parts]
    assert main(blend) == 0
    assert all(path.stat().st_mtime_ns > time for path, time in zip(parts, times, strict=True))
    assert main([*arguments[:-3], "7", "--verify", "BPR"]) == 3
    assert "no figures of 'BPR' with seed 7" in capsys.readouterr().err
    assert main([*arguments[:-3], "7", "--verify", "content kNN"]) == 0


def test_verifying_without_a_seed_is_refused(command: TableCommand) -> None:
    with pytest.raises(UsageError, match="one seed or more"):
        verify(replace(command, verify="BPR", seeds=()))


def test_bad_tables_and_options(command: TableCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="is no file"):
        load_table(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("TABLE = 1\n")
    with pytest.raises(UsageError, match="found no TABLE"):
        load_table(tmp_path / "empty.py")
    for wrong in (["--parts", "all"], ["--verify", "LightGCN"], ["--seeds", "0", "0"], ["--data", str(tmp_path)]):
        assert main(["table", str(command.table), "--out", str(command.out), "--quiet", *wrong]) in (2, 3)
        message = capsys.readouterr().err
        assert wrong[1] in message
        assert "expected" in message


def test_a_table_of_ones_own_is_written_beside_its_file(
    command: TableCommand, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"import sys\nsys.path.append({str(folder)!r})\n" + command.table.read_text())
    assert main(["table", str(mine), "--out", str(command.out), "--quiet", "--seeds", "0", "--parts", "few"]) == 0
    assert f"written: few, to {tmp_path / 'results' / 'mine'}." in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        f"mine.{suffix}" for suffix in ("json", "md", "pdf", "png", "runs", "tex")
    ]
    assert "recgoat table mine.py --seeds 0 --parts few" in (tmp_path / "results" / "mine.md").read_text()
