"""The five-row examples of docs/formats.md are read by the commands that stand below them."""

import re
import shlex
from pathlib import Path

import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import read_dataset

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./]+)`\n\n```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\nrecgoat (.*)\n```", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_five_rows_become_a_data_set(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    arguments = shlex.split(command)
    assert main(arguments) == 0
    dataset = read_dataset(Path(arguments[arguments.index("--out") + 1]))
    assert min(len(dataset.train), len(dataset.valid), len(dataset.test)) >= 1
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) >= 5


def test_every_source_of_files_has_an_example() -> None:
    shown = {command.split()[1] for command in COMMANDS}
    assert shown == {"table", "userlist", "recbole", "mmrec", "movielens", "amazon"}


def test_examples_have_five_rows() -> None:
    for name, text in FILES.items():
        header = not name.endswith((".jsonl", ".json", ".txt"))
        assert len(text.splitlines()) == 5 + header, name
