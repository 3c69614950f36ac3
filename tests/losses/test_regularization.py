from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.losses import embedding_norm_regularization, l2_regularization

USERS = jnp.array([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]])
ITEMS = jnp.array([[0.0, 1.0, 1.0], [2.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
FIRST_TWO = jnp.array([True, True, False])


def test_l2_is_the_mean_squared_length_without_a_half() -> None:
    assert float(l2_regularization(USERS, ITEMS, where=FIRST_TWO)) == pytest.approx((1 + 4 + 9 + 16 + 1 + 1 + 4) / 2)
    np.testing.assert_allclose(jax.grad(l2_regularization)(USERS, where=FIRST_TWO)[:2], USERS[:2])  # 2 x / 2


def test_norm_is_not_squared_and_divided_by_the_batch_size() -> None:
    value = embedding_norm_regularization(USERS, ITEMS, where=FIRST_TWO)
    assert float(value) == pytest.approx((sqrt(30) + sqrt(6)) / 2, rel=1e-6)
    gradient = jax.grad(embedding_norm_regularization)(USERS, where=FIRST_TWO)
    np.testing.assert_allclose(gradient, np.where(FIRST_TWO[:, None], USERS / sqrt(30) / 2, 0.0), rtol=1e-6)


def test_norm_of_nothing_has_no_gradient() -> None:
    value, gradient = jax.value_and_grad(embedding_norm_regularization)(jnp.zeros((3, 2)))
    assert float(value) == 0.0
    assert not np.any(gradient)


@pytest.mark.parametrize("penalty", [l2_regularization, embedding_norm_regularization])
def test_nothing_to_penalise_is_an_error(penalty) -> None:
    with pytest.raises(ValueError, match="at least one array"):
        penalty()
