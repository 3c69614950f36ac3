"""The terms of RecGOAT's loss by their definitions, and each setting in every place that it governs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.linear_model import Ridge

from recgoat_jax.data import Dataset
from recgoat_jax.graphs import Adjacency, co_occurrence_graph, neighbor_graph
from recgoat_jax.graphs.products import graph_product
from recgoat_jax.models import Batch, RecGoat, RecGoatConfig
from tests.worlds import blocks

STILL = RecGoatConfig(
    dim=8,
    num_layers=2,
    heads=2,
    neighbors=3,
    id_share=0.8,
    feature_dropout=0.0,
    attention_dropout=0.0,
    output_dropout=0.0,
    contrast_weight=0.1,
    id_graph_contrast_weight=0.2,
    user_item_contrast_weight=0.3,
    wasserstein_weight=0.4,
    temperature=0.5,
    contrast_examples=5,
)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return blocks()


def make(config: RecGoatConfig, world: Dataset) -> RecGoat:
    return RecGoat(config, world, rngs=nnx.Rngs(0))


def by_loops(queries: np.ndarray, keys: np.ndarray, ids: np.ndarray, rows: list[int]) -> float:
    """InfoNCE at temperature 0.5; a row with the id of the query is no negative of it."""
    losses = []
    for b in rows:
        cosines = {
            j: queries[b] @ keys[j] / np.linalg.norm(queries[b]) / np.linalg.norm(keys[j])
            for j in rows
            if j == b or ids[j] != ids[b]
        }
        losses.append(np.log(sum(np.exp(c / 0.5) for c in cosines.values())) - cosines[b] / 0.5)
    return float(np.mean(losses))


def test_each_term_is_its_definition(world: Dataset) -> None:
    """Item 1 comes twice, item 7 has no image, the last of six examples is beyond the item contrasts."""
    items, users = np.array([1, 2, 7, 10, 1, 12]), np.array([0, 1, 3, 8, 2, 9])
    batch = Batch(
        jnp.asarray(users, jnp.int32),
        jnp.asarray(items, jnp.int32),
        jnp.array([12, 13, 4, 5, 14, 0]),
        jnp.ones(6, bool),
    )
    model = make(STILL, world)
    terms = model.loss(batch, key=jax.random.key(0)).terms
    encoded = model.encode()
    views = {name: np.asarray(view, np.float64)[items] for name, view in encoded.views.items()}
    seen = [row for row in range(5) if world.item_features["image"].present[items[row]]]
    assert seen == [0, 1, 3, 4]

    def both(a: np.ndarray, b: np.ndarray, rows: list[int]) -> float:
        return (by_loops(a, b, items, rows) + by_loops(b, a, items, rows)) / 2

    first = list(range(5))
    contrast = [
        both(views["id"], views["text"], first),
        both(views["id"], views["image"], seen),
        both(views["text"], views["image"], seen),
    ]
    assert float(terms["contrast"]) == pytest.approx(0.1 * np.mean(contrast), rel=1e-4)
    collaborative, hop = (np.asarray(side, np.float64)[items] for side in (encoded.collaborative, encoded.hop))
    assert float(terms["id_graph_contrast"]) == pytest.approx(0.2 * both(collaborative, hop, first), rel=1e-4)
    fused = np.asarray(encoded.items, np.float64)[items]
    user_item = by_loops(np.asarray(encoded.users, np.float64)[users], fused, np.arange(6), list(range(6)))
    assert float(terms["user_item_contrast"]) == pytest.approx(0.3 * user_item, rel=1e-4)
    cost = sum(float(one.cost) for one in encoded.aligned.values())
    assert cost > 0
    assert float(terms["wasserstein"]) == pytest.approx(0.4 * cost, rel=1e-4)


@pytest.mark.parametrize("rate", ["feature_dropout", "attention_dropout", "output_dropout"])
def test_every_rate_acts_on_every_branch_in_training_alone(world: Dataset, rate: str) -> None:
    model = make(replace(STILL, **{rate: 0.5}), world)
    plain, noisy = model.encode(), model.encode(key=jax.random.key(0))
    assert not np.allclose(noisy.users, plain.users)
    for name in ("text", "image"):
        assert not np.allclose(noisy.views[name], plain.views[name]), name
    np.testing.assert_array_equal(noisy.views["id"], plain.views["id"])
    still = make(STILL, world)
    for one, other in zip(still.vectors(), still.encode(key=jax.random.key(0))[:2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_normalized_output_is_dropped_in_training_alone(world: Dataset) -> None:
    model = make(replace(STILL, output="normalized", fusion="id", output_dropout=0.5, user_branch="none"), world)
    kept = np.asarray(model.encode(key=jax.random.key(0)).items) != 0
    assert 0.3 < kept.mean() < 0.7
    assert (np.asarray(model.vectors().items) != 0).all()


def test_layers_heads_and_neighbours_reach_every_branch(world: Dataset) -> None:
    few, many = (make(replace(STILL, branch_layers=2, heads=4, neighbors=k), world) for k in (1, 4))
    for one, other in (
        *zip(few.branches.values(), many.branches.values(), strict=True),
        (few.profiles.branch, many.profiles.branch),
    ):
        assert [layer.source_vector.shape for layer in one.attention] == [(4, 2), (4, 2)]
        assert one.adjacency.get_value().num_edges < other.adjacency.get_value().num_edges


def test_the_mix_goes_from_the_collaborative_vector_to_the_profile(world: Dataset) -> None:
    none, half, whole = (make(replace(STILL, user_mix=mix), world).vectors().users for mix in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + whole) / 2, rtol=1e-4, atol=1e-6)
    assert not np.allclose(none, whole)


def test_shares_of_modalities_reach_the_item_graph_and_the_fusion(world: Dataset) -> None:
    even, uneven = make(STILL, world), make(replace(STILL, modality_shares=(("text", 3.0),)), world)
    weights = [np.asarray(model.item_graph.get_value().weights) for model in (even, uneven)]
    assert not np.allclose(*weights)
    np.testing.assert_allclose(even.weighting.shares(), [0.8, 0.1, 0.1], rtol=1e-5)
    shares = dict(zip(uneven.weighting.names, np.asarray(uneven.weighting.shares()).tolist(), strict=True))
    assert shares == pytest.approx({"id": 0.8, "text": 0.15, "image": 0.05}, rel=1e-5)


def dense_item_graph(config: RecGoatConfig, world: Dataset) -> np.ndarray:
    model = make(config, world)
    assert model.item_graph is not None
    return np.asarray(graph_product(model.item_graph.get_value(), jnp.eye(world.num_items)))


def test_what_is_bought_together_takes_its_share_from_the_modalities(world: Dataset) -> None:
    """At half and half the graph lies midway between that of the modalities and the normalised co-occurrence alone."""

    def dense(share: float) -> np.ndarray:
        return dense_item_graph(replace(STILL, co_purchase_share=share), world)

    together = np.asarray(
        graph_product(
            Adjacency.from_graph(neighbor_graph(co_occurrence_graph(world.train, world.num_items, k=STILL.neighbors))),
            jnp.eye(world.num_items),
        )
    )
    np.testing.assert_allclose(dense(0.5), 0.5 * dense(0.0) + 0.5 * together, atol=1e-6)


def test_what_ease_joins_takes_the_same_place_in_its_own_weights(world: Dataset) -> None:
    """The largest weights of a ridge regression of each item on all others, the larger of both directions, D^-1/2."""
    penalty, share, size = 3.0, 0.5, world.num_items
    rows = np.zeros((world.num_users, size))
    rows[world.train.users, world.train.items] = 1
    together = np.zeros((size, size))
    for item in range(size):
        others = np.delete(np.arange(size), item)
        weights = Ridge(alpha=penalty, fit_intercept=False).fit(rows[:, others], rows[:, item]).coef_
        # What is 0 but for rounding joins nothing.
        largest = [place for place in np.argsort(-weights)[: STILL.neighbors] if weights[place] > 1e-6]
        together[item, others[largest]] = weights[largest]
    together = np.maximum(together, together.T)
    degrees = together.sum(axis=1)
    roots = np.sqrt(np.where(degrees > 0, degrees, 1.0))
    together /= np.outer(roots, roots)
    assert len(set(np.round(together[together > 0], 4))) > size  # The weights differ, and the edges are not few.
    config = replace(STILL, co_purchase="ease", co_purchase_penalty=penalty)
    modalities = dense_item_graph(config, world)
    mixed = dense_item_graph(replace(config, co_purchase_share=share), world)
    np.testing.assert_allclose(mixed, (1 - share) * modalities + share * together, atol=1e-5)
