"""From tables with external ids to the data set that every later stage reads.

The steps, in order; each counts what it drops or merges, and nothing is dropped silently:

1. **Duplicates.** Of several rows of one (user, item) pair the one with the latest timestamp stays; without
   timestamps, and among equal ones, the last row. A pair that published splits hold in several parts stays in the
   earliest of train, validation, test, since a train item can never be recommended anyway.
2. **Minimum rating** (after step 1, so that the latest opinion counts); what stays is a positive pair.
3. **k-core**: users and items with fewer than ``k_core`` pairs go, again and again until none is left.
4. **Split** by the protocol, see `recgoat_jax.data.splits`. A user with a single pair keeps it in train and is not
   evaluated (``given`` aside, where the published label stays).
5. Held-out pairs of users **without any train pair** go (``global_time``, ``cold_items`` and ``given`` make such),
   since no model here can rank for them.
6. **Vocabularies** hold the users and items that still have a pair: in numeric order where every id is a plain
   integer, else in the order of their code points. An item of the interactions without an item row stays, its texts
   missing; an item row without interactions goes. Users likewise.
7. **Features and neighbour lists** are aligned by id; what is missing is a mask.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa

from recgoat_jax.arrays import RowIds
from recgoat_jax.data import splits
from recgoat_jax.data.align import align_features, align_neighbors, check_names
from recgoat_jax.data.content import content_hash
from recgoat_jax.data.dataset import Dataset, Interactions, Manifest, NeighborList, ProtocolName
from recgoat_jax.data.feature_card import check_train_pairs
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.filters import check_tables, deduplicate, filter_rating, k_core_mask
from recgoat_jax.data.schema import SPLIT_NAMES, RawFeatures, RawNeighbors, RawTables
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.errors import DataError, UsageError

_FRACTIONS: dict[str, tuple[str, ...]] = {
    "given": ("valid_fraction",),
    "global_time": ("valid_fraction", "test_fraction"),
    "cold_items": ("cold_fraction",),
}
"""What each protocol may read."""

_FRACTION = 0.1


def prepare(
    raw: RawTables,
    *,
    name: str,
    protocol: ProtocolName,
    seed: int = 0,
    k_core: int = 0,
    min_rating: float | None = None,
    valid_fraction: float | None = None,
    test_fraction: float | None = None,
    cold_fraction: float | None = None,
) -> Dataset:
    """Prepares tables: the same tables and settings give the same data set, bit for bit.

    Row order matters only where a rule above says so (duplicates, equal times in ``leave_last_out``).

    Args:
        raw: what a source read.
        name: short name of the data set.
        protocol: the split rule.
        seed: of the split.
        k_core: least pairs of every user and item; 0 keeps all.
        min_rating: least rating that counts as a positive pair; None: every pair does.
        valid_fraction: of all pairs (``global_time``), or of each user's train pairs where published splits have no
            validation part (``given``); None: 0.1, here and below.
        test_fraction: of all pairs (``global_time`` only).
        cold_fraction: of all items, for validation and test together (``cold_items`` only).

    Returns:
        The data set, with counts and content hash in its manifest.

    Raises:
        UsageError: settings out of range, or a fraction that the protocol does not read.
        DataError: ratings, timestamps or split labels that are needed and absent; tables that contradict
            themselves; an item or user table without any id of the data set; nothing left after a step, or an empty
            train, validation or test part.
    """
    for label, value in (("seed", seed), ("k_core", k_core)):
        if value < 0:
            raise UsageError(f"{label} is {value}; expected 0 or more.")
    fractions = {"valid_fraction": valid_fraction, "test_fraction": test_fraction, "cold_fraction": cold_fraction}
    _check_fractions(protocol, fractions)
    check_names({**raw.item_features, **raw.user_features, **raw.item_neighbors})
    check_tables(raw)
    counts: dict[str, int] = {}
    single = deduplicate(raw.interactions, counts)
    positive = filter_rating(single, min_rating=min_rating, source=raw.source, counts=counts)
    core = _k_core(positive, k_core, raw.source, counts)
    labels, options = _split(core, protocol, raw.source, seed, fractions)
    pairs = _rankable(core.with_columns(pl.Series("label", labels)), counts)

    user_ids, users = _codes(pairs["user"])
    item_ids, items = _codes(pairs["item"])
    user_vocabulary, item_vocabulary = Vocabulary(user_ids, kind="user"), Vocabulary(item_ids, kind="item")
    parts = _parts(pairs, users, items, protocol)
    for modality, features in (*raw.item_features.items(), *raw.user_features.items()):
        check_train_pairs(
            features.card, users=user_vocabulary, items=item_vocabulary, train=parts["train"], name=modality
        )
    counts["items_not_in_train"] = len(item_vocabulary) - len(np.unique(parts["train"].items))
    counts["users_not_evaluated"] = len(user_vocabulary) - len(np.unique(parts["test"].users))
    sizes = {"users": len(user_vocabulary), "items": len(item_vocabulary)}
    sizes |= {part: len(interactions) for part, interactions in parts.items()}
    sizes |= {f"source.{reason}": count for reason, count in raw.counts.items()}
    dataset = Dataset(
        users=user_vocabulary,
        items=item_vocabulary,
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        item_table=_align_table(raw.items, item_vocabulary, raw.source, counts),
        user_table=_align_table(raw.users, user_vocabulary, raw.source, counts),
        item_features=_features(raw.item_features, item_vocabulary, counts),
        user_features=_features(raw.user_features, user_vocabulary, counts),
        item_neighbors=_neighbors(raw.item_neighbors, item_vocabulary, counts),
        manifest=Manifest(
            name=name,
            source=raw.source,
            protocol=protocol,
            seed=seed,
            options={"k_core": str(k_core), "min_rating": "none" if min_rating is None else f"{min_rating:g}"}
            | options,
            counts=sizes | counts,
            hash="",
            licence=raw.licence,
        ),
    )
    return replace(dataset, manifest=replace(dataset.manifest, hash=content_hash(dataset)))


def _check_fractions(protocol: ProtocolName, fractions: Mapping[str, float | None]) -> None:
    read = _FRACTIONS.get(protocol, ())
    for label, fraction in fractions.items():
        if fraction is not None and label not in read:
            readers = " or ".join(f"'{name}'" for name, labels in _FRACTIONS.items() if label in labels)
            raise UsageError(
                f"found {label} {fraction:g}, which the protocol '{protocol}' does not read; expected it with the "
                f"protocol {readers} only. Leave it out, or choose that protocol."
            )
    values = {label: _value(fractions[label]) for label in read}
    if len(read) > 1:
        values[" + ".join(read)] = sum(values.values())
    for label, fraction in values.items():
        if not 0 < fraction < 1:
            raise UsageError(f"{label} is {fraction:g}; expected a number between 0 and 1.")


def _value(fraction: float | None) -> float:
    return _FRACTION if fraction is None else fraction


def _codes(ids: pl.Series) -> tuple[list[str], RowIds]:
    """The distinct ids in vocabulary order, and the place of each id among them."""
    distinct = ids.unique().to_frame("id")
    plain_integers = distinct["id"].str.contains(r"^(0|[1-9][0-9]*)$").all()
    # Digits without leading zeros are in numeric order when shorter ones come first: no limit on their size.
    ordered = distinct.sort(pl.col("id").str.len_bytes(), "id") if plain_integers else distinct.sort("id")
    codes = ids.to_frame("id").join(ordered.with_row_index("code"), on="id", how="left", maintain_order="left")["code"]
    return ordered["id"].to_list(), codes.cast(pl.Int32).to_numpy()


def _k_core(pairs: pl.DataFrame, k: int, source: str, counts: dict[str, int]) -> pl.DataFrame:
    """The pairs of the k-core."""
    (_, users), (_, items) = _codes(pairs["user"]), _codes(pairs["item"])
    core = pairs.filter(pl.Series(k_core_mask(users, items, k=k)))
    counts["k_core_pairs"] = pairs.height - core.height
    for kind in ("user", "item"):
        counts[f"k_core_{kind}s"] = pairs[kind].n_unique() - core[kind].n_unique()
    if core.height == 0:
        raise DataError.at(
            source,
            found=f"no pair after the {k}-core",
            expected="users and items with that many pairs",
            action="Use a smaller k_core.",
        )
    return core


def _rankable(pairs: pl.DataFrame, counts: dict[str, int]) -> pl.DataFrame:
    """The pairs of users that have a train pair."""
    kept = pairs.filter((pl.col("label") == splits.TRAIN).any().over("user"))
    counts["held_out_without_train"] = pairs.height - kept.height
    counts["users_without_train"] = pairs["user"].n_unique() - kept["user"].n_unique()
    return kept


def _split(
    pairs: pl.DataFrame,
    protocol: ProtocolName,
    source: str,
    seed: int,
    fractions: Mapping[str, float | None],
) -> tuple[splits.Labels, dict[str, str]]:
    """Labels of the pairs, and the options that the protocol has read, as text."""

    def column(name: str) -> pl.Series:
        if name not in pairs.columns:
            raise DataError.at(
                source,
                column=name,
                found="no such column",
                expected=f"a {name} in every row: the protocol '{protocol}' needs it",
                action=f"Add the column '{name}', or choose another protocol.",
            )
        return pairs[name]

    (_, users), (_, items) = _codes(pairs["user"]), _codes(pairs["item"])
    # A draw must not depend on the order of the rows in a file.
    by_pair = np.lexsort((items, users))
    labels = np.empty(len(users), np.int8)
    options = {label: _value(fractions[label]) for label in _FRACTIONS.get(protocol, ())}
    match protocol:
        case "given":
            published = column("split").replace_strict(list(SPLIT_NAMES), [0, 1, 2], return_dtype=pl.Int8).to_numpy()
            labels[by_pair] = splits.given(published[by_pair], users[by_pair], seed=seed, **options)
            if (published == splits.VALID).any():
                if (fraction := fractions["valid_fraction"]) is not None:
                    raise UsageError(
                        f"found valid_fraction {fraction:g}, but {source} has a validation part; expected it where the "
                        "given split has none. Leave it out, or choose another protocol."
                    )
                options = {}
        case "per_user_811":
            labels[by_pair] = splits.per_user_811(users[by_pair], seed=seed)
        case "leave_last_out":
            labels = splits.leave_last_out(users, column("timestamp").to_numpy())
        case "global_time":
            labels = splits.global_time(column("timestamp").to_numpy(), **options)
        case "cold_items":
            labels = splits.cold_items(items, seed=seed, **options)
    return labels, {key: f"{value:g}" for key, value in options.items()}


def _parts(pairs: pl.DataFrame, users: RowIds, items: RowIds, protocol: ProtocolName) -> dict[str, Interactions]:
    """The pairs of each split, sorted by user, then item."""
    ratings = pairs["rating"].cast(pl.Float32).to_numpy() if "rating" in pairs.columns else None
    times = pairs["timestamp"].cast(pl.Int64).to_numpy() if "timestamp" in pairs.columns else None
    order, labels = np.lexsort((items, users)), pairs["label"].to_numpy()
    parts = {}
    for label, part in enumerate(SPLIT_NAMES):
        rows = order[labels[order] == label]
        if not rows.size:
            raise DataError(
                f"the protocol '{protocol}' leaves the {part} part empty ({len(users)} pairs of "
                f"{len(np.unique(users))} users); expected pairs in train, valid and test. Choose another protocol, "
                "lower k_core or min_rating, or give more data (most users need three pairs or more)."
            )
        parts[part] = Interactions(
            users[rows],
            items[rows],
            None if ratings is None else ratings[rows],
            None if times is None else times[rows],
        )
    return parts


def _features(
    raw: Mapping[str, RawFeatures], vocabulary: Vocabulary, counts: dict[str, int]
) -> dict[str, FeatureTable]:
    tables: dict[str, FeatureTable] = {}
    for name, features in raw.items():
        tables[name], found = align_features(features, vocabulary, name=name)
        counts |= {f"{vocabulary.kind}_features.{reason}": count for reason, count in found.items()}
    return tables


def _neighbors(
    raw: Mapping[str, RawNeighbors], vocabulary: Vocabulary, counts: dict[str, int]
) -> dict[str, NeighborList]:
    lists: dict[str, NeighborList] = {}
    for name, listed in raw.items():
        lists[name], found = align_neighbors(listed, vocabulary, name=name)
        counts |= {f"item_neighbors.{reason}": count for reason, count in found.items()}
    return lists


def _align_table(
    table: pl.DataFrame | None, vocabulary: Vocabulary, source: str, counts: dict[str, int]
) -> pa.Table | None:
    """Text columns in vocabulary order; None where there are none."""
    if table is None:
        return None
    kind = vocabulary.kind
    wanted = pl.DataFrame({kind: pl.Series(vocabulary.ids, dtype=pl.String)})
    counts[f"{kind}s_without_row"] = wanted.join(table, on=kind, how="anti").height
    counts[f"{kind}_rows_unused"] = table.join(wanted, on=kind, how="anti").height
    if 0 < table.height == counts[f"{kind}_rows_unused"]:
        raise DataError.at(
            f"{kind} table of {source}",
            column=kind,
            found=f"no id of the data set among {table.height} (such as {tuple(table[kind].head(3))})",
            expected=f"{kind} ids such as {vocabulary.ids[:3]}",
            action=f"Give the {kind} table the ids that the interactions use.",
        )
    aligned = wanted.join(table, on=kind, how="left", maintain_order="left").drop(kind)
    if aligned.width == 0:
        return None
    arrow = aligned.with_columns(pl.all().cast(pl.String)).to_arrow()
    return arrow.cast(pa.schema([(column, pa.string()) for column in aligned.columns]))


__all__ = ["prepare"]
