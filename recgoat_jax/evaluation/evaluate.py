"""Evaluation of one split: ranks, metrics of every user, their means, and what they may be compared with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from recgoat_jax.data.dataset import Dataset, Interactions, SplitName
from recgoat_jax.data.serialize import to_parquet
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation.metrics import (
    METRIC_NAMES,
    MetricName,
    RankedTargets,
    beyond_accuracy,
    check_cutoffs,
    per_user_metrics,
)
from recgoat_jax.evaluation.ranking import (
    RankingPlan,
    ScoreBlock,
    VectorPair,
    prepare_ranking,
    ranks,
    ranks_from_scores,
)
from recgoat_jax.evaluation.top_k import top_k
from recgoat_jax.files import write_atomically
from recgoat_jax.graphs.placement import Placement

ExcludedSplit = Literal["train", "valid"]
"""Splits whose items may be taken out of the candidates."""

CUTOFFS = (5, 10, 20, 50)
"""Cut-offs of the published tables."""

_METADATA_KEY = b"recgoat"


@dataclass(frozen=True, eq=False)
class UserMetrics:
    """Metrics of every evaluated user, and the circumstances that a comparison has to share.

    Attributes:
        dataset_name: name of the data set.
        dataset_hash: hash of its contents.
        protocol: split protocol.
        split: the split that was ranked.
        excluded: splits whose items were no candidates.
        cutoffs: cut-offs of the metrics.
        users: ``users``, user rows: all with held-out items and at least one training item, ascending.
        values: ``{"recall@10": values, ...}``, float64 values aligned with `users`.
    """

    dataset_name: str
    dataset_hash: str
    protocol: str
    split: str
    excluded: tuple[str, ...]
    cutoffs: tuple[int, ...]
    users: Int[np.ndarray, " users"]
    values: Mapping[str, Float[np.ndarray, " users"]]

    @property
    def conditions(self) -> dict[str, Any]:
        """The circumstances, as arguments of the class; as JSON values, `stored_conditions` reads them back."""
        return {name: getattr(self, name) for name in _CONDITIONS}

    @cached_property
    def means(self) -> dict[str, float]:
        """Means over users, unrounded: ``{"recall@10": ...}``."""
        return {name: float(np.mean(values)) for name, values in self.values.items()}


@dataclass(frozen=True, eq=False)
class EvalResult(UserMetrics):
    """What an evaluation finds: `UserMetrics`, and the ranks that they come from.

    Attributes:
        user_ids: external ids of the users.
        targets: the held-out pairs of these users, sorted by user, then item.
        ranks: ``pairs``, the 0-based rank of each held-out pair.
        beyond: coverage, Gini and novelty at each cut-off, ``{"coverage@10": ...}``; empty unless asked for.
    """

    user_ids: tuple[str, ...]
    targets: Interactions
    ranks: Int[np.ndarray, " pairs"]
    beyond: Mapping[str, float] = field(default_factory=dict)

    def write_parquet(self, path: Path) -> None:
        """Writes one row a user: ``user`` (external id), ``user_row``, one column a metric, ``items``, ``ranks``.

        ``items`` and ``ranks`` are lists: the held-out item rows of the user and their ranks. Protocol, hash and the
        rest stand in the metadata of the file, as JSON. The file appears whole or not at all.

        Args:
            path: the file; its directory exists.
        """
        bounds = np.searchsorted(self.targets.users, self.users)
        offsets = pa.array(np.append(bounds, len(self.targets)), pa.int32())
        table = pa.table(
            {
                "user": pa.array(self.user_ids, pa.string()),
                "user_row": pa.array(self.users, pa.int32()),
                **{name: pa.array(values, pa.float64()) for name, values in self.values.items()},
                "items": pa.ListArray.from_arrays(offsets, pa.array(self.targets.items, pa.int32())),
                "ranks": pa.ListArray.from_arrays(offsets, pa.array(self.ranks, pa.int32())),
            }
        )
        described = self.conditions | {"beyond": self.beyond}
        table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(described).encode()})
        write_atomically(path, to_parquet(table))

    @classmethod
    def read_parquet(cls, path: Path) -> "EvalResult":
        """Reads what `write_parquet` wrote.

        Args:
            path: the file.

        Returns:
            The result, equal to the one written.

        Raises:
            DataError: no such file, or not one that `write_parquet` wrote.
        """
        action = "Evaluate the run again: recgoat evaluate RUN --per-user FILE."
        if not path.is_file():
            raise DataError.at(path, found="no file", expected="per-user metrics of a finished run", action=action)
        try:
            table = pq.read_table(path)
            described = json.loads((table.schema.metadata or {})[_METADATA_KEY])
            users = table["user_row"].to_numpy()
            lists = table["items"].combine_chunks()
            counts = np.diff(lists.offsets.to_numpy())
            return cls(
                **stored_conditions(described),
                beyond=described["beyond"],
                users=users,
                user_ids=tuple(table["user"].to_pylist()),
                values={
                    name: table[name].to_numpy()
                    for name in table.column_names
                    if name not in ("user", "user_row", "items", "ranks")
                },
                targets=Interactions(np.repeat(users, counts), lists.flatten().to_numpy()),
                ranks=table["ranks"].combine_chunks().flatten().to_numpy(),
            )
        except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
            raise DataError.at(
                path, found=f"an unreadable file ({error})", expected="per-user metrics of a run", action=action
            ) from error


_CONDITIONS = ("dataset_name", "dataset_hash", "protocol", "split", "excluded", "cutoffs")


def stored_conditions(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`UserMetrics.conditions` out of JSON values that hold them among others.

    Raises:
        KeyError: one is missing.
    """
    return {name: tuple(value) if isinstance(value := stored[name], list) else value for name in _CONDITIONS}


