"""What a prepared data set holds, in words for people."""

from recgoat_jax.data.dataset import Dataset

_MEANINGS = {
    "interactions_read": "interactions read",
    "duplicates_across_splits": "rows of a pair that an earlier split holds, dropped",
    "duplicate_interactions": "repeated rows of a pair, merged (the latest stays)",
    "below_min_rating": "pairs below the minimum rating, dropped",
    "k_core_pairs": "pairs outside the k-core, dropped",
    "k_core_users": "users outside the k-core, dropped",
    "k_core_items": "items outside the k-core, dropped",
    "held_out_without_train": "held-out pairs of users without a train pair, dropped",
    "users_without_train": "users without a train pair, dropped",
    "items_not_in_train": "items that never occur in train",
    "users_not_evaluated": "users without a test pair, not evaluated",
    "items_without_row": "items without a row in the item table, their texts missing",
    "item_rows_unused": "rows of the item table without interactions, dropped",
    "users_without_row": "users without a row in the user table, their texts missing",
    "user_rows_unused": "rows of the user table without interactions, dropped",
    "source.ignored_columns": "columns of the interactions ignored",
}
_SIZES = ("users", "items", "train", "valid", "test")


def describe(dataset: Dataset) -> str:
    """A short account of a data set: protocol, sizes, modalities, everything dropped or merged, hash, licence.

    Args:
        dataset: a prepared data set.

    Returns:
        Lines of plain text without a line end at the last; counts of zero are left out.
    """
    manifest = dataset.manifest
    options = ", ".join(f"{key} {value}" for key, value in manifest.options.items())
    lines = [
        f"{manifest.name}: {manifest.source}",
        f"  protocol {manifest.protocol}, seed {manifest.seed}" + (f", {options}" if options else ""),
        f"  {dataset.num_users:,} users, {dataset.num_items:,} items; "
        f"{len(dataset.train):,} train / {len(dataset.valid):,} valid / {len(dataset.test):,} test pairs",
    ]
    for kind, tables in (("item", dataset.item_features), ("user", dataset.user_features)):
        for name, table in tables.items():
            share = f"{int(table.present.sum()):,} of {table.num_rows:,} {kind}s"
            lines.append(f"  {kind} features {name}: width {table.dim}, {share}, {table.encoder}")
    for name, listed in dataset.item_neighbors.items():
        lines.append(f"  item neighbours {name}: {len(listed.senders):,} edges, {listed.origin}")
    lines += [
        f"  {count:,} {_MEANINGS.get(key, key)}"
        for key, count in manifest.counts.items()
        if count and key not in _SIZES and not key.endswith((".present", ".edges"))
    ]
    lines.append(f"  hash {manifest.hash[:16]}" + (f"; licence: {manifest.licence}" if manifest.licence else ""))
    return "\n".join(lines)


__all__ = ["describe"]
