"""Vectors of items and users that came after training, by the trained model of a run; nothing is trained.

A new item has features alone: its neighbours are the nearest trained items, their mean stands in the place of its
collaborative vector, and its features go through the trained branches and the trained transport. A new user has a
history, a profile, or both: the history goes through the trained graph layers, the profile through the user branch.
Newcomers receive over graphs and give nothing, so all other vectors stay as they are.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from recgoat_jax.data.dataset import Dataset, Interactions
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.models.light_gcn import LightGcnConfig
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.serving.lists import UserRecommendations
from recgoat_jax.serving.newcomers import Newcomers, history_pairs, newcomer_names, with_items, with_users
from recgoat_jax.serving.run import WITHOUT_VECTORS, Run, ServedVectors
from recgoat_jax.serving.scoring import Scoring
from recgoat_jax.serving.trained import best_parameters, model_config, starting_model

_NO_FEATURES: Mapping[str, FeatureTable] = {}


class ColdStart:
    """Serves newcomers with the model of a finished run.

    The data and its features are read again, the best parameters from the run's checkpoints.

    Args:
        run: a finished run of RecGOAT, or of LightGCN for users alone.
        checkpoints: where its checkpoints lie; None: in the run directory.

    Raises:
        UsageError: a run of a model that has no vectors for newcomers.
        DataError: the checkpoints are gone; or as for `Run.dataset_with_features`.
    """

    def __init__(self, run: Run, *, checkpoints: Path | None = None) -> None:
        blended = run.result["model"] in WITHOUT_VECTORS
        config = None if blended else model_config(run)
        if not isinstance(config, RecGoatConfig | LightGcnConfig):
            raise UsageError(
                f"{run.directory}: found a run of {run.result['model']}; expected one of RecGoat, or of LightGcn for "
                "users with a history. Other models have none for newcomers, nor have their blends. EASE, item kNN, "
                "and blends of RecGoat or LightGcn score histories: Run.recommend_histories."
            )
        self.run, self._config, self._checkpoints = run, config, checkpoints

    def item_vectors(self, features: Mapping[str, FeatureTable]) -> Float[np.ndarray, "items dim"]:
        """Vectors of new items.

        Args:
            features: modality to features of the new items, rows in the same order; a modality that is left out, or
                whose row is missing, is missing for the item.

        Returns:
            One row an item; the score with a row of ``run.vectors.users`` is the dot product. An item without any
            modality has a row of zeros.

        Raises:
            UsageError: the run has no modality, or none of this name.
            DataError: features of another width or encoder than those of the run.
        """
        if not isinstance(self._config, RecGoatConfig):
            raise UsageError(f"{self.run.directory}: found a run without features of items; expected a run of RecGoat.")
        dataset = self._dataset
        used = dataset.item_features if self._config.modalities is None else self._config.modalities
        known = sorted({*dataset.item_features} & {*used})
        if not known:
            raise UsageError(f"{self.run.directory}: found a run without modalities; expected one that reads features.")
        count = _check(features, dataset.item_features, known=known, kind="item")
        return self._vectors(with_items(dataset, features, count, self._cold_items)).items[dataset.num_items :]

    def user_vectors(
        self, histories: Sequence[Sequence[str]], *, profiles: Mapping[str, FeatureTable] = _NO_FEATURES
    ) -> Float[np.ndarray, "users dim"]:
        """Vectors of new users.

        Args:
            histories: external ids of the items of each user; empty where there is a profile.
            profiles: name to user features, rows in the order of the histories.

        Returns:
            One row a user; the score with a row of ``run.vectors.items`` is the dot product.

        Raises:
            UsageError: an unknown item, a user with neither a history that training knows nor a profile, profiles for
                a run without a user branch, or a run whose rating weights are learned.
            DataError: profiles of another width or encoder than those of the run.
        """
        return self._vectors_of_users(history_pairs(self._dataset, histories), len(histories), profiles)

    def _vectors_of_users(
        self, histories: Interactions, count: int, profiles: Mapping[str, FeatureTable]
    ) -> Float[np.ndarray, "users dim"]:
        dataset = self._dataset
        if profiles:
            used = isinstance(self._config, RecGoatConfig) and self._config.user_branch != "none"
            known = sorted(dataset.user_features) if used else []
            if _check(profiles, dataset.user_features, known=known, kind="user") != count:
                raise UsageError(f"{count} histories and profiles of another number of users; expected as many.")
        read = np.any([table.present for table in profiles.values()], axis=0) if profiles else np.zeros(count, bool)
        trained = np.bincount(histories.users[dataset.item_counts[histories.items] > 0], minlength=count)
        nothing = ~read & (trained == 0)
        if nothing.any():
            row = int(nothing.argmax())
            raise UsageError(
                f"user {row + 1} of {count}: found {np.sum(histories.users == row)} items, none with a training pair, "
                "and no profile; expected one of the two. Leave the user out, or recommend what is popular."
            )
        made = self._vectors(with_users(dataset, histories, count, profiles, self._cold_items))
        return made.users[dataset.num_users :]

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        *,
        k: int = 10,
        exclude_seen: bool = True,
        exclude: Sequence[str] = (),
        scoring: Scoring = "dot",
        profiles: Mapping[str, FeatureTable] = _NO_FEATURES,
    ) -> list[UserRecommendations]:
        """The k best items of new users, who are named ``"new user 1"`` and so on.

        Args:
            histories: external ids of the items of each user.
            k: items a user.
            exclude_seen: leaves out the items of the history.
            exclude: external ids of items that nobody is to get.
            scoring: how items score.
            profiles: as in `user_vectors`.

        Returns:
            One list a user, in order.

        Raises:
            UsageError: as in `user_vectors`; k out of range.
        """
        count, seen = len(histories), history_pairs(self._dataset, histories)
        return self.run.lists(
            newcomer_names(count),
            self._vectors_of_users(seen, count, profiles),
            np.arange(count),
            k=k,
            excluded=[seen] if exclude_seen else [],
            exclude=exclude,
            scoring=scoring,
        )

    @cached_property
    def _dataset(self) -> Dataset:
        return self.run.dataset_with_features

    @property
    def _cold_items(self) -> Bool[np.ndarray, " items"]:
        """The items of training data that the model was trained to treat as newcomers."""
        told_apart = isinstance(self._config, RecGoatConfig) and self._config.cold_items != "table"
        return (self._dataset.item_counts == 0) & told_apart

    @cached_property
    def _params(self) -> nnx.State:
        """The parameters that gave the result of the run."""
        return best_parameters(self.run, starting_model(self.run, self._dataset), checkpoints=self._checkpoints)

    def _vectors(self, extended: Newcomers) -> ServedVectors:
        model = starting_model(self.run, extended.dataset, untrained=extended.untrained)
        definition, empty, rest = nnx.split(model, nnx.Param, ...)

        def grown(trained: jax.Array, like: jax.Array) -> np.ndarray:
            """A row of zeros for each newcomer."""
            return np.pad(np.asarray(trained), [(0, b - a) for a, b in zip(trained.shape, like.shape, strict=True)])

        params: Any = jax.tree.map(grown, self._params, empty)
        found = jax.jit(lambda params, rest: nnx.merge(definition, params, rest).vectors())(params, rest)
        return ServedVectors(np.asarray(found.users), np.asarray(found.items))


def _check(
    given: Mapping[str, FeatureTable], trained: Mapping[str, FeatureTable], *, known: Sequence[str], kind: str
) -> int:
    """How many rows the tables have, after the checks that the public methods promise."""
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(
            f"{kind} features '{unknown[0]}' are none that the run was trained on; expected {list(known)}."
        )
    if len(counts := {table.num_rows for table in given.values()}) != 1:
        raise UsageError(f"{kind} features with {sorted(counts)} rows; expected one or more tables with as many rows.")
    for name, table in given.items():
        like = trained[name]
        if (table.dim, table.encoder) != (like.dim, like.encoder):
            raise DataError.at(
                f"{kind} features '{name}'",
                found=f"{table.dim} columns by '{table.encoder}'",
                expected=f"{like.dim} columns by '{like.encoder}', on which the run was trained",
                action="Make them with the same encoder and settings.",
            )
    return counts.pop()


__all__ = ["ColdStart"]
