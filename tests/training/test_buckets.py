"""Paths that may lie in a bucket. No bucket is asked: what a machine without credentials says needs none."""

import errno
import os
from pathlib import Path

import pytest
from etils import epath

from recgoat_jax.cli.main import main
from recgoat_jax.errors import MissingExtraError, UsageError
from recgoat_jax.training import buckets
from recgoat_jax.training.buckets import check_writable, write_whole

BUCKET = "gs://bucket/run"


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with the package, with no file of credentials, that is no machine of Google Cloud."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setattr(buckets, "find_spec", lambda name: name)


def test_a_directory_is_not_looked_at(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "absent"), option="--checkpoints")
    assert not (tmp_path / "absent").exists()


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--workdir s3://bucket/run: expected a directory, or gs://BUCKET/FOLDER"):
        check_writable("s3://bucket/run", option="--workdir")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recgoat-jax\[gcs\]'"):
        check_writable(BUCKET, option="--workdir")


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize("option", ["--workdir", "--checkpoints"])
def test_without_credentials_nothing_starts(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "bpr", "--data", "absent", option, BUCKET]) == 2
    said = capsys.readouterr().err
    assert f"recgoat train: {option} {BUCKET}: found no credentials for Google Cloud (" in said
    assert "run 'gcloud auth application-default login'" in said
    assert not list(tmp_path.iterdir())


def test_a_bucket_without_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(buckets, "find_spec", lambda name: name)
    monkeypatch.setattr("google.auth.default", lambda: None)
    monkeypatch.setattr(buckets.epath, "Path", forbidden)
    with pytest.raises(
        UsageError, match=r"gs://bucket/run: cannot be written .*Permission denied.*Storage Object Admin"
    ):
        check_writable(BUCKET, option="--workdir")


def test_a_file_is_never_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = epath.Path(tmp_path / "deep" / "file.json")
    write_whole(path, "one")
    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_whole(path, "two, and longer")
    assert path.read_text() == "one"
    write_whole(path, "two")
    assert path.read_text() == "two"
