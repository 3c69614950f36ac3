"""``recgoat tune`` from end to end: a search file, what it leaves and prints, and the look at test that ends it."""

import json
import re
import sys
from pathlib import Path

import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.cli.train import load_experiment
from recgoat_jax.data.storage import write_dataset
from tests.worlds import blocks

EXPERIMENT = """
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.models import BprMfConfig
from recgoat_jax.training import Experiment, LoopConfig

CONFIG = Experiment(
    name="bpr",
    data=PreparedData(),
    model=BprMfConfig(dim=4),
    loop=LoopConfig(batch_size=32, max_epochs=2, selection_metric="recall@5", cutoffs=(5,), tensorboard=False),
)
"""
SEARCH = """
from dataclasses import replace

FIRST = ({"penalty": 1e-4},)


def suggest(trial, experiment):
    weight = trial.suggest_float("penalty", 1e-5, 1e-2, log=True)
    return replace(experiment, model=replace(experiment.model, regularization_weight=weight))
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a study in an empty folder."""
    monkeypatch.chdir(tmp_path)
    write_dataset(blocks(), Path("data"))
    Path("bpr.py").write_text(EXPERIMENT)
    Path("search.py").write_text(SEARCH)
    return ["tune", "bpr.py", "--search", "search.py", "--data", "data"]


def test_a_study_shows_validation_until_it_is_unblinded(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = Path("runs/tune/bpr")
    assert main([*files, "--trials", "2"]) == 0
    printed = capsys.readouterr()
    assert "2 of 2 trials (0 pruned, 0 failed)" in printed.out
    assert f"recgoat train {out}/best.py --seed 1" in printed.out
    assert re.search(r"^trial 1 \(2 of 2, best \d\.\d{4} of trial 0\): validation recall@5 ", printed.err, re.MULTILINE)
    page = (out / "study.md").read_text()
    assert "**Budget**: 2 of 2 trials (2 complete, 0 pruned, 0 failed)" in page
    assert "| `penalty` | 1e-05 to 0.01, log |" in page
    assert "test recall" not in printed.out + printed.err + page
    assert {one.name for one in out.iterdir()} >= {
        *("study.journal", "study.json", "study.md", "search.py", "curve.png", "curve.pdf", "best.py"),
        *("trial-0000", "trial-0001"),
    }
    record = json.loads((out / "study.json").read_text())
    best = max(record["trials"], key=lambda one: one["value"])
    tuned = load_experiment(out / "best.py")
    assert (tuned.name, tuned.model.regularization_weight) == ("bpr-tuned", best["params"]["penalty"])  # type: ignore[union-attr]  # BPR
    assert tuned.data.directory == Path("data")

    assert main(["tune", "bpr.py", "--unblind"]) == 0
    printed = capsys.readouterr()
    assert re.search(r"regret \d\.\d{4}, rank correlation not defined over 2 trials", printed.out)
    assert {one.name for one in out.iterdir()} >= {"test.json", "test.md", "validation_against_test.png"}
    assert "| trial | validation | test |" in (out / "test.md").read_text()
    assert main([*files, "--trials", "3"]) == 2
    assert "Further trials would be tuned on test: choose another --out" in capsys.readouterr().err
    assert not (out / "trial-0002").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tune", "bpr.py"], 2, "expected --search FILE"),
        (["tune", "bpr.py", "--search", "none.py"], 2, "'none.py' is not a file; expected a search file"),
        (["tune", "bpr.py", "--search", "bpr.py"], 2, "bpr.py: found no suggest; expected 'def suggest"),
        (["tune", "bpr.py", "--search", "search.py", "--trials", "0"], 2, "trials is 0"),
        (["tune", "bpr.py", "--unblind"], 3, "study.json: found no such file"),
    ],
)
def test_wrong_arguments_are_told(
    files: list[str], arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_without_the_extra_the_command_names_it(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(files) == 4
    assert "pip install 'recgoat-jax[tune]'" in capsys.readouterr().err
