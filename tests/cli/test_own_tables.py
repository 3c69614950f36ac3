"""Two hand-written tables through every command, as a user with an installed package would do it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recgoat_jax.cli.main import main

TRAINING = (
    *("--model.dim", "8", "--model.num-layers", "1", "--model.neighbors", "3", "--loop.batch-size", "32"),
    *("--loop.max-epochs", "2", "--loop.no-tensorboard", "--quiet"),
)


def write_tables(folder: Path) -> None:
    """Twelve users of two tastes, ids with a leading zero, a space and an accent."""
    drinks = ["007", "green tea", "café", "cocoa", "mate"]
    meals = ["soup", "rice", "bread", "stew", "pie"]
    rows = ["user,item,rating,timestamp"]
    for user in range(12):
        own = drinks if user % 2 else meals
        rows += [
            f"0{user},{item},{1 + (user + place) % 5},{1_600_000_000 + 60 * place}" for place, item in enumerate(own)
        ]
    (folder / "interactions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    titles = [f"{item},{item.title()} {'drink' if item in drinks else 'meal'}" for item in drinks + meals]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    return tmp_path


PREPARE = ("prepare", "table", "--interactions", "interactions.csv", "--items", "items.csv", "--out", "mine")


def test_where_the_shell_is_may_be_filled(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "shop").mkdir()
    monkeypatch.chdir(folder / "shop")
    tables = ("--interactions", "../interactions.csv", "--items", "../items.csv")
    assert main(["prepare", "table", *tables, "--out", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "shop"
    assert Path("manifest.json").is_file()


def test_tables_become_recommendations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PREPARE, "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["counts"]["users"] == 12
    assert main(PREPARE) == 0
    assert "already in mine" in capsys.readouterr().out
    assert main(["train", "recgoat", "--data", "mine", "--workdir", "run", "--json", *TRAINING]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["dataset"] == manifest["hash"]
    assert main(["evaluate", "run", "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert main(["recommend", "run", "--users", "01", "010", "--k", "3", "--no-exclude-seen", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert "01" in json.dumps(listed)
    assert any(title in json.dumps(listed) for title in ("Drink", "drink", "meal"))
    assert main(["train", "most-popular", "--data", "mine", "--workdir", "popular", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["compare", "popular", "run"]) == 0
    assert "recgoat" in capsys.readouterr().out


def test_wrong_calls_end_with_2_and_say_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = {
        ("fly",): "unknown command 'fly'",
        ("prepare", "cloud"): "unknown source 'cloud'",
        (*PREPARE, "--seed", "-1"): "seed is -1; expected 0 or more",
        ("prepare", "synthetic", "--out", "made", "--seed", "-1"): "seed is -1; expected 0 or more",
        ("prepare", "synthetic", "--out", "made", "--data-seed", "-1"): "found seed=-1 (--data-seed); expected 0 or",
        ("train", "nothing.py"): "neither a file nor a model",
        ("train", "bpr"): "expected --data DIR",
    }
    for call, message in cases.items():
        assert main(list(call)) == 2, call
        assert message in capsys.readouterr().err, call


def test_a_fraction_that_the_protocol_does_not_read_ends_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("valid", "test", "cold"):
        assert main([*PREPARE, f"--{name}-fraction", "0.3"]) == 2
        message = capsys.readouterr().err
        assert f"found {name}_fraction 0.3, which the protocol 'per_user_811' does not read" in message
    assert not (folder / "mine").exists()
    both = ["--valid-fraction", "0.2", "--test-fraction", "0.2"]
    assert main([*PREPARE, "--protocol", "global_time", *both, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    # Twelve users, each with a pair at each of five moments.
    assert (counts["train"], counts["valid"], counts["test"]) == (36, 12, 12)


def test_settings_that_contradict_themselves_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "recgoat", "--data", "mine", "--model.dim", "9"])
    assert "not a multiple of heads 2" in capsys.readouterr().err


def test_items_without_a_word_are_prepared_without_texts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items.csv").write_text('item,title,genres\nsoup,★★★,","\nrice,★★,|\n', encoding="utf-8")
    assert main(PREPARE) == 0
    shown = capsys.readouterr().out
    assert "features text" not in shown
    assert "features profile" not in shown


def test_bad_data_ends_with_3_and_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = folder / "interactions.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("soup,2", "soup,NaN", 1), encoding="utf-8")
    assert main(PREPARE) == 3
    message = capsys.readouterr().err
    assert "interactions.csv, line " in message
    assert "column 'rating'" in message
    assert not (folder / "mine").exists()
    assert main(["train", "bpr", "--data", "nowhere"]) == 3
    assert main(["train", str(Path(__file__).parents[2] / "experiments/bpr_baby.py"), "--data", "nowhere"]) == 3
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_the_built_wheel_works_outside_of_the_repository(folder: Path) -> None:
    """The wheel alone on the path, the repository not: prepare, train, evaluate, recommend."""
    root = Path(__file__).parents[2]
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "dist"), str(root)]
    subprocess.run(build, check=True)
    (wheel,) = (folder / "dist").glob("recgoat_jax-*-py3-none-any.whl")
    target = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)], check=True
    )
    check = "import recgoat_jax, sys; sys.exit(not recgoat_jax.__file__.startswith(sys.argv[1]))"
    environment = {"PYTHONPATH": str(target), "PATH": "", "HOME": str(folder), "JAX_PLATFORMS": "cpu"}
    for command in (
        ["-c", check, str(target)],
        ["-m", "recgoat_jax.cli.main", *PREPARE],
        ["-m", "recgoat_jax.cli.main", "train", "recgoat", "--data", "mine", "--workdir", "run", *TRAINING],
        ["-m", "recgoat_jax.cli.main", "evaluate", "run"],
        ["-m", "recgoat_jax.cli.main", "recommend", "run", "--users", "01", "--k", "2"],
    ):
        subprocess.run([sys.executable, *command], check=True, cwd=folder, env=environment)
