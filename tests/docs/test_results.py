"""Figures on the documentation's pages come from stored results or experiments, and every result has its command."""

import json
import math
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
DOCS = ROOT / "docs"


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def figures(content: str) -> set[str]:
    """Decimals of three places or more, without the zero before the point."""
    return {number.lstrip("0") for number in re.findall(r"(?<![\d.])\d*\.\d{3,}(?![\d])", content)}


def all_p_values() -> set[str]:
    """Those of every metric; the pages of the tables have them of two."""
    tables = [path for path in RESULTS.glob("*.json") if (ROOT / f"experiments/tables/{path.stem}.py").is_file()]
    parts = [part for path in tables for part in json.loads(text(path))["parts"].values()]
    tests = [row["against_baseline"] or {} for part in parts for row in part["rows"]]
    return {f"{test['corrected_p']:.3f}".lstrip("0") for metrics in tests for test in metrics.values()}


@pytest.mark.parametrize("page", ["findings.md", "evidence.md", "theory.md", "cold-start.md"])
def test_every_figure_of_the_pages_is_in_the_results(page: str) -> None:
    sources = [*RESULTS.rglob("*.md"), *(ROOT / "experiments").rglob("*.py")]
    known = set().union(*(figures(text(path)) for path in sources))
    known |= all_p_values()
    # The number of the paper; and bounds of lemma 3.3 by hand, sqrt(4 tau ln B) for tau = .2 and B = 2 and 8.
    by_hand = {f"{math.sqrt(0.8 * math.log(batch)):.3f}".lstrip("0") for batch in (2, 8)}
    found = figures(text(DOCS / page))
    assert len(found) > 20
    assert found - known - by_hand - {"2602.00682"} == set()


@pytest.mark.parametrize("name", sorted({path.stem for path in RESULTS.iterdir()}))
def test_every_result_has_its_command(name: str) -> None:
    (line,) = (line for line in text(DOCS / "reproduce.md").splitlines() if line.startswith(f"| `{name}` "))
    table = f"experiments/tables/{name}.py"
    searched = f"recgoat tune experiments/{name}.py --search experiments/search/"
    assert [one in line for one in ("python -m experiments.", f"recgoat table {table}", searched)].count(True) == 1
    assert (ROOT / table).is_file() == (f"recgoat table {table}" in line)


@pytest.mark.parametrize("page", ["evidence.md", "reproduce.md", "scale.md", "cold-start.md", "README.md"])
def test_commands_name_modules_that_exist(page: str) -> None:
    found = set(re.findall(r"python -m (experiments[\w.]*)", text(ROOT / page if page == "README.md" else DOCS / page)))
    assert found
    assert [module for module in found if find_spec(module) is None] == []


@pytest.mark.parametrize("page", ["evidence.md", "reproduce.md", "README.md"])
def test_commands_name_tables_that_exist(page: str) -> None:
    found = set(re.findall(r"experiments/tables/\w+\.py", text(ROOT / page if page == "README.md" else DOCS / page)))
    assert found
    assert [name for name in found if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_no_line_is_lost_as_a_comment(page: str) -> None:
    """MyST takes a line that begins with a percent sign for a comment, in the middle of a sentence as well."""
    outside = re.sub(r"^```.*?^```$", "", text(DOCS / page), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in outside.splitlines() if line.lstrip().startswith("%")] == []
