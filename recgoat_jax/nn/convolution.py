"""Convolutions on ``images x height x width x channels`` arrays, in the form that suits the device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "images height width channels"]
Filtered = Float[Array, "images out_height out_width channels"]


def depthwise(x: Images, kernel: Float[Array, "size size channels"], *, stride: int = 1) -> Filtered:
    """A filter of its own for each channel, padded with zeros so that the output has ``ceil(input / stride)`` pixels.

    Padding is TensorFlow's "SAME": where it is odd, the larger half is on the right and below. On CPU the sum over
    the places of the kernel is written as products of shifted arrays, which fuse into one loop over the channels: a
    grouped convolution takes many times as long there.

    Args:
        x: ``images x height x width x channels``.
        kernel: ``size x size x channels``, rows of the kernel first; correlation, not flipped.
        stride: pixels between outputs, the same in both directions.

    Returns:
        ``images x ceil(height / stride) x ceil(width / stride) x channels``.
    """
    shifted, grouped = (lambda x, kernel, form=form: form(x, kernel, stride) for form in (_shifted, _grouped))
    return jax.lax.platform_dependent(x, kernel, cpu=shifted, default=grouped)


def _shifted(x: Images, kernel: Float[Array, "size size channels"], stride: int) -> Filtered:
    size = kernel.shape[0]
    pads = [_same_padding(extent, size, stride) for extent in x.shape[1:3]]
    height, width = (-(-extent // stride) for extent in x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    total = jnp.zeros((), x.dtype)
    for row in range(size):
        for column in range(size):
            rows = slice(row, row + stride * (height - 1) + 1, stride)
            columns = slice(column, column + stride * (width - 1) + 1, stride)
            total = total + padded[:, rows, columns] * kernel[row, column]
    return total


def _grouped(x: Images, kernel: Float[Array, "size size channels"], stride: int) -> Filtered:
    return jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def _same_padding(extent: int, size: int, stride: int) -> tuple[int, int]:
    total = max((-(-extent // stride) - 1) * stride + size - extent, 0)
    return total // 2, total - total // 2


__all__ = ["depthwise"]
