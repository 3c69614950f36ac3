from math import exp, log

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recgoat_jax.losses import blocks, cmcl_loss, info_nce, sampled_softmax_loss

# Unit rows at 0, 90 and 60 degrees; keys at 0, 90 and 120 degrees, of other lengths.
HALF, ROOT = 0.5, 3**0.5 / 2
QUERIES = jnp.array([[1.0, 0.0], [0.0, 2.0], [HALF, ROOT]])
KEYS = jnp.array([[3.0, 0.0], [0.0, 1.0], [-5 * HALF, 5 * ROOT]])
COSINES = [[1.0, 0.0, -HALF], [0.0, 1.0, ROOT], [HALF, ROOT, HALF]]


def by_hand(cosines: list[list[float]], rows: list[int], negatives: dict[int, list[int]], tau: float) -> float:
    """Mean over ``rows`` of log(sum over own and negatives) - own, with the math module."""
    terms = [log(sum(exp(cosines[b][j] / tau) for j in [b, *negatives[b]])) - cosines[b][b] / tau for b in rows]
    return sum(terms) / len(terms)


ALL = {0: [1, 2], 1: [0, 2], 2: [0, 1]}
TRANSPOSED = [list(column) for column in zip(*COSINES, strict=True)]


@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_info_nce_by_hand(tau: float) -> None:
    forward = by_hand(COSINES, [0, 1, 2], ALL, tau)
    backward = by_hand(TRANSPOSED, [0, 1, 2], ALL, tau)
    assert forward != pytest.approx(backward, rel=1e-3)
    assert float(info_nce(QUERIES, KEYS, temperature=tau)) == pytest.approx(forward, rel=1e-5)
    assert float(info_nce(KEYS, QUERIES, temperature=tau)) == pytest.approx(backward, rel=1e-5)
    both = info_nce(QUERIES, KEYS, temperature=tau, direction="both")
    assert float(both) == pytest.approx((forward + backward) / 2, rel=1e-5)


def test_rows_with_the_same_id_are_no_negatives_of_each_other() -> None:
    expected = by_hand(COSINES, [0, 1, 2], {0: [1], 1: [0, 2], 2: [1]}, 0.2)
    assert float(info_nce(QUERIES, KEYS, ids=jnp.array([7, 3, 7]))) == pytest.approx(expected, rel=1e-5)
    alone, gradient = jax.value_and_grad(info_nce)(QUERIES, KEYS, ids=jnp.array([1, 1, 1]), direction="both")
    assert float(alone) == 0.0
    assert not np.any(gradient)


def test_masked_rows_are_neither_queries_nor_negatives() -> None:
    expected = by_hand(COSINES, [0, 2], {0: [2], 2: [0]}, 0.2)
    assert float(info_nce(QUERIES, KEYS, where=jnp.array([True, False, True]))) == pytest.approx(expected, rel=1e-5)


def test_small_temperatures_and_perfect_pairs_stay_exact() -> None:
    rows = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    value, gradient = jax.value_and_grad(info_nce)(rows, rows, temperature=0.05)
    assert float(value) == pytest.approx(exp(-40.0), rel=1e-4)  # log(1 + exp(-2 / .05)), far below float32's 1 + x
    assert np.isfinite(gradient).all()
    opposed = info_nce(rows, -rows, temperature=1e-3)
    assert float(opposed) == pytest.approx(2000.0)


