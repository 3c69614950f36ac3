"""Figures on the documentation's pages come from stored results or experiments, and every result has its command."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
DOCS = ROOT / "docs"


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_every_figure_of_the_findings_is_in_the_results() -> None:
    sources = [ROOT / "README.md", *RESULTS.glob("*.md"), *(ROOT / "experiments").glob("*.py")]
    known = "".join(text(path) for path in sources)
    numbers = re.findall(r"(?<![\d.])0?\.\d{3,}", text(DOCS / "findings.md"))
    assert len(numbers) > 20
    unknown = [number for number in numbers if number.lstrip("0") not in known]
    assert unknown == []


@pytest.mark.parametrize("name", sorted({path.stem for path in RESULTS.iterdir()}))
def test_every_result_has_its_command(name: str) -> None:
    (line,) = (line for line in text(DOCS / "reproduce.md").splitlines() if line.startswith(f"| `{name}` "))
    assert "python -m experiments." in line or "recgoat table experiments/tables/" in line


@pytest.mark.parametrize("page", ["findings.md", "reproduce.md", "scale.md", "cold-start.md", "README.md"])
def test_commands_name_modules_that_exist(page: str) -> None:
    found = set(re.findall(r"python -m (experiments[\w.]*)", text(ROOT / page if page == "README.md" else DOCS / page)))
    assert found
    assert [module for module in found if find_spec(module) is None] == []


@pytest.mark.parametrize("page", ["findings.md", "reproduce.md", "README.md"])
def test_commands_name_tables_that_exist(page: str) -> None:
    found = set(re.findall(r"experiments/tables/\w+\.py", text(ROOT / page if page == "README.md" else DOCS / page)))
    assert found
    assert [name for name in found if not (ROOT / name).is_file()] == []
