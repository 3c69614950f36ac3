"""Feature files beside a prepared data set: read, matched by id, told in the config of a run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from recgoat_jax.data.align import check_names
from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_card import Kind
from recgoat_jax.data.feature_files import file_hash, read_features
from recgoat_jax.data.feature_match import match_features
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.errors import UsageError

FilesByModality = tuple[tuple[str, Path], ...]
"""Pairs of the name of a modality and a feature file."""


class AttachedFeatures(NamedTuple):
    """A data set with features from files.

    Attributes:
        dataset: the data set. Its hash stays that of the prepared directory: users, items and splits are the same, so
            runs with and without the features may be compared.
        identity: what the files hold, by ``"item/text"``: encoder, revision, width and SHA-256. Two runs with other
            features differ here.
        files: absolute path of each file.
        notes: what the user should know of them.
    """

    dataset: Dataset
    identity: Mapping[str, Mapping[str, object]]
    files: Mapping[str, str]
    notes: tuple[str, ...]


def attach_features(
    dataset: Dataset, *, item_features: FilesByModality = (), user_features: FilesByModality = ()
) -> AttachedFeatures:
    """Adds features from files to a data set, in place of those of the same name.

    Args:
        dataset: prepared data.
        item_features: modality and file of each.
        user_features: the same for users.

    Returns:
        The data set and what is to be told of the files.

    Raises:
        UsageError: one name twice.
        DataError: a file that cannot be read or does not belong to the data set, see
            `recgoat_jax.data.feature_match.match_features`.
    """
    tables: dict[Kind, dict[str, FeatureTable]] = {"item": {}, "user": {}}
    identity: dict[str, Mapping[str, object]] = {}
    files: dict[str, str] = {}
    notes: list[str] = []
    pairs: list[tuple[Kind, str, Path]] = [
        *(("item", name, path) for name, path in item_features),
        *(("user", name, path) for name, path in user_features),
    ]
    for kind, name, path in pairs:
        check_names({name: path})
        if name in tables[kind]:
            raise UsageError(f"{kind} features '{name}' were given twice; expected each name once. Rename one of them.")
        table, note = match_features(read_features(path), dataset, kind=kind, name=name)
        tables[kind][name] = table
        files[f"{kind}/{name}"] = str(path.resolve())
        identity[f"{kind}/{name}"] = {
            "encoder": table.encoder,
            "revision": table.revision,
            "dim": table.dim,
            "sha256": file_hash(path),
        }
        notes += [note] if note else []
    grown = replace(
        dataset,
        item_features={**dataset.item_features, **tables["item"]},
        user_features={**dataset.user_features, **tables["user"]},
    )
    return AttachedFeatures(grown, identity, files, tuple(notes))


__all__ = ["AttachedFeatures", "FilesByModality", "attach_features"]
