"""The leak report of a table, kept in a file beside it: it is computed once, and whoever reads the table finds it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.encoders.item_features import item_column
from recgoat_jax.encoders.profiles.leakage import LeakConfig, leak_report
from recgoat_jax.encoders.profiles.profile_table import ProfileTable
from recgoat_jax.files import write_atomically


class KeptLeakReport(NamedTuple):
    """A leak report as its file holds it.

    Attributes:
        path: the file.
        leaking: held-out splits that the profiles know.
        text: the report, for people.
    """

    path: Path
    leaking: tuple[str, ...]
    text: str


def keep_leak_report(
    dataset: Dataset, table: ProfileTable, path: Path, *, title_column: str = "title"
) -> KeptLeakReport:
    """Searches profiles for held-out items, unless that was done, and keeps the report beside the table.

    Args:
        dataset: the data set whose held-out pairs must not be known to the profiles.
        table: profiles of its users.
        path: file of the table, ``NAME.jsonl``; the report goes to ``NAME.leaks.json``.
        title_column: item column that says what an item is called.

    Returns:
        The report.

    Raises:
        DataError: no such column, or no titles in it.
    """
    out, config = path.with_suffix(".leaks.json"), LeakConfig()
    made_of: dict[str, Any] = {
        "profiles": table.hash,
        "dataset": dataset.manifest.hash,
        "title_column": title_column,
        "config": asdict(config),
    }
    kept = _read(out)
    if any(kept.get(name) != value for name, value in made_of.items()):
        report = leak_report(dataset, table, titles=item_column(dataset, title_column), config=config)
        splits = {name: leak._asdict() for name, leak in report.splits.items()}
        kept = {**made_of, "leaking": report.leaking, "splits": splits, "text": report.text}
        write_atomically(out, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return KeptLeakReport(out, tuple(kept["leaking"]), kept["text"])


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is absent or something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


__all__ = ["KeptLeakReport", "keep_leak_report"]
