"""Penalties on the embedding rows that a batch uses, squared and un-squared. Their weights are not exchangeable.

>>> import jax.numpy as jnp
>>> from recgoat_jax.losses import embedding_norm_regularization, l2_regularization
>>> rows = jnp.array([[3.0, 4.0], [0.0, 0.0]])
>>> print(l2_regularization(rows), embedding_norm_regularization(rows))
12.5 2.5
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from recgoat_jax.losses.reduction import AxisName, check_axis, masked_mean, summed_over_devices, valid_count, valid_rows


def l2_regularization(
    *arrays: Float[Array, "batch _"], where: Bool[Array, " batch"] | None = None, axis_name: AxisName | None = None
) -> Float[Array, ""]:
    r"""Squared length of the rows of an example, averaged over the batch (RecGOAT's program; no factor 1/2).

    .. math:: \frac{1}{|V|} \sum_{b \in V} \sum_m \lVert x^m_b \rVert^2

    Args:
        *arrays: ``batch x dim`` each, gathered rows: of users, positives and negatives.
        where: rows V that are real; None: all.
        axis_name: mapped axis over which the rows are spread.

    Returns:
        Scalar; 0 where no row is valid.

    Raises:
        ValueError: no array, or an axis that is not mapped.

    Example:
        >>> import jax.numpy as jnp
        >>> print(l2_regularization(jnp.ones((4, 2)), jnp.ones((4, 3))))
        5.0
    """
    _check(arrays, axis_name)
    squares = sum(jnp.sum(jnp.square(valid_rows(x, where)), axis=1) for x in arrays)
    return masked_mean(jnp.asarray(squares), where=where, axis_name=axis_name)


def embedding_norm_regularization(
    *arrays: Float[Array, "batch _"], where: Bool[Array, " batch"] | None = None, axis_name: AxisName | None = None
) -> Float[Array, ""]:
    r"""Un-squared Frobenius norms over the batch size, as the BPR and LightGCN baselines of MMRec use.

    .. math:: \frac{1}{|V|} \sum_m \left( \sum_{b \in V} \lVert x^m_b \rVert^2 \right)^{1/2}

    Rows that occur twice count twice. The gradient of an all-zero array, which has none, is taken as zero.

    Args:
        *arrays: ``batch x dim`` each, gathered rows: of users, positives and negatives.
        where: rows V that are real; None: all.
        axis_name: mapped axis over which the rows are spread; the norms are those of the whole batch.

    Returns:
        Scalar; 0 where no row is valid.

    Raises:
        ValueError: no array, or an axis that is not mapped.

    Example:
        >>> import jax.numpy as jnp
        >>> print(embedding_norm_regularization(jnp.ones((4, 1)), jnp.ones((4, 4))))  # (2 + 4) / 4
        1.5
    """
    _check(arrays, axis_name)
    norms = sum(_root(summed_over_devices(jnp.sum(jnp.square(valid_rows(x, where))), axis_name)) for x in arrays)
    return norms / jnp.maximum(valid_count(arrays[0].shape[0], where, axis_name), 1.0)


def _root(x: Float[Array, ""]) -> Float[Array, ""]:
    """Square root, with a zero gradient at zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def _check(arrays: tuple[Float[Array, "batch _"], ...], axis_name: AxisName | None) -> None:
    if not arrays:
        raise ValueError("give at least one array of rows to penalise")
    check_axis(axis_name)


__all__ = ["embedding_norm_regularization", "l2_regularization"]
