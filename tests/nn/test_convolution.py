import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.nn.convolution import _grouped, depthwise


def plain(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Output by output; the window of the first one starts half of the odd padding before the picture."""
    size = len(kernel)
    out = [-(-extent // stride) for extent in x.shape[1:3]]
    before = [max((o - 1) * stride + size - extent, 0) // 2 for o, extent in zip(out, x.shape[1:3], strict=True)]
    result = np.zeros((len(x), *out, x.shape[-1]))
    for i in range(out[0]):
        for j in range(out[1]):
            for row in range(size):
                for column in range(size):
                    y, z = i * stride + row - before[0], j * stride + column - before[1]
                    if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                        result[:, i, j] += x[:, y, z] * kernel[row, column]
    return result


@pytest.mark.parametrize(("height", "width", "size", "stride"), [(6, 7, 3, 1), (6, 7, 3, 2), (7, 8, 5, 2)])
def test_both_forms_are_the_sum_over_the_window(height, width, size, stride):
    rng = np.random.default_rng(size + stride)
    x = rng.normal(size=(2, height, width, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 3)).astype(np.float32)
    expected = plain(x, kernel, stride)
    np.testing.assert_allclose(
        jax.jit(depthwise, static_argnames="stride")(x, kernel, stride=stride), expected, atol=1e-5
    )
    np.testing.assert_allclose(_grouped(jnp.asarray(x), jnp.asarray(kernel), stride), expected, atol=1e-5)
