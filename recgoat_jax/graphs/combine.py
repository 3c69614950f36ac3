"""How the layers of a linear propagation become one representation."""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Array, Float

LayerCombination = Literal["mean", "sum", "last"]
"""How the layers of LightGCN become one representation."""


def combine_layers(
    convolve: Callable[[Float[Array, "nodes dim"]], Float[Array, "nodes dim"]],
    x: Float[Array, "nodes dim"],
    *,
    num_layers: int,
    combine: LayerCombination,
) -> Float[Array, "nodes dim"]:
    """One representation of the layers 0 to L, each a convolution of the one before.

    Args:
        convolve: the next layer of one.
        x: ``nodes x dim``, layer 0.
        num_layers: L; 0 returns ``x`` itself.
        combine: mean or sum of the layers 0 to L, or the last layer alone.

    Returns:
        ``nodes x dim``.

    Raises:
        ValueError: a negative number of layers.
    """
    if num_layers < 0:
        raise ValueError(f"num_layers is {num_layers}; expected 0 or more.")
    layer, total = x, x
    for _ in range(num_layers):
        layer = convolve(layer)
        total = total + layer
    match combine:
        case "mean":
            return total / (num_layers + 1)
        case "sum":
            return total
        case "last":
            return layer


__all__ = ["LayerCombination", "combine_layers"]
