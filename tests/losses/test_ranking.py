from math import exp, log

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.losses import bpr_loss, sampled_softmax_loss


def test_bpr_is_the_mean_negative_log_sigmoid_of_the_differences() -> None:
    value = bpr_loss(jnp.array([2.0, 0.5]), jnp.array([1.0, 1.5]))
    assert float(value) == pytest.approx((log(1 + exp(-1.0)) + log(1 + exp(1.0))) / 2, rel=1e-6)


def test_bpr_averages_several_negatives() -> None:
    value = bpr_loss(jnp.array([2.0, 0.5]), jnp.array([[1.0, 0.0, 2.0], [0.5, 0.5, 0.5]]))
    first = (log(1 + exp(-1.0)) + log(1 + exp(-2.0)) + log(2)) / 3
    assert float(value) == pytest.approx((first + log(2)) / 2, rel=1e-6)


@pytest.mark.parametrize(("difference", "expected"), [(1000.0, 0.0), (-1000.0, 1000.0), (-1e30, 1e30)])
def test_bpr_is_exact_for_extreme_scores(difference: float, expected: float) -> None:
    value, gradient = jax.value_and_grad(bpr_loss)(jnp.array([difference]), jnp.array([0.0]))
    assert float(value) == pytest.approx(expected)
    assert float(gradient[0]) == pytest.approx(0.0 if difference > 0 else -1.0)


def test_bpr_gradient_raises_positives_and_lowers_negatives() -> None:
    up, down = jax.grad(bpr_loss, argnums=(0, 1))(jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(up, [-0.25, -0.25], rtol=1e-6)  # -sigmoid(0) / 2
    np.testing.assert_allclose(down, [0.25, 0.25], rtol=1e-6)


def test_sampled_softmax_by_hand() -> None:
    queries, keys = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([[1.0, 1.0], [3.0, 1.0]])
    value = sampled_softmax_loss(queries, keys, temperature=2.0)
    # Scores: row 0: 1/2 and 3/2; row 1: 2/2 and 2/2.
    assert float(value) == pytest.approx((log(1 + exp(1.0)) + log(2)) / 2, rel=1e-6)


def test_sampled_softmax_subtracts_the_log_probability_of_every_item() -> None:
    queries, keys = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([[1.0, 1.0], [3.0, 1.0]])
    value = sampled_softmax_loss(queries, keys, log_probabilities=jnp.log(jnp.array([0.5, 0.1])))
    # exp(score) / p: row 0: e/.5 (own), e^3/.1; row 1: e^2/.5, e^2/.1 (own).
    first = log(1 + exp(3.0) / 0.1 / (exp(1.0) / 0.5))
    second = log(1 + 0.1 / 0.5)
    assert float(value) == pytest.approx((first + second) / 2, rel=1e-6)
    equal_chances = sampled_softmax_loss(queries, keys, log_probabilities=jnp.log(jnp.array([0.3, 0.3])))
    assert float(equal_chances) == pytest.approx(float(sampled_softmax_loss(queries, keys)), rel=1e-5)


def test_sampled_softmax_takes_rows_of_the_same_item_out_of_the_negatives() -> None:
    queries, keys = jnp.array([[1.0], [1.0], [1.0]]), jnp.array([[1.0], [1.0], [0.0]])
    value = sampled_softmax_loss(queries, keys, ids=jnp.array([4, 4, 9]))
    # Rows 0 and 1 have row 2 as their only negative; row 2 has both.
    expected = (2 * log(1 + exp(-1.0)) + log(1 + 2 * exp(1.0))) / 3
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_cosine_ignores_lengths_and_the_inner_product_does_not() -> None:
    queries, keys = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[1.0, 1.0], [0.0, 1.0]])
    cosine = sampled_softmax_loss(queries, keys, similarity="cosine")
    assert float(sampled_softmax_loss(3 * queries, 7 * keys, similarity="cosine")) == pytest.approx(float(cosine))
    root = 2**-0.5
    expected = (log(1 + exp(-root)) + log(1 + exp(root - 1))) / 2
    assert float(cosine) == pytest.approx(expected, rel=1e-6)
    assert float(sampled_softmax_loss(queries, keys)) == pytest.approx((log(1 + exp(-1)) + log(2)) / 2, rel=1e-6)
