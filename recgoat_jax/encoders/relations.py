"""A knowledge graph's relations of items to vectors: each (relation, value) pair is one token of a TF-IDF and SVD.

Two films with the same director then share a token, and a director of few films weighs more than a language of many.
Formula: `recgoat_jax.encoders.tfidf`.
"""

from typing import TYPE_CHECKING

from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.encoders.tfidf import TfidfSvd
from recgoat_jax.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def encode_relations(relations: "pl.DataFrame", items: Vocabulary, *, dim: int = 64) -> FeatureTable:
    """Vectors of items from their relations.

    Args:
        relations: columns ``item``, ``relation``, ``value``, all text, as `RawTables.item_relations` has them. Rows
            of items that are not in the vocabulary are left out.
        items: the vocabulary to align with.
        dim: width; narrower where the relations have a smaller rank.

    Returns:
        Unit rows ``items x min(dim, rank)``, present only where the item has a relation (and where the truncation
        leaves something of it, see `TfidfSvd.encode_tokens`).

    Raises:
        DataError: no item of the vocabulary has a relation.
    """
    row_of = {external: row for row, external in enumerate(items.ids)}
    tokens: list[list[str]] = [[] for _ in items.ids]
    for item, relation, value in relations.select("item", "relation", "value").iter_rows():
        row = row_of.get(item)
        if row is not None:
            tokens[row].append(f"{relation}\t{value}")
    if not any(tokens):
        raise DataError(
            f"relations: found {len(relations)} rows, none of an item of the data set; expected item ids as in the "
            "interactions. Check the ids, or leave the relations out."
        )
    return TfidfSvd(dim=dim).encode_tokens(tokens, encoder="relations-tfidf-svd")


__all__ = ["encode_relations"]