def test_zero_rows_have_cosine_zero_and_no_gradient() -> None:
    queries = QUERIES.at[1].set(0.0)
    value, gradient = jax.value_and_grad(info_nce)(queries, KEYS, temperature=1.0)
    flat = [COSINES[0], [0.0, 0.0, 0.0], COSINES[2]]
    assert float(value) == pytest.approx(by_hand(flat, [0, 1, 2], ALL, 1.0), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert not np.any(gradient[1])


def test_the_temperature_can_be_learned() -> None:
    def loss(tau):
        return info_nce(QUERIES, KEYS, temperature=tau)

    slope = (by_hand(COSINES, [0, 1, 2], ALL, 0.501) - by_hand(COSINES, [0, 1, 2], ALL, 0.499)) / 0.002
    assert float(jax.grad(loss)(jnp.array(0.5))) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("loss", [info_nce, lambda a, b: cmcl_loss({"id": a, "text": b})], ids=["info_nce", "cmcl"])
def test_descent_raises_the_cosine_of_paired_views(loss) -> None:
    random = np.random.default_rng(0)
    views = jnp.asarray(random.normal(size=(2, 16, 4)), jnp.float32)

    def mean_cosine(views):
        unit = views / jnp.linalg.norm(views, axis=-1, keepdims=True)
        return float(jnp.mean(jnp.sum(unit[0] * unit[1], axis=-1)))

    @jax.jit
    def descended(views):
        return jax.lax.fori_loop(0, 50, lambda _, v: v - 2.0 * jax.grad(lambda v: loss(v[0], v[1]))(v), views)

    start, end = mean_cosine(views), mean_cosine(descended(views))
    assert end > max(0.8, start + 0.4)


def test_cmcl_is_the_mean_over_the_unordered_pairs() -> None:
    third = KEYS[::-1]
    expected = (
        info_nce(QUERIES, KEYS, direction="both")
        + info_nce(QUERIES, third, direction="both")
        + info_nce(KEYS, third, direction="both")
    ) / 3
    views = {"id": QUERIES, "text": KEYS, "image": third}
    assert float(cmcl_loss(views)) == pytest.approx(float(expected), rel=1e-6)
    reordered = {"image": third, "id": QUERIES, "text": KEYS}
    assert float(cmcl_loss(reordered)) == pytest.approx(float(expected), rel=1e-6)


def test_cmcl_compares_only_rows_that_both_views_have() -> None:
    presence = {"id": jnp.array([True, True, True]), "text": jnp.array([True, False, True])}
    expected = by_hand(COSINES, [0, 2], {0: [2], 2: [0]}, 0.2)
    expected_back = by_hand(TRANSPOSED, [0, 2], {0: [2], 2: [0]}, 0.2)
    value = cmcl_loss({"id": QUERIES, "text": KEYS.at[1].set(jnp.nan)}, where=presence)
    assert float(value) == pytest.approx((expected + expected_back) / 2, rel=1e-5)
    forward = cmcl_loss({"id": QUERIES, "text": KEYS}, where=presence, direction="forward")
    assert float(forward) == pytest.approx(expected, rel=1e-5)


def test_cmcl_weighs_pairs() -> None:
    views = {"id": QUERIES, "text": KEYS, "image": KEYS[::-1]}
    weights = {("text", "id"): 3.0, ("text", "image"): 0.0}
    text, image = info_nce(QUERIES, KEYS, direction="both"), info_nce(QUERIES, KEYS[::-1], direction="both")
    assert float(cmcl_loss(views, weights=weights)) == pytest.approx(float(3 * text + image) / 4, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": {"id": QUERIES}}, "two views or more"),
        ({"where": {"id": jnp.ones(3, bool)}}, r"none for \['text'\]"),
        ({"weights": {("id", "audio"): 1.0}}, "audio"),
        ({"weights": {("id", "text"): -1.0}}, "negative"),
        ({"weights": {("id", "text"): 0.0}}, "positive weight"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_cmcl_names_what_is_wrong(arguments: dict, message: str) -> None:
    views = arguments.pop("views", {"id": QUERIES, "text": KEYS})
    with pytest.raises(ValueError, match=message):
        cmcl_loss(views, **arguments)


@pytest.mark.parametrize("at_once", [26 * 13, 26 * 7, 26])
def test_keys_in_parts_give_the_same_value_and_gradient(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """26 keys at once against parts of 13, of 2 (7 do not divide them) and of 1: both directions, ids, masks."""
    random = np.random.default_rng(at_once)
    vectors = [jnp.asarray(random.normal(size=(26, 3)), jnp.float32) for _ in range(2)]
    ids, where = jnp.asarray(random.integers(0, 15, 26), jnp.int32), jnp.asarray(random.random(26) < 0.8)
    chances = jnp.asarray(np.log(random.uniform(0.1, 1.0, 26)), jnp.float32)

    def total(queries: jax.Array, keys: jax.Array) -> jax.Array:
        plain = info_nce(queries, keys, ids=ids, where=where, direction="both")
        return plain + sampled_softmax_loss(queries, keys, temperature=1.0, where=where, log_probabilities=chances)

    whole = jax.value_and_grad(total, argnums=(0, 1))(*vectors)
    monkeypatch.setattr(blocks, "SCORES_AT_ONCE", at_once)
    jax.clear_caches()
    in_parts = jax.value_and_grad(total, argnums=(0, 1))(*vectors)
    jax.clear_caches()
    assert blocks.number_of_parts(26, 26) == {26 * 13: 2, 26 * 7: 13, 26: 26}[at_once]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), whole, in_parts)


def test_a_number_of_keys_without_divisors_is_one_part() -> None:
    assert blocks.number_of_parts(2**20, 8_191) == 1
    assert blocks.number_of_parts(8_192, 8_192) == 8
    assert blocks.number_of_parts(1_024, 1_024) == 1


def test_the_forward_way_does_not_depend_on_the_order_of_views() -> None:
    expected = by_hand(COSINES, [0, 1, 2], ALL, 0.2)
    for views in ({"id": QUERIES, "text": KEYS}, {"text": KEYS, "id": QUERIES}):
        for loss in (cmcl_loss, jax.jit(cmcl_loss, static_argnames="direction")):
            assert float(loss(views, direction="forward")) == pytest.approx(expected, rel=1e-5)
