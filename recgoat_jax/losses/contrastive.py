"""Contrastive losses: InfoNCE with in-batch negatives, and its mean over all pairs of modalities (CMCL).

Row b of every array is one example. Masks say which rows are real (`where`), ids say which rows are the same thing
twice. Padding may hold anything. A plain call, a masked and globally contrasted one, and a gradient:

    >>> import jax, jax.numpy as jnp
    >>> from recgoat_jax.losses import info_nce
    >>> text = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> image = jnp.array([[1.0, 0.0], [0.0, 1.0], [7.0, 7.0]])
    >>> real = jnp.array([True, True, False])
    >>> print(f"{info_nce(text, image, temperature=1.0, where=real):.4f}")  # log(e + 1) - 1
    0.3133
    >>> gradient = jax.grad(info_nce)(text, image, temperature=1.0, where=real)
    >>> print(gradient[2])
    [0. 0.]
"""

from collections.abc import Mapping
from itertools import combinations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.losses.in_batch import Direction, in_batch_cross_entropy
from recgoat_jax.losses.log_sums import Collective
from recgoat_jax.losses.reduction import AxisName, Scalar, both


def info_nce(
    queries: Float[Array, "batch dim"],
    keys: Float[Array, "batch dim"],
    *,
    temperature: Scalar = 0.2,
    ids: Int[Array, " batch"] | None = None,
    where: Bool[Array, " batch"] | None = None,
    direction: Direction = "forward",
    axis_name: AxisName | None = None,
    collective: Collective = "all_gather",
) -> Float[Array, ""]:
    r"""InfoNCE with in-batch negatives (van den Oord et al. 2018, equation 4; RecGOAT, CMCL).

    .. math:: \frac{1}{|V|} \sum_{b \in V} \left[ \log\left(e^{c_{bb}/\tau} +
       \sum_{j \in V,\, id_j \ne id_b} e^{c_{bj}/\tau}\right) - c_{bb}/\tau \right],
       \qquad c_{bj} = \cos(q_b, k_j)

    V are the valid rows. Minimising it raises the cosine of paired rows.

    Args:
        queries: ``batch x dim``, any scale; a zero row has cosine 0 with everything and a zero gradient.
        keys: ``batch x dim``; row b is the positive of query b.
        temperature: tau.
        ids: what each row stands for. Rows with equal ids are positives that met by chance, so they are left out of
            each other's negatives.
        where: rows that are real; None: all.
        direction: ``"forward"``: queries choose among keys; ``"both"``: the mean of both ways.
        axis_name: mapped axis of ``pmap`` or ``shard_map`` over which the rows are spread: negatives come from all
            devices, and each returns the loss of the whole batch.
        collective: with an axis, how keys reach the queries of other devices: ``"all_gather"``, or ``"ring"``, whose
            memory does not grow with the number of devices.

    Returns:
        Scalar in nats; 0 where no row is valid.

    Raises:
        ValueError: shapes that differ, a temperature that is not positive, or an axis that is not mapped.

    Example:
        Two rows with one id are no negatives of each other:

        >>> import jax.numpy as jnp
        >>> rows = jnp.eye(2)
        >>> print(f"{info_nce(rows, rows, temperature=1.0, ids=jnp.array([5, 5])):.4f}")
        0.0000
        >>> print(f"{info_nce(rows, rows, temperature=1.0, ids=jnp.array([5, 6])):.4f}")
        0.3133
    """
    return in_batch_cross_entropy(
        queries,
        keys,
        temperature=temperature,
        normalize=True,
        ids=ids,
        log_probabilities=None,
        where=where,
        direction=direction,
        axis_name=axis_name,
        collective=collective,
    )


def cmcl_loss(
    views: Mapping[str, Float[Array, "batch dim"]],
    *,
    temperature: Scalar = 0.2,
    ids: Int[Array, " batch"] | None = None,
    where: Bool[Array, " batch"] | Mapping[str, Bool[Array, " batch"]] | None = None,
    weights: Mapping[tuple[str, str], float] | None = None,
    direction: Direction = "both",
    axis_name: AxisName | None = None,
    collective: Collective = "all_gather",
) -> Float[Array, ""]:
    r"""Cross-modal contrastive learning: the mean of `info_nce` over all unordered pairs of views.

    .. math:: \frac{\sum_{m < m'} w_{mm'} \, \mathrm{InfoNCE}(Z^m, Z^{m'})}{\sum_{m < m'} w_{mm'}}

    RecGOAT (arXiv 2602.00682) has the three pairs of ID, text and image vectors of an item; any number works.

    Args:
        views: name to ``batch x dim``, two or more, of one width; row b is the same item in each.
        temperature: tau.
        ids: what each row stands for (the item); see `info_nce`.
        where: rows that are real, for all views or for each view by its name. A missing modality is a mask: a row
            enters a pair, also as a negative, only if both views have it. A pair without any such row counts as 0.
        weights: ``(name, name)``, in either order, to the weight of that pair, not negative; other pairs weigh 1.
        direction: ``"both"`` for the symmetric loss; ``"forward"``: of two views the one whose name comes first in the
            alphabet queries (jit, too, hands a mapping on in this order).
        axis_name: see `info_nce`.
        collective: see `info_nce`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: fewer than two views, a view without a mask, a weight for an unknown pair, no positive weight, and
            what `info_nce` refuses.

    Example:
        >>> import jax.numpy as jnp
        >>> views = {"id": jnp.eye(2), "text": jnp.eye(2), "image": jnp.eye(2)[::-1]}
        >>> print(f"{cmcl_loss(views, temperature=1.0):.4f}")  # (0.3133 + 1.3133 + 1.3133) / 3
        0.9799
    """
    if len(views) < 2:
        raise ValueError(f"a contrast needs two views or more, got {sorted(views)}")
    masks = where if isinstance(where, Mapping) else dict.fromkeys(views, where)
    unmasked = sorted(set(views) - set(masks))
    if unmasked:
        raise ValueError(f"where must have a mask for each view; there is none for {unmasked}")
    pair_weights = _pair_weights(list(views), weights)
    terms = [
        weight
        * info_nce(
            *(views[name] for name in (sorted((first, second)) if direction == "forward" else (first, second))),
            temperature=temperature,
            ids=ids,
            where=both(masks[first], masks[second]),
            direction=direction,
            axis_name=axis_name,
            collective=collective,
        )
        for (first, second), weight in pair_weights.items()
        if weight > 0
    ]
    return jnp.sum(jnp.stack(terms)) / sum(pair_weights.values())


def _pair_weights(names: list[str], weights: Mapping[tuple[str, str], float] | None) -> dict[tuple[str, str], float]:
    """Weight of every unordered pair."""
    pairs = dict.fromkeys(combinations(names, 2), 1.0)
    for (first, second), weight in (weights or {}).items():
        pair = (first, second) if (first, second) in pairs else (second, first)
        if pair not in pairs:
            raise ValueError(f"weights names the pair {(first, second)}; the views are {names}")
        if weight < 0:
            raise ValueError(f"the weight of a pair must not be negative, got {weight} for {pair}")
        pairs[pair] = weight
    if not sum(pairs.values()) > 0:
        raise ValueError(f"at least one pair needs a positive weight, got {pairs}")
    return pairs


__all__ = ["cmcl_loss", "info_nce"]
