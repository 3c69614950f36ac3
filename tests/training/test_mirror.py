"""A run directory and its copy elsewhere; the copy is a local directory here."""

import json
import time
from pathlib import Path

import pytest
from etils import epath

from recgoat_jax.cli.main import main
from recgoat_jax.data.storage import write_dataset
from recgoat_jax.errors import RunStoppedError
from recgoat_jax.lock import run_lock
from recgoat_jax.training.mirror import mirrored
from tests.worlds import blocks


def test_changes_are_copied_while_it_runs_and_at_the_end(tmp_path: Path) -> None:
    local, remote = tmp_path / "local", epath.Path(tmp_path / "remote")
    with mirrored(local, remote, every=0.01):
        (local / "metrics.jsonl").write_text("1\n")
        (local / "other").write_text("stays here")
        deadline = time.monotonic() + 10
        copy = remote / "metrics.jsonl"
        # A copy may be taken between the making of the file and its first line.
        while not (copy.exists() and copy.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert copy.read_text() == "1\n"
        (local / "metrics.jsonl").write_text("1\n2\n")
        (local / "result.json").write_text("{}")
    assert (remote / "metrics.jsonl").read_text() == "1\n2\n"
    assert (remote / "result.json").read_text() == "{}"
    assert not (remote / "other").exists()


def test_what_the_bucket_holds_decides_whatever_lies_on_the_machine(tmp_path: Path) -> None:
    local, remote = tmp_path / "local", epath.Path(tmp_path / "remote")
    remote.mkdir()
    (remote / "metrics.jsonl").write_text("there\n")
    (remote / "config.json").write_text("there")
    local.mkdir()
    (local / "config.json").write_text("of an earlier run")
    (local / "result.json").write_text("of an earlier run")
    (local / "other").write_text("not ours")
    with mirrored(local, remote):
        assert (local / "metrics.jsonl").read_text() == "there\n"
        assert (local / "config.json").read_text() == "there"
        assert not (local / "result.json").exists()
    assert not (remote / "result.json").exists()
    assert (local / "other").read_text() == "not ours"


def test_the_files_of_a_run_at_work_are_left_alone(tmp_path: Path) -> None:
    local, remote = tmp_path / "local", epath.Path(tmp_path / "remote")
    local.mkdir()
    (local / "metrics.jsonl").write_text("1\n")
    with run_lock(local), pytest.raises(RunStoppedError, match="another run at work"), mirrored(local, remote):
        pass
    assert (local / "metrics.jsonl").read_text() == "1\n"


def test_after_an_error_the_last_state_is_copied(tmp_path: Path) -> None:
    local, remote = tmp_path / "local", epath.Path(tmp_path / "remote")

    def interrupted() -> None:
        with mirrored(local, remote):
            (local / "metrics.jsonl").write_text("1\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (remote / "metrics.jsonl").read_text() == "1\n"


def test_a_run_in_a_bucket_leaves_its_files_and_checkpoints_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is a directory: what reaches buckets is the library's, what goes where is ours."""
    from recgoat_jax.cli import train

    write_dataset(blocks(), tmp_path / "data")
    bucket = tmp_path / "bucket"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "check_writable", lambda path, *, option: None)

    def there(path: object) -> str:
        return str(path).replace("gs://bucket", str(bucket))

    monkeypatch.setattr(train, "mirrored", lambda local, remote: mirrored(local, epath.Path(there(remote))))
    original = train.train
    monkeypatch.setattr(
        train,
        "train",
        lambda *args, checkpoints, **options: original(*args, checkpoints=there(checkpoints), **options),
    )
    command = ["train", "bpr", "--data", "data", "--workdir", "gs://bucket/mine", "--quiet", "--loop.no-tensorboard"]
    command += ["--model.dim", "8", "--loop.max-epochs", "2"]
    assert main(command) == 0
    result = json.loads((bucket / "mine" / "result.json").read_text())
    assert result["epochs"] == 2
    assert sorted(path.name for path in (bucket / "mine").iterdir()) == [
        *("checkpoints", "config.json", "environment.json", "metrics.jsonl", "per_user.parquet", "result.json"),
        "vectors.npz",
    ]
    # Another machine, without the local files: the run is finished all the same.
    (tmp_path / "runs").rename(tmp_path / "gone")
    assert main(command) == 0
    local = tmp_path / "runs" / "bucket" / "mine"
    assert json.loads((local / "result.json").read_text()) == result
    # The bucket has been emptied: the run begins anew, with other settings too, on a machine that knows the old one.
    (bucket / "mine").rename(bucket / "gone")
    assert main([*command, "--loop.max-epochs", "1"]) == 0
    assert json.loads((bucket / "mine" / "result.json").read_text())["epochs"] == 1
