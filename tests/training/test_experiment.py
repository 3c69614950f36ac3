import json
from pathlib import Path

import pytest

from recgoat_jax.cli.train import load_experiment
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.training.experiment import Experiment, differences, from_json, to_json

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*_*.py"))


@pytest.mark.parametrize("path", [f for f in FILES if "CONFIG = Experiment(" in f.read_text()], ids=lambda f: f.stem)
def test_every_experiment_survives_its_run_directory(path: Path) -> None:
    experiment = load_experiment(path)
    assert experiment.name == path.stem
    assert from_json(Experiment, json.loads(json.dumps(to_json(experiment)))) == experiment


def test_pairs_of_a_name_and_a_file_survive_json() -> None:
    data = PreparedData(Path("mine"), item_features=(("text", Path("a.npz")), ("image", Path("b.npz"))))
    experiment = Experiment(data=data)
    assert from_json(Experiment, json.loads(json.dumps(to_json(experiment)))) == experiment


def test_unknown_tags_are_refused() -> None:
    stored = to_json(Experiment())
    stored["model"]["type"] = "OtherConfig"
    with pytest.raises(ValueError, match="'OtherConfig' is none of"):
        from_json(Experiment, stored)


def test_differences_are_named_by_path() -> None:
    a, b = to_json(Experiment()), to_json(Experiment(seed=3))
    b["model"]["dim"] = 32
    assert differences(a, b) == ["model.dim: stored 64, given 32", "seed: stored 0, given 3"]


def test_what_a_release_added_is_at_its_default_in_what_was_stored_before() -> None:
    """A run goes on after an upgrade, but not with another value of the new setting, and not without an old one."""
    now = to_json(Experiment())
    before = to_json(Experiment())
    del before["model"]["co_purchase"], before["loop"]["shuffle"], before["seed"]
    assert differences(before, now) == []
    now["model"]["co_purchase"], now["seed"] = "ease", 1
    assert differences(before, now) == ['model.co_purchase: stored "count", given "ease"', "seed: stored 0, given 1"]
    del now["seed"]
    assert differences(to_json(Experiment()), now)[1:] == ["seed: stored 0, given null"]
