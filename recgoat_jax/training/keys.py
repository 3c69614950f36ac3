"""The one key-splitting rule: every random use has its tag and its counter.

``fold_in(fold_in(root, tag), counter)``: a resumed run draws what an unbroken one draws, and two uses never share
a key.
"""

from enum import IntEnum

import jax
from flax import nnx
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


def starting_rngs(root: Key[Array, ""]) -> nnx.Rngs:
    """What the parameters of a run start from.

    Args:
        root: root key of the run.

    Returns:
        Random streams for `build_model`.
    """
    return nnx.Rngs(params=tagged_key(root, Tag.INITIALIZATION, 0))


__all__ = ["Tag", "starting_rngs", "tagged_key"]
