"""The ranking objective that the collaborative models share: BPR on triples plus a penalty on their ID rows."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from recgoat_jax.losses import bpr_loss, embedding_norm_regularization, l2_regularization
from recgoat_jax.models.protocols import Batch

Regularization = Literal["l2", "norm"]
"""``"l2"``: squared row norms, a mean over triples. ``"norm"``: un-squared Frobenius norms over the batch size."""


def ranking_terms(
    batch: Batch,
    *,
    user_vectors: Float[Array, "users dim"],
    item_vectors: Float[Array, "items dim"],
    user_table: Float[Array, "users dim"],
    item_table: Float[Array, "items dim"],
    regularization: Regularization,
    weight: float,
) -> dict[str, Float[Array, ""]]:
    """BPR and its regulariser, weighted.

    Args:
        batch: triples.
        user_vectors: vectors that score.
        item_vectors: vectors that score.
        user_table: ego ID rows that are penalised.
        item_table: ego ID rows that are penalised.
        regularization: which penalty.
        weight: its weight.

    Returns:
        ``{"bpr": ..., "regularization": ...}``.
    """
    user = user_vectors[batch.users]
    positive_scores = jnp.sum(user * item_vectors[batch.positives], axis=-1)
    negative_scores = jnp.sum(user * item_vectors[batch.negatives], axis=-1)
    rows = (user_table[batch.users], item_table[batch.positives], item_table[batch.negatives])
    match regularization:
        case "l2":
            penalty = l2_regularization(*rows, where=batch.mask)
        case "norm":
            penalty = embedding_norm_regularization(*rows, where=batch.mask)
    return {
        "bpr": bpr_loss(positive_scores, negative_scores, where=batch.mask),
        "regularization": weight * penalty,
    }


__all__ = ["Regularization", "ranking_terms"]
