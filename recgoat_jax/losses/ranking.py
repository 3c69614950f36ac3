"""Ranking losses: pairwise (BPR) and over a batch (sampled softmax).

Scores or vectors in, one scalar out; masked rows do not count:

    >>> import jax.numpy as jnp
    >>> from recgoat_jax.losses import bpr_loss
    >>> positive, negative = jnp.array([2.0, 0.0, 9.0]), jnp.array([1.0, 0.0, -9.0])
    >>> print(f"{bpr_loss(positive, negative, where=jnp.array([True, True, False])):.4f}")
    0.5032
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.losses.in_batch import in_batch_cross_entropy
from recgoat_jax.losses.log_sums import Collective
from recgoat_jax.losses.reduction import AxisName, Scalar, check_axis, masked_mean, valid_rows

Similarity = Literal["dot", "cosine"]
"""``"dot"``: the inner product. ``"cosine"``: that of rows of unit length."""


def bpr_loss(
    positive_scores: Float[Array, " batch"],
    negative_scores: Float[Array, " batch"] | Float[Array, "batch negatives"],
    *,
    where: Bool[Array, " batch"] | None = None,
    axis_name: AxisName | None = None,
) -> Float[Array, ""]:
    r"""Bayesian personalised ranking (Rendle et al. 2009, section 4.1, without the regulariser).

    .. math:: -\frac{1}{|V|} \sum_{b \in V} \log \sigma(p_b - n_b)

    computed as ``softplus(n - p)``, exact for any difference of scores.

    Args:
        positive_scores: ``batch``, score of the item that the user chose.
        negative_scores: ``batch``, score of one other item; or ``batch x negatives``, of several, which are averaged.
        where: rows V that are real; None: all.
        axis_name: mapped axis over which the rows are spread; each device then returns the loss of the whole batch.

    Returns:
        Scalar in nats; log 2 for equal scores, 0 where no row is valid.

    Raises:
        ValueError: batch sizes that differ, or an axis that is not mapped.

    Example:
        >>> import jax.numpy as jnp
        >>> print(f"{bpr_loss(jnp.array([1.0]), jnp.array([1.0])):.4f}")
        0.6931
        >>> print(f"{bpr_loss(jnp.array([1.0]), jnp.array([[1.0, -300.0]])):.4f}")
        0.3466
    """
    if positive_scores.ndim != 1 or negative_scores.shape[:1] != positive_scores.shape:
        raise ValueError(
            "positive_scores must be 'batch' and negative_scores 'batch' or 'batch x negatives', "
            f"got {positive_scores.shape} and {negative_scores.shape}"
        )
    check_axis(axis_name)
    positive, negative = valid_rows(positive_scores, where), valid_rows(negative_scores, where)
    if negative.ndim == 1:
        return masked_mean(jax.nn.softplus(negative - positive), where=where, axis_name=axis_name)
    row_losses = jnp.mean(jax.nn.softplus(negative - positive[:, None]), axis=1)
    return masked_mean(row_losses, where=where, axis_name=axis_name)


def sampled_softmax_loss(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    *,
    temperature: Scalar = 1.0,
    similarity: Similarity = "dot",
    ids: Int[Array, " batch"] | None = None,
    log_probabilities: Float[Array, " batch"] | None = None,
    where: Bool[Array, " batch"] | None = None,
    axis_name: AxisName | None = None,
    collective: Collective = "all_gather",
) -> Float[Array, ""]:
    r"""Softmax over the items of the batch, corrected for how often each is drawn (Yi et al. 2019, equation 5).

    .. math:: \frac{1}{|V|} \sum_{b \in V} \left[ \log\left(e^{s_{bb}} + \sum_{j \in V,\, id_j \ne id_b}
       e^{s_{bj}}\right) - s_{bb} \right], \qquad s_{bj} = q_b \cdot k_j / \tau - \log p_j

    Popular items are in the batch often and would be pushed down as negatives too often; subtracting ``log p_j``
    from every score, that of the positive included, makes the sampled softmax consistent with the full one.

    Args:
        queries: ``batch x dim``, user vectors.
        keys: ``batch x dim``, vectors of the items that they chose; row b is the positive of query b.
        temperature: tau.
        similarity: inner product or cosine.
        ids: item of each row; a row with the same item is no negative.
        log_probabilities: ``batch``, log of the chance that the item of a row is drawn; None: no correction.
        where: rows V that are real; None: all.
        axis_name: mapped axis over which the rows are spread: negatives come from all devices.
        collective: with an axis, how keys reach the queries of other devices; ``"ring"`` needs memory that does not
            grow with the number of devices.

    Returns:
        Scalar in nats; 0 where no row is valid.

    Raises:
        ValueError: shapes that differ, a temperature that is not positive, or an axis that is not mapped.

    Example:
        >>> import jax.numpy as jnp
        >>> users = items = jnp.eye(2)
        >>> print(f"{sampled_softmax_loss(users, items):.4f}")  # log(e + 1) - 1
        0.3133
        >>> drawn = jnp.log(jnp.array([0.5, 0.25]))
        >>> print(f"{sampled_softmax_loss(users, items, log_probabilities=drawn):.4f}")
        0.3601
    """
    return in_batch_cross_entropy(
        queries,
        keys,
        temperature=temperature,
        normalize=similarity == "cosine",
        ids=ids,
        log_probabilities=log_probabilities,
        where=where,
        direction="forward",
        axis_name=axis_name,
        collective=collective,
    )


__all__ = ["Similarity", "bpr_loss", "sampled_softmax_loss"]
