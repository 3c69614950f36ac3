from pathlib import Path
from typing import Any

import pytest

from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.files import read_json_lines
from recgoat_jax.models import BprMfConfig
from recgoat_jax.training import Experiment, LoopConfig, fit, train
from recgoat_jax.training.checkpoint import Checkpoints
from tests.worlds import blocks


def test_every_setting_of_the_loop_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 pairs in batches of 32 are 2 steps an epoch; one step a call, five epochs, validated at 2, 4 and the last."""
    calls: dict[str, int] = {"show": 0, "save": 0}
    save_last = Checkpoints.save_last

    def counted_save(*args: Any) -> None:
        calls["save"] += 1
        save_last(*args)

    monkeypatch.setattr(fit.Fit, "_show", lambda self, rate: calls.update(show=calls["show"] + 1))
    monkeypatch.setattr(Checkpoints, "save_last", counted_save)
    write_dataset(blocks(), tmp_path / "data")
    settings = LoopConfig(
        batch_size=32,
        max_epochs=5,
        evaluate_every=2,
        patience=30,
        selection_metric="ndcg@3",
        cutoffs=(1, 3),
        steps_per_call=1,
        checkpoint_seconds=0.0,
        tensorboard=False,
    )
    experiment = Experiment(data=PreparedData(tmp_path / "data"), model=BprMfConfig(dim=8), loop=settings)
    result = train(experiment, workdir=tmp_path / "run", quiet=True)
    lines = read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert [(line["epoch"], line["step"]) for line in lines if line["kind"] == "train"] == [
        (epoch, 2 * epoch) for epoch in range(1, 6)
    ]
    valid = [line for line in lines if line["kind"] == "valid"]
    assert [line["epoch"] for line in valid] == [2, 4, 5]
    assert result.best_epoch == max(valid, key=lambda line: line["ndcg@3"])["epoch"]
    for metrics in (result.valid, result.test):
        assert {name.partition("@")[2] for name in metrics} == {"1", "3"}
    assert calls["show"] == 10
    assert calls["save"] >= 10
    assert not (tmp_path / "run" / "tensorboard").exists()
