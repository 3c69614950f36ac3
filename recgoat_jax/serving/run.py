"""A finished run, read back from its directory: recommendations by external id, without the model's class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from recgoat_jax.data.dataset import Dataset, Interactions
from recgoat_jax.data.feature_files import file_hash, load_npz
from recgoat_jax.data.storage import read_dataset
from recgoat_jax.encoders.attach import FilesByModality, attach_features
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.evaluation import EvalResult, TopK, top_k, top_k_from_scores
from recgoat_jax.evaluation.ranking import ScoreBlock
from recgoat_jax.files import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    METRICS_FILE,
    PER_USER_FILE,
    RESULT_FILE,
    VECTORS_FILE,
    read_json_lines,
)
from recgoat_jax.serving.lists import PastItem, Recommendation, UserRecommendations
from recgoat_jax.serving.scoring import Scoring, scoring_items

if TYPE_CHECKING:
    from recgoat_jax.models.blend import Blend
    from recgoat_jax.models.ease import Ease
    from recgoat_jax.models.item_knn import ItemKnn

WITHOUT_VECTORS = frozenset({"ContentKnn", "ItemKnn", "Ease", "Blend"})
"""Rankers that are more or other than vectors."""

BLEND = "Blend"
"""That of them which adds up a model and another one."""

RANKERS = frozenset({"ItemKnn", "Ease", BLEND})
"""Those of them that recommend."""

TITLE_COLUMN = "title"
"""Column of the item table that names an item."""


class ServedVectors(NamedTuple):
    """Final vectors of a run; the score of a user and an item is their dot product.

    Attributes:
        users: ``users x dim``, float32.
        items: ``items x dim``, float32.
    """

    users: Float[np.ndarray, "users dim"]
    items: Float[np.ndarray, "items dim"]


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. What is large is read on first use.

    Attributes:
        directory: the run directory.
        config: content of ``config.json``.
        result: content of ``result.json``.
        data: prepared data set to use in place of the one that the config names; None: the config's.
    """

    directory: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    data: Path | None = None

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return str(self.result["name"])

    @cached_property
    def dataset(self) -> Dataset:
        """The prepared data that the run was trained on.

        Raises:
            DataError: the directory is gone, or holds other data than the run was trained on.
        """
        directory = self.data or Path(str(self.config["dataset_directory"]))
        if not directory.is_dir():
            raise DataError.at(
                directory,
                found="no such directory",
                expected=f"the prepared data of run {self.directory}",
                action="If it was moved, name its new place: --data DIR, or load_run(path, data=DIR).",
            )
        dataset = read_dataset(directory)
        if dataset.manifest.hash != self.result["dataset"]:
            raise DataError.at(
                directory,
                found=f"data '{dataset.manifest.name}' with hash {dataset.manifest.hash[:12]}",
                expected=f"hash {str(self.result['dataset'])[:12]}, on which run {self.directory} was trained",
                action="Name the directory of that data: --data DIR, or load_run(path, data=DIR).",
            )
        return dataset

    @cached_property
    def dataset_with_features(self) -> Dataset:
        """The prepared data with the features that the run took from files; lists by vectors do not need them.

        Raises:
            DataError: as for `dataset` and `feature_files`.
        """
        files = self.feature_files
        attached = attach_features(self.dataset, item_features=files["item"], user_features=files["user"])
        return attached.dataset

    @cached_property
    def feature_files(self) -> Mapping[str, FilesByModality]:
        """Files that the run took features from: ``"item"`` and ``"user"`` to pairs of a modality and a file.

        Raises:
            DataError: a file is gone, or holds something else than it held for the run.
        """
        files: dict[str, str] = self.config.get("feature_files", {})
        pairs: dict[str, list[tuple[str, Path]]] = {"item": [], "user": []}
        for key, file in files.items():
            kind, _, name = key.partition("/")
            path = Path(file)
            stored = str(self.config["features"][key]["sha256"])
            if not path.is_file() or file_hash(path) != stored:
                raise DataError.at(
                    path,
                    found="another file" if path.is_file() else "no such file",
                    expected=f"the features '{name}' with SHA-256 {stored[:12]}, on which run {self.directory} trained",
                    action="Put the file back in its place.",
                )
            pairs[kind].append((name, path))
        return {kind: tuple(found) for kind, found in pairs.items()}

    @cached_property
    def vectors(self) -> ServedVectors:
        """Final vectors, from ``vectors.npz``.

        Raises:
            UsageError: a run that has none, of content kNN, item kNN, EASE, or a blend.
            DataError: the file is missing, damaged, or does not fit the data.
        """
        if self.result["model"] in WITHOUT_VECTORS:
            raise UsageError(
                f"{self.directory}: found a run of {self.result['model']}, which scores by other or more than vectors; "
                "expected a run of a trained model. Its figures are in result.json, and recgoat compare reads them."
            )
        return self._stored_vectors()

    def _stored_vectors(self) -> ServedVectors:
        """`vectors`; of a blend those of its model."""
        path = self.directory / VECTORS_FILE
        action = "Train the run again: delete result.json and start the same command."
        expected = f"float32 arrays 'users' with {self.dataset.num_users} rows, 'items' with {self.dataset.num_items}"
        arrays = load_npz(path, names=("users", "items"))
        vectors = ServedVectors(arrays["users"], arrays["items"])
        shapes = f"shapes {vectors.users.shape} and {vectors.items.shape}"
        rows = tuple(len(side) for side in vectors)
        if (
            rows != (self.dataset.num_users, self.dataset.num_items)
            or vectors.users.shape[1:] != vectors.items.shape[1:]
        ):
            raise DataError.at(path, found=shapes, expected=expected, action=action)
        if not all(np.isfinite(side).all() for side in vectors):
            raise DataError.at(path, found="values that are not finite", expected=expected, action=action)
        return vectors

    @cached_property
    def hardware(self) -> str | None:
        """Cores, devices and the versions that its figures depend on; None where the run does not say."""
        found = self._environment
        if not found:
            return None
        devices = ", ".join(f"{number} x {device}" for device, number in found["devices"].items())
        cores = f"{found['cpus']} cores" + (f" ({kind})" if (kind := found.get("processor")) else "")
        return f"{cores}, {devices}, JAX {found['packages']['jax']}, Python {found['python']}"

    @property
    def modified(self) -> bool | None:
        """Whether tracked files of the library differed from its commit; None where the run does not say."""
        return self._environment.get("modified")

    @cached_property
    def _environment(self) -> dict[str, Any]:
        path = self.directory / ENVIRONMENT_FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @cached_property
    def per_user(self) -> EvalResult:
        """Test metrics of every user, from ``per_user.parquet``."""
        return EvalResult.read_parquet(self.directory / PER_USER_FILE)

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """Records of ``metrics.jsonl``, in order; a last line that a kill cut short is left out."""
        return read_json_lines(self.directory / METRICS_FILE)

    def recommend(
        self,
        users: Sequence[str],
        *,
        k: int = 10,
        exclude_seen: bool = True,
        exclude: Sequence[str] = (),
        scoring: Scoring = "dot",
    ) -> list[UserRecommendations]:
        """The k best items of some users, ranked over the whole catalogue.

        Args:
            users: external ids; one may come twice.
            k: items a user, 1 to the size of the catalogue.
            exclude_seen: leaves out every item that the user has in the prepared data, validation and test pairs
                included: to the user all three are the past. (Evaluation ranks held-out items, of course.)
            exclude: external ids of items that nobody is to get.
            scoring: how items score; by direction alone, new and rare items come to the front.

        Returns:
            One list a user, in the order given. A list is shorter than k where exclusion leaves fewer items.

        Raises:
            UsageError: an unknown user or item id, k out of range, or items that are to score by direction where they
                do not score by vectors alone.
            DataError: data or vectors of the run are missing or have changed.
        """
        dataset = self.dataset
        rows = dataset.users.rows(users)
        excluded = [dataset.train, dataset.valid, dataset.test] if exclude_seen else []
        if self.result["model"] not in RANKERS:
            return self.lists(users, self.vectors.users, rows, k=k, excluded=excluded, exclude=exclude, scoring=scoring)
        self._check_scoring(scoring)
        return self._lists_by_scores(
            users, self._ranker, rows, num_users=dataset.num_users, k=k, excluded=excluded, exclude=exclude
        )

    def recommend_histories(
        self,
        histories: Sequence[Sequence[str]],
        *,
        k: int = 10,
        exclude_seen: bool = True,
        exclude: Sequence[str] = (),
        scoring: Scoring = "dot",
    ) -> list[UserRecommendations]:
        """`recommend` for people who are no users of the data, by the items that they have.

        Args:
            histories: external ids of the items of each; an item that comes twice counts once.
            k: items a user, 1 to the size of the catalogue.
            exclude_seen: leaves out the items of the history.
            exclude: external ids of items that nobody is to get.
            scoring: how items score.

        Returns:
            One list a history, in order, of users named ``"new user 1"`` and so on.

        Raises:
            UsageError: an unknown item, k out of range, a history of which the run knows nothing, another scoring than
                "dot" of a run that scores by more or other than vectors, or a run that serves no newcomers: all but
                RecGOAT and LightGCN, alone or in a blend, EASE and item kNN.
            DataError: data, features or checkpoints of the run, or of the model of a blend, are missing or have
                changed.
        """
        # The models' libraries take seconds to load, and lists by vectors need none of them.
        if self.result["model"] not in RANKERS:
            from recgoat_jax.serving.cold_start import ColdStart

            return ColdStart(self).recommend(
                histories, k=k, exclude_seen=exclude_seen, exclude=exclude, scoring=scoring
            )
        self._check_scoring(scoring)
        from recgoat_jax.models.histories import history_matrix
        from recgoat_jax.serving.newcomers import history_pairs, newcomer_names

        dataset, count = self.dataset, len(histories)
        pairs = history_pairs(dataset, histories)
        matrix = history_matrix(pairs, num_users=count, num_items=dataset.num_items)

        def remembered(rows: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
            return self._memory.of_histories(matrix[rows])

        def remembered_of_all(rows: Int[np.ndarray, " batch"]) -> Float[np.ndarray, "batch items"]:
            found = remembered(rows)
            nothing = ~found.any(axis=1)
            if nothing.any():
                raise UsageError(
                    f"user {rows[nothing.argmax()] + 1} of {count}: found no item that {self.result['model']} knows "
                    "others to; expected one. Leave the user out, or recommend what is popular."
                )
            return found

        scores: ScoreBlock = remembered_of_all
        if self.result["model"] == BLEND:
            from recgoat_jax.serving.cold_start import ColdStart
            from recgoat_jax.serving.rankers import model_of_blend

            newcomers = ColdStart(model_of_blend(self, self._stored_vectors())).user_vectors(histories)
            scores = self._blend.of_others(newcomers, remembered)
        return self._lists_by_scores(
            newcomer_names(count),
            scores,
            np.arange(count),
            num_users=count,
            k=k,
            excluded=[pairs] if exclude_seen else [],
            exclude=exclude,
        )

    def _lists_by_scores(
        self,
        names: Sequence[str],
        scores: ScoreBlock,
        rows: Int[np.ndarray, " users"],
        *,
        num_users: int,
        k: int,
        excluded: Sequence[Interactions],
        exclude: Sequence[str],
    ) -> list[UserRecommendations]:
        """`lists` of what scores by more or other than vectors."""
        found = top_k_from_scores(
            scores,
            rows,
            num_users=num_users,
            num_items=self.dataset.num_items,
            k=k,
            excluded=excluded,
            excluded_items=self.dataset.items.rows(exclude),
        )
        return self._named(names, found)

    @cached_property
    def _memory(self) -> "Ease | ItemKnn":
        """What remembers pairs of items, made again from the data by the settings that validation chose."""
        from recgoat_jax.serving.rankers import memory_of

        return memory_of(self)

    @cached_property
    def _ranker(self) -> ScoreBlock:
        """Scores that are not those of vectors."""
        return self._blend if self.result["model"] == BLEND else self._memory

    @cached_property
    def _blend(self) -> "Blend":
        from recgoat_jax.models.blend import Blend

        return Blend(self._stored_vectors(), self._memory, weight=float(self.config["chosen"]["weight"]))

    def _check_scoring(self, scoring: Scoring) -> None:
        if scoring != "dot":
            raise UsageError(
                f"{self.directory}: found a run of {self.result['model']} and the scoring '{scoring}'; expected 'dot', "
                "since its items have more or other than vectors. The run of a model alone takes any."
            )

    def lists(
        self,
        names: Sequence[str],
        vectors: Float[np.ndarray, "rows dim"],
        rows: Int[np.ndarray, " users"],
        *,
        k: int,
        excluded: Sequence[Interactions],
        exclude: Sequence[str],
        scoring: Scoring = "dot",
    ) -> list[UserRecommendations]:
        """The k best items of rows of user vectors, whoever these are.

        Args:
            names: of the users.
            vectors: user vectors.
            rows: the row of each user.
            k: items a user.
            excluded: pairs of such a row and an item that are left out.
            exclude: external ids of items that nobody is to get.
            scoring: how items score.

        Returns:
            One list a user, in order.

        Raises:
            UsageError: k out of range, or an unknown item id.
        """
        dataset = self.dataset
        if not 1 <= k <= dataset.num_items:
            raise UsageError(f"k = {k}; expected 1 to {dataset.num_items}, the number of items in the catalogue.")
        found = top_k(
            ServedVectors(vectors, scoring_items(self.vectors.items, scoring, trained=dataset.item_counts > 0)),
            rows,
            k=k,
            excluded=excluded,
            excluded_items=dataset.items.rows(exclude),
        )
        return self._named(names, found)

    def _named(self, names: Sequence[str], found: TopK) -> list[UserRecommendations]:
        """Lists with external ids and titles."""
        lists = []
        for user, items, scores in zip(names, found.items.tolist(), found.scores.tolist(), strict=True):
            kept = [
                Recommendation(self.dataset.items.ids[item], score, self._titles.get(item))
                for item, score in zip(items, scores, strict=True)
                if item >= 0
            ]
            lists.append(UserRecommendations(user, tuple(kept)))
        return lists

    def past(self, user: str) -> list[PastItem]:
        """What a user has in the prepared data, in all splits: what `recommend` leaves out as seen.

        Args:
            user: external id.

        Returns:
            The newest first where the data has times, else in the order of the item rows.

        Raises:
            UsageError: an unknown user.
            DataError: the data is gone or has changed.
        """
        dataset = self.dataset
        row = int(dataset.users.rows([user])[0])
        found: list[tuple[int, PastItem]] = []
        for pairs in (dataset.train, dataset.valid, dataset.test):
            start, end = np.searchsorted(pairs.users, [row, row + 1]).tolist()  # sorted by user
            for place in range(start, end):
                item = int(pairs.items[place])
                rating = None if pairs.ratings is None else float(pairs.ratings[place])
                time = item if pairs.timestamps is None else -int(pairs.timestamps[place])
                found.append((time, PastItem(dataset.items.ids[item], self._titles.get(item), rating)))
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    @cached_property
    def _titles(self) -> dict[int, str]:
        """Item row to title, where there is one."""
        table = self.dataset.item_table
        if table is None or TITLE_COLUMN not in table.column_names:
            return {}
        return {row: title for row, title in enumerate(table[TITLE_COLUMN].to_pylist()) if title}


def load_run(path: Path | str, *, data: Path | str | None = None) -> Run:
    """Opens a finished run.

    Args:
        path: the run directory.
        data: prepared data set to use in place of the one that the run's config names, where that was moved.

    Returns:
        The run; data, vectors and logs are read when they are used.

    Raises:
        DataError: no run directory, or one without a result.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise DataError.at(
            directory, found="no such directory", expected="a run directory", action="Train first: recgoat train ..."
        )
    return Run(
        directory,
        config=_read_json(directory / CONFIG_FILE, needs="dataset_directory"),
        result=_read_json(directory / RESULT_FILE, needs="dataset"),
        data=None if data is None else Path(data),
    )


def _read_json(path: Path, *, needs: str) -> dict[str, Any]:
    expected = f"JSON of a finished run with a field '{needs}'"
    if not path.is_file():
        raise DataError.at(
            path,
            found="no file",
            expected=expected,
            action="Is this a run directory, and has the run finished? The same train command goes on with it.",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if needs in content:
            return content
        found = f"fields {', '.join(content)}"
    except (ValueError, TypeError) as error:
        found = f"no JSON ({error})"
    raise DataError.at(path, found=found, expected=expected, action="The run is damaged; train it again.")


__all__ = ["Run", "ServedVectors", "load_run"]
