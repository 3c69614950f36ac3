"""What came with external ids, put in the order of a vocabulary: features and neighbour lists."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from recgoat_jax.data.dataset import NeighborList
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.schema import RawFeatures, RawNeighbors
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.errors import DataError


def align_features(raw: RawFeatures, vocabulary: Vocabulary, *, name: str) -> tuple[FeatureTable, dict[str, int]]:
    """Features in the order of a vocabulary, with a mask.

    Args:
        raw: features, one row an external id.
        vocabulary: the ids to align with.
        name: of the modality, for messages and counts.

    Returns:
        The table (an id without a feature, or with a row of NaN, is not ``present``) and counts: ``NAME.present``,
        ``NAME.unknown_ids`` (features of ids outside the vocabulary, left out), ``NAME.zero_rows`` (present rows of
        zeros only: data, but worth a look, since a missing row should be NaN).

    Raises:
        DataError: a row count that is not the number of ids, a repeated id, a row partly NaN or infinite, no id in
            the vocabulary, values that are zero everywhere.
    """
    where = f"features '{name}' ({raw.encoder})"
    if raw.values.ndim != 2 or len(raw.values) != len(raw.ids):
        raise DataError.at(
            where,
            found=f"values of shape {raw.values.shape} for {len(raw.ids)} ids",
            expected="one row of values an id",
            action="Write ids and features from the same list.",
        )
    if len(set(raw.ids)) != len(raw.ids):
        raise DataError.at(where, found="an id twice", expected="each id once", action="Remove one of the two rows.")
    rows = _rows(vocabulary, raw.ids)
    known = np.flatnonzero(rows >= 0)
    if not known.size:
        raise DataError.at(
            where,
            found=f"no id of the data set among {len(raw.ids)} (such as {raw.ids[:1]})",
            expected=f"{vocabulary.kind} ids such as {vocabulary.ids[:3]}",
            action="Give the features the ids that the interactions use.",
        )
    picked = raw.values[known].astype(np.float32)
    present = ~np.isnan(picked).all(axis=1) if raw.present is None else raw.present[known]
    broken = np.flatnonzero(present & ~np.isfinite(picked).all(axis=1))
    if broken.size:
        raise DataError.at(
            where,
            row=None,
            found=f"NaN or infinity for the {vocabulary.kind} {raw.ids[known[broken[0]]]!r} ({broken.size} rows)",
            expected="finite float32 numbers, or a row of NaN only for a missing one",
            action="Mend the row, or set all of it to NaN.",
        )
    values = np.zeros((len(vocabulary), raw.values.shape[1]), np.float32)
    mask = np.zeros(len(vocabulary), bool)
    values[rows[known[present]]] = picked[present]
    mask[rows[known[present]]] = True
    counts = {
        f"{name}.present": int(mask.sum()),
        f"{name}.unknown_ids": len(raw.ids) - len(known),
        f"{name}.zero_rows": int((mask & ~values.any(axis=1)).sum()),
    }
    return FeatureTable(values, mask, raw.encoder, raw.revision), counts


def align_neighbors(raw: RawNeighbors, vocabulary: Vocabulary, *, name: str) -> tuple[NeighborList, dict[str, int]]:
    """A neighbour list in vocabulary rows, sorted by receiver, then sender.

    Args:
        raw: the list with external ids.
        vocabulary: the ids to align with.
        name: of the modality, for messages and counts.

    Returns:
        The list and counts: ``NAME.edges``, ``NAME.dropped_edges`` (an end outside the vocabulary, or an edge that
        was there already).

    Raises:
        DataError: lengths that differ, a weight that is not finite, or no edge left.
    """
    where = f"neighbours '{name}' ({raw.origin})"
    if not len(raw.ids) == len(raw.neighbors) == len(raw.weights):
        raise DataError.at(
            where,
            found=f"{len(raw.ids)} ids, {len(raw.neighbors)} neighbours and {len(raw.weights)} weights",
            expected="one of each an edge",
            action="Write the three from the same list.",
        )
    if not np.isfinite(raw.weights).all():
        raise DataError.at(where, found="a weight that is not finite", expected="numbers", action="Mend the list.")
    receivers, senders = _rows(vocabulary, raw.ids), _rows(vocabulary, raw.neighbors)
    order = np.lexsort((senders, receivers))
    receivers, senders = receivers[order], senders[order]
    repeated = np.zeros(len(order), bool)
    repeated[1:] = (receivers[1:] == receivers[:-1]) & (senders[1:] == senders[:-1])
    keep = (receivers >= 0) & (senders >= 0) & ~repeated
    if not keep.any():
        raise DataError.at(
            where,
            found="no edge between ids of the data set",
            expected=f"{vocabulary.kind} ids such as {vocabulary.ids[:3]}",
            action="Give the list the ids that the interactions use.",
        )
    aligned = NeighborList(
        receivers=receivers[keep],
        senders=senders[keep],
        weights=raw.weights[order][keep].astype(np.float32),
        num_nodes=len(vocabulary),
        origin=raw.origin,
    )
    return aligned, {f"{name}.edges": int(keep.sum()), f"{name}.dropped_edges": int((~keep).sum())}


def check_names(names: Mapping[str, object]) -> None:
    """Checks that modality names can be file names: letters, digits, ``_`` and ``-``.

    Args:
        names: mapping whose keys are modality names.

    Raises:
        DataError: naming the first that is not.
    """
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise DataError(f"found the modality name {name!r}; expected letters, digits, '_' and '-'. Rename it.")


def _rows(vocabulary: Vocabulary, ids: Sequence[str]) -> Int[np.ndarray, " rows"]:
    """Vocabulary row of each id, -1 where it is unknown."""
    row_of = {external: row for row, external in enumerate(vocabulary.ids)}
    return np.fromiter((row_of.get(external, -1) for external in ids), np.int32, len(ids))


__all__ = ["align_features", "align_neighbors", "check_names"]
