"""The ranking objective that the collaborative models share, and the penalty on their ID rows."""

from typing import Literal, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from recgoat_jax.arrays import EXAMPLE_AXES
from recgoat_jax.data import Dataset
from recgoat_jax.graphs.shard import Shard, example_axes, take_rows
from recgoat_jax.losses import bpr_loss, embedding_norm_regularization, l2_regularization, sampled_softmax_loss
from recgoat_jax.losses.log_sums import Collective
from recgoat_jax.models.protocols import Batch
from recgoat_jax.nn.variables import Constant

_SCORES_AT_ONCE = 2**23

Ranking = Literal["bpr", "softmax"]
"""``"bpr"``: the positive against the drawn negative. ``"softmax"``: against all items of the batch, corrected for how
often each is in one."""

Regularization = Literal["l2", "norm"]
"""``"l2"``: squared row norms, a mean over triples. ``"norm"``: un-squared Frobenius norms over the batch size."""


def check_width(dim: int) -> None:
    """Refuses vectors without a number.

    Args:
        dim: width of all vectors.

    Raises:
        ValueError: less than one.
    """
    if dim < 1:
        raise ValueError(f"dim is {dim}; expected a width of one or more.")


def ranking_terms(
    batch: Batch,
    *,
    user_vectors: Float[Array, "users dim"],
    item_vectors: Float[Array, "items dim"],
    user_table: Float[Array, "users dim"],
    item_table: Float[Array, "items dim"],
    regularization: Regularization,
    weight: float,
    shard: Shard | None,
    log_popularity: Float[Array, " items"] | None = None,
) -> dict[str, Float[Array, ""]]:
    """The ranking loss and its regulariser, weighted.

    Args:
        batch: triples.
        user_vectors: vectors that score.
        item_vectors: vectors that score.
        user_table: ego ID rows that are penalised.
        item_table: ego ID rows that are penalised.
        regularization: which penalty.
        weight: its weight.
        shard: what this device holds; None on one device.
        log_popularity: of `popularity_of`, for the softmax; None: BPR.

    Returns:
        ``"bpr"`` or ``"softmax"``, and ``"regularization"``.
    """
    axis_name = example_axes(shard)
    user = take_rows(user_vectors, batch.users, shard)
    positive = take_rows(item_vectors, batch.positives, shard)
    rows = (
        take_rows(user_table, batch.users, shard),
        take_rows(item_table, batch.positives, shard),
        take_rows(item_table, batch.negatives, shard),
    )
    match regularization:
        case "l2":
            penalty = l2_regularization(*rows, where=batch.mask, axis_name=axis_name)
        case "norm":
            penalty = embedding_norm_regularization(*rows, where=batch.mask, axis_name=axis_name)
    terms = {"regularization": weight * penalty}
    if log_popularity is not None:
        terms["softmax"] = sampled_softmax_loss(
            user,
            positive,
            ids=batch.positives,
            log_probabilities=take_rows(log_popularity, batch.positives, shard),
            where=batch.mask,
            **spread_contrast(batch, shard),
        )
        return terms
    negative = take_rows(item_vectors, batch.negatives, shard)
    scores = (jnp.sum(user * item, axis=-1) for item in (positive, negative))
    terms["bpr"] = bpr_loss(*scores, where=batch.mask, axis_name=axis_name)
    return terms


def popularity_of(dataset: Dataset, ranking: Ranking) -> Constant | None:
    """What the ranking loss has to know of the items' popularity.

    Args:
        dataset: prepared data.
        ranking: the loss.

    Returns:
        For the softmax ``items``, the log of an item's share of the training pairs, which is its chance to be in a
        place of a batch; items without pairs are in none, and have that of one pair. None for BPR.
    """
    if ranking == "bpr":
        return None
    counts = np.maximum(dataset.item_counts, 1)
    return Constant(jnp.asarray(np.log(counts / len(dataset.train.items)), jnp.float32))


def first_examples(batch: Batch, count: int | None, shard: Shard | None) -> Batch:
    """The first examples of a batch; over devices those of them that this device has.

    Example e of a batch is on device ``e mod devices``, so the devices have equally many of them.

    Args:
        batch: the examples of this device.
        count: examples of the whole batch; None: all.
        shard: what this device holds; None on one device.

    Returns:
        A batch; over devices padded, by a mask, to as many examples everywhere.
    """
    if count is None:
        return batch
    if shard is None:
        return jax.tree.map(lambda values: values[:count], batch)
    devices = jax.lax.axis_size(EXAMPLE_AXES)
    few = jax.tree.map(lambda values: values[: -(-count // devices)], batch)
    number = jnp.arange(len(few.mask)) * devices + jax.lax.axis_index(EXAMPLE_AXES)
    return few._replace(mask=few.mask & (number < count))


class SpreadContrast(TypedDict):
    """How a contrastive loss runs over devices: its keyword arguments for that."""

    axis_name: tuple[str, ...] | None
    collective: Collective


def spread_contrast(batch: Batch, shard: Shard | None) -> SpreadContrast:
    """The form of a contrastive loss for a batch.

    All keys at once while the scores of a device's examples with all keys take up to 32 MiB, else the ring.

    Args:
        batch: the examples of this device.
        shard: what this device holds; None on one device.

    Returns:
        Arguments of `recgoat_jax.losses.info_nce` and `recgoat_jax.losses.cmcl_loss`.
    """
    axes = example_axes(shard)
    if axes is None:
        return {"axis_name": None, "collective": "all_gather"}
    scores = len(batch.mask) ** 2 * jax.lax.axis_size(axes)
    return {"axis_name": axes, "collective": "all_gather" if scores <= _SCORES_AT_ONCE else "ring"}


__all__ = [
    "Ranking",
    "Regularization",
    "SpreadContrast",
    "check_width",
    "first_examples",
    "popularity_of",
    "ranking_terms",
    "spread_contrast",
]
