import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.nn.alignment import AdaptiveTransport, match_scale, root_mean_square, standardize
from recgoat_jax.nn.fusion import DenseFusion, WeightedFusion, weighted_sum

ALL = jnp.ones(64, bool)


def make(transport: str, residual: str) -> AdaptiveTransport:
    return AdaptiveTransport(
        4, transport=transport, residual=residual, epsilon=None, num_iterations=100, rngs=nnx.Rngs(0)
    )


def test_a_plan_undoes_a_permutation_of_axes() -> None:
    target = jax.random.normal(jax.random.key(0), (64, 4))
    order = jnp.array([2, 0, 3, 1])
    aligned = AdaptiveTransport(
        4, transport="plan", residual="zero", epsilon=0.02, num_iterations=100, rngs=nnx.Rngs(0)
    )(5.0 * target[:, order], target, present=ALL)
    np.testing.assert_allclose(aligned.values, standardize(target, ALL), atol=1e-3)
    assert float(aligned.marginal_error) < 1e-3
    np.testing.assert_allclose(aligned.plan, np.eye(4)[:, order].T, atol=1e-3)


@pytest.mark.parametrize(
    ("transport", "residual", "zero"),
    [("none", "none", True), ("none", "xavier", False), ("plan", "none", False), ("linear", "none", False)],
)
def test_what_maps_is_what_was_asked_for(transport: str, residual: str, zero: bool) -> None:
    source, target = jax.random.normal(jax.random.key(1), (2, 64, 4))
    aligned = make(transport, residual)(source, target, present=ALL).values
    assert bool((aligned == 0).all()) == zero


def test_the_permutation_control_permutes_axes() -> None:
    source, target = jax.random.normal(jax.random.key(1), (2, 64, 4))
    aligned = np.asarray(make("permutation", "none")(source, target, present=ALL).values)
    columns = np.asarray(standardize(source, ALL))
    matches = [[np.allclose(aligned[:, j], columns[:, i]) for i in range(4)] for j in range(4)]
    assert np.array_equal(np.sum(matches, axis=0), np.ones(4))
    assert np.array_equal(np.sum(matches, axis=1), np.ones(4))


def test_scales_by_hand() -> None:
    x = jnp.array([[3.0, 4.0], [0.0, 0.0], [100.0, 100.0]])
    present = jnp.array([True, True, False])
    np.testing.assert_allclose(root_mean_square(x, present), np.sqrt((9 + 16) / 4), rtol=1e-5)
    matched = match_scale(x, 2 * jnp.ones_like(x), present)
    np.testing.assert_allclose(root_mean_square(matched, present), 2.0, rtol=1e-5)
    z = np.asarray(standardize(x, present))
    np.testing.assert_allclose(z, [[1, 1], [-1, -1], [0, 0]], atol=1e-5)


def test_rows_that_are_not_fitted_are_mapped_and_change_nothing() -> None:
    rng = np.random.default_rng(3)
    source, target = (jnp.asarray(rng.normal(size=(40, 4)), jnp.float32) for _ in range(2))
    transport = AdaptiveTransport(
        4, transport="plan", residual="none", epsilon=0.3, num_iterations=50, rngs=nnx.Rngs(0)
    )
    fitted = jnp.arange(40) < 30
    present = jnp.arange(40) != 35
    few = transport(source[:30], target[:30], present=present[:30])
    both = transport(source.at[30:].multiply(9.0), target, present=present, fitted=fitted)
    np.testing.assert_allclose(both.values[:30], few.values, atol=1e-5)
    np.testing.assert_allclose(both.cost, few.cost, rtol=1e-5)
    # The plan and the scale of the others map the rest.
    standard = (source[30:] * 9 - source[:30].mean(0)) / source[:30].std(0)
    plan = np.linalg.lstsq(np.asarray(standardize(source[:30], present[:30])), np.asarray(few.values))[0]
    np.testing.assert_allclose(both.values[30:], np.where(present[30:, None], standard @ plan, 0), atol=1e-4)


def test_the_published_plan_is_that_of_the_fitted_rows_as_well() -> None:
    rng = np.random.default_rng(4)
    source, target = (jnp.asarray(rng.normal(size=(40, 4)), jnp.float32) for _ in range(2))
    transport = AdaptiveTransport(
        4, transport="released", residual="none", epsilon=5.0, num_iterations=50, rngs=nnx.Rngs(0)
    )
    # It counts items without the modality.
    present, fitted = jnp.arange(40) != 5, jnp.arange(40) < 30
    few = transport(source[:30], target[:30], present=present[:30])
    grown = transport(source.at[30:].multiply(9.0), target, present=present, fitted=fitted)
    np.testing.assert_allclose(grown.values[:30], few.values, atol=1e-6)
    without = transport(source[:30].at[5].set(0.0), target[:30], present=present[:30])
    assert not np.allclose(without.plan, few.plan, atol=1e-6)


def test_weighted_fusion_by_hand() -> None:
    fusion = WeightedFusion({"id": 0.5, "text": 0.25, "image": 0.25}, weights="learned")
    views = {"id": jnp.ones((2, 1)), "text": 2 * jnp.ones((2, 1)), "image": 4 * jnp.ones((2, 1))}
    fused = fusion(views, {"image": jnp.array([True, False])})
    np.testing.assert_allclose(fused[:, 0], [0.5 + 0.5 + 1.0, (0.5 + 0.5) / 0.75], rtol=1e-6)


def test_a_share_of_zero_can_be_learned_and_is_held_where_it_is_fixed() -> None:
    shares = {"id": 1.0, "text": 0.0}
    learned, fixed = (WeightedFusion(shares, weights=weights) for weights in ("learned", "fixed"))
    np.testing.assert_allclose(learned.shares(), [1.0, 1e-6], rtol=1e-5)
    np.testing.assert_array_equal(fixed.shares(), [1.0, 0.0])
    assert np.isfinite(learned.logits[...]).all()
    gradient = jax.grad(lambda logits: jax.nn.softmax(logits)[1])(learned.logits[...])
    assert (gradient != 0).all()


def test_a_weight_on_views_that_an_item_lacks_leaves_zero() -> None:
    views = {"id": jnp.ones((2, 1)), "image": 4 * jnp.ones((2, 1))}
    mixed = weighted_sum(jnp.array([0.0, 1.0]), views, {"image": jnp.array([True, False])})
    np.testing.assert_array_equal(mixed[:, 0], [4.0, 0.0])


def test_unconstrained_weights_are_the_published_form() -> None:
    fusion = WeightedFusion({"id": 0.15, "image": 0.05, "text": 0.8}, weights="unconstrained")
    np.testing.assert_allclose(fusion.shares(), [0.15, 0.05, 0.8], rtol=1e-6)
    assert fusion.logits[...].shape == (2,)


def test_dense_fusions_by_hand() -> None:
    views = {"id": jnp.ones((2, 2)), "text": 2 * jnp.ones((2, 2))}
    for kind, width in (("concat", 4), ("sum", 2)):
        fusion = DenseFusion(("id", "text"), 2, kind=kind, rngs=nnx.Rngs(0))
        assert fusion.map.kernel[...].shape == (width, 2)
        fusion.map.kernel[...] = jnp.ones((width, 2))
        fused = fusion(views, {"text": jnp.array([True, False])})
        # Ones everywhere in the map: the sum of all entries of the views that the item has.
        np.testing.assert_allclose(fused, [[6.0, 6.0], [2.0, 2.0]])
