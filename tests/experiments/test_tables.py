"""The tables of the experiments: what their rows are, without running any."""

from pathlib import Path

import pytest

from recgoat_jax.cli.table import load_table
from recgoat_jax.models import LightGcnConfig, RecGoatConfig
from recgoat_jax.training import Experiment

TABLES = sorted(path for path in (Path(__file__).parents[2] / "experiments" / "tables").glob("*.py"))
NAMES = [path.stem for path in TABLES if path.stem not in ("__init__", "rows")]


def test_all_six_sets_have_a_table() -> None:
    assert NAMES == ["baby", "lastfm", "ml_100k", "movielens_1m", "movielens_small", "scientific"]


@pytest.mark.parametrize("name", NAMES)
def test_rows_differ_in_one_thing_and_baselines_are_as_wide(name: str) -> None:
    table = load_table(TABLES[0].parent / f"{name}.py")
    main = table.parts["main"]
    recgoat = next(row.experiment for row in main.rows if row.label == "RecGOAT")
    beaten = next(row.experiment for row in main.rows if row.label == main.baseline)
    assert isinstance(recgoat, Experiment)
    assert isinstance(beaten, Experiment)
    assert isinstance(recgoat.model, RecGoatConfig)
    assert isinstance(beaten.model, LightGcnConfig)
    assert beaten.model.dim == recgoat.model.dim
    assert {row.experiment.data for part in table.parts.values() for row in part.rows} == {recgoat.data}
    for key, part in table.parts.items():
        if key == "main":
            continue
        for row in part.rows:
            assert isinstance(row.experiment, Experiment)
            assert (row.experiment.optimizer, row.experiment.loop) == (recgoat.optimizer, recgoat.loop)
        models = [row.experiment.model for row in part.rows if isinstance(row.experiment, Experiment)]
        assert len(set(map(repr, models))) == len(models), key
    assert [row.label for row in table.parts["ablation"].rows][-1] == "RecGOAT"
    assert len(table.parts["ablation"].rows) == 6
