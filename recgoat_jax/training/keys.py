"""The one key-splitting rule: every random use has its tag and its counter.

``fold_in(fold_in(root, tag), counter)``: a resumed run draws what an unbroken one draws, and two uses never share
a key.
"""

from enum import IntEnum

import jax
from jaxtyping import Array, Int, Key


class Tag(IntEnum):
    """What a key is for."""

    INITIALIZATION = 0
    SHUFFLE = 1
    NEGATIVES = 2
    MODEL = 3


def tagged_key(root: Key[Array, ""], tag: Tag, counter: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of one use.

    Args:
        root: root key of the run.
        tag: what it is for.
        counter: step or epoch.

    Returns:
        A key that no other tag or counter gives.
    """
    return jax.random.fold_in(jax.random.fold_in(root, tag), counter)


__all__ = ["Tag", "tagged_key"]
