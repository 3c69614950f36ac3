"""What a run says about where it ran."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

from recgoat_jax.training.environment import CORE, EXTRAS, environment, installed_version, processor, source_revision

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    command = ("git", "-C", str(folder), *identity, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of one file."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file.txt").write_text("one\n")
    git(tmp_path, "add", "file.txt")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_environment_names_versions_and_devices() -> None:
    found = json.loads(json.dumps(environment()))
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["jax"] == jax.__version__
    assert found["packages"]["numpy"] == np.__version__
    assert None not in found["packages"].values()
    assert found["backend"] == jax.default_backend()
    assert sum(found["devices"].values()) == jax.device_count()
    assert found["backend_error"] is None
    assert found["cpus"] >= 1
    assert found["processor"] == processor()


def test_package_lists_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {re.split(r"[\[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert set(CORE) - {"jaxlib"} == core
    assert set(EXTRAS) == set(project["optional-dependencies"])
    for extra in ("data", "seq", "text", "image", "llm"):
        named = {re.split(r"[\[<>=]", requirement)[0] for requirement in project["optional-dependencies"][extra]}
        assert set(EXTRAS[extra]) == named


def test_version_of_an_absent_distribution_is_none() -> None:
    assert installed_version("no-such-distribution-anywhere") is None


def test_revision_of_a_checkout(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert source_revision(checkout) == (head, False)
    (checkout / "untracked.txt").write_text("run directories lie about in a checkout\n")
    assert source_revision(checkout) == (head, False)
    (checkout / "file.txt").write_text("two\n")
    assert source_revision(checkout) == (head, True)


def test_results_and_pages_are_no_change_of_the_program(checkout: Path) -> None:
    stored = checkout / "experiments" / "results" / "lastfm.md"
    stored.parent.mkdir(parents=True)
    stored.write_text("one\n")
    git(checkout, "add", "experiments")
    git(checkout, "commit", "--quiet", "--message", "results")
    head = git(checkout, "rev-parse", "HEAD")
    stored.write_text("two\n")
    assert source_revision(checkout) == (head, False)
    (checkout / "experiments" / "run.py").touch()
    git(checkout, "add", "experiments/run.py")
    assert source_revision(checkout) == (head, True)


def test_revision_of_no_checkout_is_unknown(checkout: Path) -> None:
    inside = checkout / "site-packages"
    inside.mkdir()
    assert source_revision(inside) == (None, None)
    git(inside, "init", "--quiet")
    assert source_revision(inside) == (None, None), "a repository without a commit"


def test_revision_without_git_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / "empty"))
    assert source_revision(checkout) == (None, None)


def test_backend_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no such platform")

    monkeypatch.setattr("recgoat_jax.training.environment.jax.devices", fail)
    found = environment()
    assert (found["backend"], found["devices"], found["backend_error"]) == (None, {}, "no such platform")


@pytest.mark.parametrize(
    ("flags", "told"), [("sse avx2 avx512f", "A 7, AVX-512"), ("avx2 sse", "A 7, AVX2"), ("sse2", "A 7")]
)
def test_the_processor_is_named_with_its_widest_vectors(flags: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: A 7\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert processor(tmp_path / "cpuinfo") == told
    (tmp_path / "arm").write_text("processor\t: 0\nBogoMIPS\t: 50\n")
    assert processor(tmp_path / "arm") is None
    assert processor(tmp_path / "none") is None
