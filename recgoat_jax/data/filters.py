"""What goes before a split: checks, duplicates, the minimum rating, the k-core."""

import numpy as np
import polars as pl
from jaxtyping import Bool

from recgoat_jax.arrays import RowIds
from recgoat_jax.data.schema import SPLIT_NAMES, RawTables
from recgoat_jax.errors import DataError


def check_tables(raw: RawTables) -> None:
    """Checks what every source promises; a source that breaks it must not pass unseen.

    Args:
        raw: what a source read.

    Raises:
        DataError: no interactions, a missing value, a repeated id of an item or user row, an unknown split label.
    """
    columns = [name for name in ("user", "item", "rating", "timestamp", "split") if name in raw.interactions.columns]
    for table, required, unique in (
        (raw.interactions, columns, None),
        (raw.items, ["item"], "item"),
        (raw.users, ["user"], "user"),
    ):
        if table is None:
            continue
        for column in required:
            values = table[column]
            missing = values.is_null() | (values.is_nan() if values.dtype.is_float() else False)
            if missing.any() or (unique and values.n_unique() < table.height):
                row = int((missing if missing.any() else values.is_duplicated()).arg_true()[0])
                raise DataError.at(
                    f"{raw.source}, row {row + 1}",
                    column=column,
                    found="a missing value" if missing.any() else f"{values[row]!r} twice",
                    expected="a value in every row" + (", each once" if unique else ""),
                    action="Mend the source.",
                )
    if raw.interactions.height == 0:
        raise DataError.at(raw.source, found="no interactions", expected="at least one", action="Check the source.")
    if "split" in columns and not (split := raw.interactions["split"]).is_in(SPLIT_NAMES).all():
        odd = split.filter(~split.is_in(SPLIT_NAMES))[0]
        raise DataError.at(
            raw.source, column="split", found=repr(odd), expected=f"one of {SPLIT_NAMES}", action="Mend the column."
        )


def deduplicate(interactions: pl.DataFrame, counts: dict[str, int]) -> pl.DataFrame:
    """One row a (user, item) pair, as step 1 of `recgoat_jax.data.prepare` says.

    Args:
        interactions: frame with ``user``, ``item`` and perhaps ``timestamp`` and ``split``.
        counts: gets ``interactions_read``, ``duplicates_across_splits`` and ``duplicate_interactions``.

    Returns:
        The rows that stay, in their order.
    """
    counts["interactions_read"] = interactions.height
    frame = interactions.with_row_index("row")
    pair = ["user", "item"]
    if "split" in frame.columns:
        place = pl.col("split").replace_strict(list(SPLIT_NAMES), [0, 1, 2], return_dtype=pl.Int8)
        frame = frame.filter(place == place.min().over(pair))
    counts["duplicates_across_splits"] = interactions.height - frame.height
    order = ["timestamp", "row"] if "timestamp" in frame.columns else ["row"]
    single = frame.sort(order).unique(pair, keep="last", maintain_order=True).sort("row").drop("row")
    counts["duplicate_interactions"] = frame.height - single.height
    return single


def filter_rating(
    pairs: pl.DataFrame, *, min_rating: float | None, source: str, counts: dict[str, int]
) -> pl.DataFrame:
    """The pairs that count as positive.

    Args:
        pairs: frame with ``user``, ``item`` and, where ``min_rating`` is set, ``rating``.
        min_rating: least rating that stays, or None for all.
        source: for messages.
        counts: gets ``below_min_rating``.

    Returns:
        The rows that stay.

    Raises:
        DataError: no ratings, or none high enough.
    """
    kept = pairs
    if min_rating is not None:
        if "rating" not in pairs.columns:
            raise DataError.at(
                source,
                column="rating",
                found="no ratings",
                expected="a rating in every row, since min_rating is set",
                action="Leave min_rating out, or add the column.",
            )
        kept = pairs.filter(pl.col("rating") >= min_rating)
        if kept.height == 0:
            raise DataError.at(
                source,
                column="rating",
                found=f"ratings up to {pairs['rating'].max()}",
                expected=f"some of {min_rating:g} or more, since min_rating is set",
                action="Use a smaller min_rating.",
            )
    counts["below_min_rating"] = pairs.height - kept.height
    return kept


def k_core_mask(users: RowIds, items: RowIds, *, k: int) -> Bool[np.ndarray, " pairs"]:
    """The largest set of pairs in which every user and every item has at least ``k`` pairs.

    Args:
        users: ``pairs``, user of each pair.
        items: ``pairs``, item of each pair.
        k: least number of pairs; up to 1 keeps all.

    Returns:
        ``pairs``, True where the pair stays.
    """
    kept = np.ones(len(users), bool)
    while kept.any():
        enough = kept.copy()
        for ids in (users, items):
            enough &= np.bincount(ids[kept], minlength=int(ids.max()) + 1)[ids] >= k
        if np.array_equal(enough, kept):
            break
        kept = enough
    return kept


__all__ = ["check_tables", "deduplicate", "filter_rating", "k_core_mask"]
