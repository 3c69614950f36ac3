"""Variable kinds of modules, and how tables start."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

Initialization = Literal["xavier_uniform", "xavier_normal", "normal"]
"""Start of an ID table: Xavier uniform or normal over the whole table, or Normal(0, 0.1^2)."""


class Constant(nnx.Variable):
    """What a module reads and never trains: graphs, features, counts. Passed to the step, not compiled into it."""


def initial_table(
    key: Key[Array, ""], rows: int, dim: int, *, initialization: Initialization
) -> Float[Array, "rows dim"]:
    """A fresh ID table.

    Args:
        key: random key.
        rows: rows of the vocabulary.
        dim: embedding width.
        initialization: ``"xavier_uniform"`` is U(-b, b) with b = sqrt(6 / (rows + dim)); ``"xavier_normal"`` has the
            standard deviation sqrt(2 / (rows + dim)); ``"normal"`` is Normal(0, 0.1^2).

    Returns:
        The table, float32.
    """
    match initialization:
        case "xavier_uniform":
            bound = (6.0 / (rows + dim)) ** 0.5
            return jax.random.uniform(key, (rows, dim), jnp.float32, -bound, bound)
        case "xavier_normal":
            return (2.0 / (rows + dim)) ** 0.5 * jax.random.normal(key, (rows, dim))
        case "normal":
            return 0.1 * jax.random.normal(key, (rows, dim))


__all__ = ["Constant", "Initialization", "initial_table"]
