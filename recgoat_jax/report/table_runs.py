"""Runs of a result table in files of some kilobytes: what its figures and tests are made from, and no more.

A run directory has checkpoints and vectors, and is not for keeping. These files are: with them a table is rendered
again without data, and seeds and rows are added to it without running the others once more (but for the model of a
blend, whose vectors it needs).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recgoat_jax.data.feature_files import file_hash
from recgoat_jax.data.serialize import from_parquet, to_parquet
from recgoat_jax.data.storage import prepared_hash
from recgoat_jax.encoders.recipes import DataConfig, PreparedData
from recgoat_jax.errors import DataError
from recgoat_jax.evaluation.evaluate import UserMetrics, stored_conditions
from recgoat_jax.evaluation.metrics import RankedTargets, per_user_metrics
from recgoat_jax.files import write_atomically
from recgoat_jax.serving.run import Run
from recgoat_jax.training.experiment import differences, to_json
from recgoat_jax.training.ranker_run import CHOSEN, shown_settings

_METADATA_KEY = b"recgoat"
_RECORDED = ("seed", "best_epoch", "seconds", "commit", "dataset", "valid", "test")


@dataclass(frozen=True, eq=False)
class TableRun:
    """A finished run, as a table needs it.

    Attributes:
        settings: those of its row, `recgoat_jax.report.result_table.TableRow.settings`.
        data: recipe of its data, as JSON values, without the places of files.
        features: what is told of features that came from files, by modality; empty where none did.
        record: what the table's JSON file says of it: seed, epoch, seconds, commit, hardware, metrics.
        per_user: test metrics of every user.
        ranks: held-out pairs of every user row, as in the file: a list a row, of 0-based ranks in ascending order,
            those past the largest cut-off written as that cut-off.
    """

    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    features: Mapping[str, Any]
    record: Mapping[str, Any]
    per_user: UserMetrics
    ranks: pa.ListArray

    @classmethod
    def of(cls, run: Run, settings: Mapping[str, Any]) -> "TableRun":
        """From a run directory.

        Args:
            run: the finished run.
            settings: those of its row.
        """
        record = {name: run.result[name] for name in _RECORDED} | {
            "hardware": run.hardware,
            "modified": run.modified,
            "chosen": shown_settings(run.config.get(CHOSEN) or {}) or None,
        }
        found = run.per_user
        grouped = RankedTargets.of(found.targets.users, found.ranks)
        counts = np.zeros(int(grouped.users[-1]) + 1, np.int32)
        counts[grouped.users] = grouped.relevant
        # No metric looks past the largest cut-off, and equal values take no room.
        ranks = np.minimum(grouped.ranks, max(found.cutoffs))
        lists = pa.ListArray.from_arrays(
            pa.array(np.append(0, np.cumsum(counts)), pa.int32()), pa.array(ranks, pa.int32())
        )
        return cls(settings, _recipe(run.config["data"]), run.config.get("features", {}), record, found, lists)

    def fits(self, settings: Mapping[str, Any], data: DataConfig, *, seed: int | None) -> bool:
        """Whether this is what a row would run now.

        Args:
            settings: those of the row; what a later release added counts as its default, as in
                `recgoat_jax.training.experiment.differences`.
            data: its data; what lies ready is compared by hash, and what does not is trusted to be the same.
            seed: its seed; None: it has none.
        """
        if differences(self.settings, settings) or differences(self.data, _recipe(to_json(data))):
            return False
        if seed not in (None, self.record["seed"]):
            return False
        ready = prepared_hash(data.directory)
        if ready is not None and ready != self.per_user.dataset_hash:
            return False
        kinds = {"item": data.item_features, "user": data.user_features} if isinstance(data, PreparedData) else {}
        files = [(f"{kind}/{name}", Path(file)) for kind, pairs in kinds.items() for name, file in pairs]
        return all(
            file_hash(file) == self.features.get(name, {}).get("sha256") for name, file in files if file.is_file()
        )

    def write(self, path: Path) -> None:
        """Writes a Parquet file: the column ``ranks``, a list a user row; the rest as JSON in its metadata.

        Neither ids nor items are in it. The file appears whole or not at all.

        Args:
            path: the file; its directory exists.
        """
        told = {name: getattr(self, name) for name in ("settings", "data", "features", "record")}
        described = told | {"conditions": self.per_user.conditions}
        table = pa.table({"ranks": self.ranks})
        write_atomically(
            path, to_parquet(table.replace_schema_metadata({_METADATA_KEY: json.dumps(described).encode()}))
        )

    @classmethod
    def read(cls, path: Path) -> "TableRun":
        """Reads what `write` wrote.

        Args:
            path: the file.

        Returns:
            The run, with the metrics of every user computed from the ranks.

        Raises:
            DataError: not such a file, or ranks that do not give the metrics that it names.
        """
        try:
            table = from_parquet(path.read_bytes())
            described = json.loads((table.schema.metadata or {})[_METADATA_KEY])
            ranks = table["ranks"].combine_chunks()
            counts = np.diff(ranks.offsets.to_numpy())
            users = np.repeat(np.arange(len(counts)), counts)
            grouped = RankedTargets.of(users, ranks.flatten().to_numpy())
            record, conditions = described["record"], stored_conditions(described["conditions"])
            values = per_user_metrics(grouped, cutoffs=conditions["cutoffs"])
            metrics = UserMetrics(**conditions, users=grouped.users, values=values)
            settings = dict(described["settings"])
            found = cls(settings, described["data"], described["features"], record, metrics, ranks)
            wrong = [
                name
                for name, value in metrics.means.items()
                if name in record["test"] and not math.isclose(value, record["test"][name], rel_tol=1e-9)
            ]
        except (OSError, pa.ArrowException, AttributeError, KeyError, ValueError, TypeError) as error:
            raise _damaged(path, f"an unreadable file ({error})") from error
        if wrong:
            raise _damaged(path, f"ranks that do not give its {', '.join(wrong)}")
        return found


def _recipe(data: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without places; of features from files their names."""
    kept = {name: value for name, value in data.items() if name not in ("directory", "root")}
    files = {name: [one for one, _ in kept[name]] for name in ("item_features", "user_features") if name in kept}
    return kept | files


def _damaged(path: Path, found: str) -> DataError:
    return DataError.at(
        path,
        found=found,
        expected="a finished run, as recgoat table keeps it",
        action="Delete the file, and the table's command makes it again.",
    )


__all__ = ["TableRun"]
