"""EfficientNet-Lite: pictures to feature vectors by mobile inverted bottlenecks.

A block widens its input by a pointwise product, filters every channel by itself, and narrows it again, with ReLU6
after the first two; where shapes allow, the input is added. Normalisation by stored means and variances is a linear
map per channel and is folded into the products, so that weights here have biases and no statistics.

Sources: Tan and Le, "EfficientNet", ICML 2019; Sandler et al., "MobileNetV2", CVPR 2018. The Lite form (2020) leaves
out squeeze-and-excitation and takes ReLU6 for Swish.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from recgoat_jax.nn.convolution import depthwise


class Stage(NamedTuple):
    """Blocks of one width.

    Attributes:
        blocks: how many.
        kernel: side of the depthwise filter.
        stride: of the first block; the others have 1.
        expansion: width within a block over that of its input.
        channels: width of the output.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@dataclass(frozen=True)
class EfficientNetConfig:
    """Sizes; the defaults are EfficientNet-Lite0's.

    Attributes:
        stem_channels: width after the first convolution, which halves the picture.
        stages: the blocks.
        head_channels: width of the features.
    """

    stem_channels: int = 32
    stages: tuple[Stage, ...] = (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, 112),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    )
    head_channels: int = 1280


class BottleneckShape(NamedTuple):
    """One block.

    Attributes:
        inputs: channels of the input.
        inner: channels between the products.
        outputs: channels of the output.
        kernel: side of the depthwise filter.
        stride: of the depthwise filter.
    """

    inputs: int
    inner: int
    outputs: int
    kernel: int
    stride: int


def bottleneck_shapes(config: EfficientNetConfig) -> list[BottleneckShape]:
    """All blocks, in order."""
    shapes = []
    inputs = config.stem_channels
    for stage in config.stages:
        for number in range(stage.blocks):
            stride = stage.stride if number == 0 else 1
            inner = stage.expansion * inputs
            shapes.append(BottleneckShape(inputs, inner, stage.channels, stage.kernel, stride))
            inputs = stage.channels
    return shapes


class Bottleneck(nnx.Module):
    """A mobile inverted bottleneck.

    Args:
        shape: its sizes; without expansion there is no first product.
        rngs: the ``params`` stream draws the weights.
    """

    def __init__(self, shape: BottleneckShape, *, rngs: nnx.Rngs) -> None:
        self.shape = shape
        self.expand = nnx.Linear(shape.inputs, shape.inner, rngs=rngs) if shape.inner != shape.inputs else None
        initial = nnx.initializers.variance_scaling(2.0, "fan_in", "normal", in_axis=(0, 1), out_axis=2)
        self.kernel = nnx.Param(initial(rngs.params(), (shape.kernel, shape.kernel, shape.inner)))
        self.bias = nnx.Param(jnp.zeros(shape.inner))
        self.project = nnx.Linear(shape.inner, shape.outputs, rngs=rngs)

    def __call__(
        self, x: Float[Array, "images height width inputs"]
    ) -> Float[Array, "images out_height out_width outputs"]:
        """Applies the block."""
        inner = x if self.expand is None else jax.nn.relu6(self.expand(x))
        filtered = depthwise(inner, self.kernel[...], stride=self.shape.stride)
        narrow = self.project(jax.nn.relu6(filtered + self.bias[...]))
        return narrow + x if self.shape.stride == 1 and self.shape.inputs == self.shape.outputs else narrow


class EfficientNetLite(nnx.Module):
    """The network without its classifier.

    Args:
        config: sizes.
        rngs: the ``params`` stream draws the weights.
    """

    def __init__(self, config: EfficientNetConfig, *, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, config.stem_channels, (3, 3), strides=2, padding="SAME", rngs=rngs)
        self.blocks = nnx.List([Bottleneck(shape, rngs=rngs) for shape in bottleneck_shapes(config)])
        self.head = nnx.Linear(config.stages[-1].channels, config.head_channels, rngs=rngs)

    def __call__(self, images: Float[Array, "images height width 3"]) -> Float[Array, "images dim"]:
        """Features of pictures, the mean over all places.

        Args:
            images: ``images x height x width x 3``, normalised as the weights expect.

        Returns:
            ``images x head_channels``, none negative.
        """
        x = jax.nn.relu6(self.stem(images))
        for block in self.blocks:
            x = block(x)
        return jnp.mean(jax.nn.relu6(self.head(x)), axis=(1, 2))


__all__ = ["Bottleneck", "BottleneckShape", "EfficientNetConfig", "EfficientNetLite", "Stage", "bottleneck_shapes"]