class Evaluator:
    """Full-ranking evaluation of one split, prepared once and called at every validation.

    At test, training items are no candidates and validation items are: the published protocol. With
    ``exclude=("train", "valid")`` validation items are left out of the test ranking as well.

    Args:
        dataset: prepared data.
        split: the split to rank, ``"valid"`` or ``"test"`` (``"train"`` with ``exclude=()`` shows the fit).
        cutoffs: cut-offs of the metrics.
        metrics: which metrics.
        exclude: splits whose items are no candidates.
        users: rows of the users that are ranked, such as a sample; None: all.
        block_size: users scored at once; default: by the size of the catalogue.
        placement: where users and items are on a mesh, whose devices then share the work; None: all on one device.
            The result is the same.

    Raises:
        DataError: the split is empty, or no user of it (that is asked for) has a training item.
        UsageError: a cut-off below 1, a split that excludes itself, or a placement of another data set.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: SplitName,
        *,
        cutoffs: Sequence[int] = CUTOFFS,
        metrics: Sequence[MetricName] = METRIC_NAMES,
        exclude: Sequence[ExcludedSplit] = ("train",),
        users: Int[np.ndarray, " rows"] | None = None,
        block_size: int | None = None,
        placement: Placement | None = None,
    ) -> None:
        check_cutoffs(cutoffs)
        if split in exclude:
            raise UsageError(f"split '{split}' excludes itself; expected other splits in exclude.")
        self.dataset, self.split, self.exclude = dataset, split, tuple(exclude)
        self.cutoffs, self.metrics = tuple(cutoffs), tuple(metrics)
        pairs = dataset.split(split)
        known = dataset.user_counts[pairs.users] > 0
        if users is not None:
            known &= np.isin(pairs.users, users)
        targets = Interactions(pairs.users[known], pairs.items[known])
        if len(targets) == 0:
            raise DataError(
                f"split '{split}' of data set '{dataset.manifest.name}': found {len(pairs)} pairs, none of a user with "
                "training items; expected at least one. Evaluate another split, or prepare with another protocol."
            )
        self.plan: RankingPlan = prepare_ranking(
            targets,
            num_users=dataset.num_users,
            num_items=dataset.num_items,
            excluded=[dataset.split(name) for name in self.exclude],
            block_size=block_size,
            placement=placement,
        )

    def __call__(self, vectors: VectorPair, *, with_beyond_accuracy: bool = False) -> EvalResult:
        """Evaluates a model of user and item vectors.

        Args:
            vectors: user vectors ``users x dim`` and item vectors ``items x dim``; with a placement as `ranking.ranks`
                takes them, in mesh order.
            with_beyond_accuracy: adds coverage, Gini and novelty, at the price of top-k lists. Over a mesh every
                process gathers the vectors and makes all lists on one of its devices: for a test, not for validation.

        Returns:
            The result.

        Raises:
            RunStoppedError: vectors that are not finite.
            UsageError: vectors that do not match the data set, or its placement, in rows or width.
        """
        beyond = self._beyond_accuracy(vectors) if with_beyond_accuracy else {}
        return self._result(ranks(self.plan, vectors), beyond)

    def from_scores(self, score_block: ScoreBlock) -> EvalResult:
        """Evaluates any function from user rows to scores of all items; see `ranking.ranks_from_scores`."""
        return self._result(ranks_from_scores(self.plan, score_block), {})

    def _result(self, found: Int[np.ndarray, " pairs"], beyond: Mapping[str, float]) -> EvalResult:
        targets, manifest = self.plan.targets, self.dataset.manifest
        grouped = RankedTargets.of(targets.users, found)
        return EvalResult(
            dataset_name=manifest.name,
            dataset_hash=manifest.hash,
            protocol=manifest.protocol,
            split=self.split,
            excluded=self.exclude,
            cutoffs=self.cutoffs,
            users=grouped.users,
            user_ids=self._user_ids,
            values=per_user_metrics(grouped, cutoffs=self.cutoffs, metrics=self.metrics),
            targets=targets,
            ranks=found,
            beyond=beyond,
        )

    @cached_property
    def _user_ids(self) -> tuple[str, ...]:
        return tuple(self.dataset.users.ids[row] for row in np.unique(self.plan.targets.users))

    def _beyond_accuracy(self, vectors: VectorPair) -> dict[str, float]:
        dataset, placement = self.dataset, self.plan.placement
        lists = top_k(
            vectors if placement is None else _on_host(vectors, placement),
            np.unique(self.plan.targets.users),
            k=min(max(self.cutoffs), dataset.num_items),
            excluded=[dataset.split(name) for name in self.exclude],
        ).items
        return {
            f"{name}@{k}": value
            for k in self.cutoffs
            for name, value in beyond_accuracy(lists[:, :k], dataset.item_counts, num_users=dataset.num_users).items()
        }


def _on_host(vectors: VectorPair, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in the order of their vocabularies, gathered by all processes."""
    gathered = jax.jit(lambda x: x, out_shardings=placement.sharding())
    users, items = (np.asarray(gathered(side)) for side in vectors)
    return users[placement.users.place], items[placement.items.place]


def evaluate(
    vectors: VectorPair,
    dataset: Dataset,
    split: SplitName,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    metrics: Sequence[MetricName] = METRIC_NAMES,
    exclude: Sequence[ExcludedSplit] = ("train",),
    with_beyond_accuracy: bool = False,
) -> EvalResult:
    """Evaluates user and item vectors once; arguments, result and errors as of `Evaluator`."""
    evaluator = Evaluator(dataset, split, cutoffs=cutoffs, metrics=metrics, exclude=exclude)
    return evaluator(vectors, with_beyond_accuracy=with_beyond_accuracy)


__all__ = ["CUTOFFS", "EvalResult", "Evaluator", "ExcludedSplit", "UserMetrics", "evaluate", "stored_conditions"]
