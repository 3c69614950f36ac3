"""How item vectors score: as they were trained, or by their direction alone, so that new items can win."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

Scoring = Literal["dot", "cosine", "centred"]
"""``"dot"``: the trained score, in which popular items are long. ``"cosine"``: items of equal length. ``"centred"``:
likewise, after what all trained items share, their mean, is taken out."""


def scoring_items(
    items: Float[np.ndarray, "items dim"], scoring: Scoring, *, trained: Bool[np.ndarray, " items"]
) -> Float[np.ndarray, "items dim"]:
    r"""Item vectors whose dot product with a user vector is the score.

    .. math:: s_{cosine}(u, i) = \frac{u \cdot z_i}{\lVert z_i \rVert}, \qquad
       s_{centred}(u, i) = \frac{u \cdot (z_i - \bar z)}{\lVert z_i - \bar z \rVert}

    The length of a user vector changes no ranking and stays.

    Args:
        items: final item vectors.
        scoring: which score.
        trained: items with training pairs, whose mean is :math:`\bar z`; one at least for ``"centred"``.

    Returns:
        ``items x dim``; a vector of zeros stays one.

    Example:
        >>> items = np.array([[3.0, 0.0], [0.0, 0.5], [1.0, 1.0]])
        >>> user = np.array([1.0, 0.9])
        >>> user @ items.T  # the long one wins
        array([3.  , 0.45, 1.9 ])
        >>> print(user @ scoring_items(items, "cosine", trained=np.array([True, True, False])).T)
        [1.         0.9        1.34350288]
    """
    if scoring == "dot":
        return items
    directions = items
    if scoring == "centred":
        # What nothing is known of has no direction, and gets none.
        directions = np.where(items.any(axis=1, keepdims=True), items - items[trained].mean(axis=0), 0.0)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions / np.where(lengths > 0, lengths, 1.0)


__all__ = ["Scoring", "scoring_items"]
