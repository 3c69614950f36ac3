"""Notebooks are what their .py files say, hold no outputs, and run from top to bottom."""

import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from recgoat_jax.data.example import wheel_folder

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_a_pair() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES == ["quickstart", "recgoat_explained"]


@pytest.mark.parametrize("name", NAMES)
def test_both_files_have_the_same_cells(name: str) -> None:
    cells = [
        [(cell.cell_type, cell.source) for cell in book.cells]
        for book in (read(name), jupytext.read(FOLDER / f"{name}.py"))
    ]
    assert cells[0] == cells[1], "make notebooks writes the .ipynb files anew"


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stripped(name: str) -> None:
    code = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.skipif(wheel_folder() is None, reason="the wheel with the example set is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_runs_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGOAT_SMOKE", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
    book = read(name)
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) >= 4
    # Warnings would stand in red in front of every reader.
    words = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert "Warning" not in words, words
