import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.training.optimizer import OptimizerConfig, WarmupCosineSchedule, make_optimizer


class Two(nnx.Module):
    def __init__(self) -> None:
        self.user_table = nnx.Param(jnp.ones(3))
        self.map = nnx.Param(jnp.ones(3))


def step_sizes(config: OptimizerConfig, *, gradient: float, steps: int) -> dict[str, np.ndarray]:
    _, params = nnx.split(Two(), nnx.Param)
    optimizer = make_optimizer(config, steps_per_epoch=10)
    state = optimizer.init(params)
    gradients = nnx.map_state(lambda path, leaf: leaf.replace(jnp.full(3, gradient)), params)
    sizes: dict[str, list[float]] = {"user_table": [], "map": []}
    for _ in range(steps):
        updates, state = optimizer.update(gradients, state, params)
        for name, values in sizes.items():
            values.append(float(updates[name][...][0]))
    return {name: np.array(values) for name, values in sizes.items()}


def test_adam_moves_by_the_learning_rate_against_the_gradient() -> None:
    sizes = step_sizes(OptimizerConfig(learning_rate=0.01), gradient=3.0, steps=3)
    np.testing.assert_allclose(sizes["map"], -0.01, rtol=1e-4)


def test_decay_spares_the_id_tables() -> None:
    sizes = step_sizes(OptimizerConfig(learning_rate=0.01, weight_decay=0.5), gradient=3.0, steps=1)
    np.testing.assert_allclose(sizes["user_table"], -0.01, rtol=1e-4)
    np.testing.assert_allclose(sizes["map"], -0.01 * (1 + 0.5), rtol=1e-4)


def test_warm_up_rises_from_zero_and_the_cosine_ends_where_it_should() -> None:
    schedule = WarmupCosineSchedule(warmup_epochs=2.0, decay_epochs=4.0, final_fraction=0.2)
    sizes = -step_sizes(OptimizerConfig(learning_rate=0.01, schedule=schedule), gradient=1.0, steps=50)["map"]
    assert sizes[0] == 0.0
    np.testing.assert_allclose(sizes[10], 0.005, rtol=1e-4)
    np.testing.assert_allclose(sizes[20], 0.01, rtol=1e-4)
    np.testing.assert_allclose(sizes[30], 0.01 * (0.2 + 0.8 * 0.5), rtol=1e-4)
    np.testing.assert_allclose(sizes[40:], 0.002, rtol=1e-4)


def test_clipping_bounds_the_gradient_before_adam() -> None:
    clipped = step_sizes(OptimizerConfig(gradient_clip=1e-9), gradient=1.0, steps=1)["map"]
    # Adam's epsilon of 1e-8 shows only when the gradient is as small as that.
    assert -1e-3 < clipped[0] < -1e-6
    assert clipped[0] > -2e-4


def test_a_cosine_that_ends_before_its_warm_up_is_refused_and_a_short_one_is_not() -> None:
    with pytest.raises(ValueError, match=r"found 5\.0 epochs of warm-up and a cosine that ends after 5\.0; expected"):
        WarmupCosineSchedule(5.0, 5.0)
    # Both round to the same step.
    schedule = WarmupCosineSchedule(warmup_epochs=1.0, decay_epochs=1.01, final_fraction=0.5)
    sizes = -step_sizes(OptimizerConfig(learning_rate=0.01, schedule=schedule), gradient=1.0, steps=12)["map"]
    np.testing.assert_allclose(sizes[[10, 11]], [0.01, 0.005], rtol=1e-4)
