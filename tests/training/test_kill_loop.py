"""The kill loop of `experiments.kill_loop` in small: two kills of one process, two of one of two processes."""

from pathlib import Path

import pytest

from experiments.kill_loop import KillLoop, as_markdown
from experiments.killed_lives import Form, Trainings, differences
from recgoat_jax.data.storage import write_dataset
from tests.worlds import blocks

FORMS = (Form("one"), Form("two", mesh="data=1,rows=2", processes=2))


@pytest.mark.slow
def test_killed_and_started_again_a_run_ends_as_if_unbroken(tmp_path: Path) -> None:
    write_dataset(blocks(), tmp_path / "data")
    (tmp_path / "experiment.py").write_text(
        "from pathlib import Path\n"
        "from recgoat_jax.encoders.recipes import PreparedData\n"
        "from recgoat_jax.models import BprMfConfig\n"
        "from recgoat_jax.training import Experiment, LoopConfig\n"
        "loop = LoopConfig(batch_size=16, max_epochs=80, patience=80, selection_metric='recall@5', cutoffs=(5,))\n"
        f"data = PreparedData(Path({str(tmp_path / 'data')!r}))\n"
        "CONFIG = Experiment(data=data, model=BprMfConfig(dim=8), loop=loop)\n"
    )
    options = ("--loop.no-tensorboard", "--loop.checkpoint-seconds", "0.2")
    trainings = Trainings(tmp_path / "experiment.py", options, tmp_path)
    loop = KillLoop(trainings, tmp_path, seed=1)
    for form in FORMS:
        loop.kill(form, 2)
    rows = [loop.summary(form) for form in FORMS]
    assert [row["term"] + row["kill"] for row in rows] == [2, 2]
    assert all(row["finals"] >= 2 for row in rows)
    assert sum(row["went_on_from_a_save"] for row in rows) > 0
    assert len(as_markdown(rows).splitlines()) == 4
    # The record is read back, and nothing is done twice.
    again = KillLoop(trainings, tmp_path, seed=1)
    again.kill(FORMS[0], 2)
    assert again.lives == loop.lives
    # What is compared is not the same file.
    assert differences(tmp_path / "two" / "run-1", tmp_path / "one" / "unbroken") != []
