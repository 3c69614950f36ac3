from pathlib import Path

import pytest

from recgoat_jax.data import locate
from recgoat_jax.data.locate import VARIABLE, find_shared_data
from recgoat_jax.errors import DataError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world without shared data: an empty current directory, and the module in a repository of its own."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(locate, "__file__", str(tmp_path / "repo" / "recgoat_jax" / "data" / "locate.py"))
    for name in ("work/here", "repo", "given", "named"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "here")
    return tmp_path


def test_order_is_given_then_variable_then_beside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside_current = home / "work" / "shared" / "data"
    beside_current.mkdir(parents=True)
    assert find_shared_data() == beside_current
    beside_repository = home / "shared" / "data"
    beside_repository.mkdir(parents=True)
    assert find_shared_data() == beside_repository
    monkeypatch.setenv(VARIABLE, str(home / "named"))
    assert find_shared_data() == home / "named"
    assert find_shared_data(home / "given") == home / "given"


def test_a_named_folder_that_is_absent_is_not_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "shared" / "data").mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, str(home / "nowhere"))
    with pytest.raises(DataError, match=f"nowhere: found no such folder.*{VARIABLE} says"):
        find_shared_data()
    with pytest.raises(DataError, match="absent: found no such folder.*--data says"):
        find_shared_data(home / "absent")


@pytest.mark.usefixtures("home")
def test_absent_data_names_both_ways_and_both_places() -> None:
    with pytest.raises(DataError, match=f"--data DIR, or set {VARIABLE}=DIR") as caught:
        find_shared_data()
    assert caught.value.exit_code == 3
    assert str(caught.value).count(str(Path("shared") / "data")) == 2
