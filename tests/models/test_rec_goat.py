from collections.abc import Iterator
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import Dataset, NeighborList
from recgoat_jax.errors import UsageError
from recgoat_jax.models import Batch, RecGoat, RecGoatConfig, ablation, control, naive, released, user_ablation
from tests.worlds import blocks

SMALL = RecGoatConfig(
    dim=8,
    num_layers=2,
    heads=2,
    neighbors=3,
    co_purchase_share=0.3,
    co_purchase="ease",
    id_share=0.8,
    contrast_weight=0.1,
    wasserstein_weight=0.1,
)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return blocks()


@pytest.fixture(scope="module")
def batch() -> Batch:
    users = jnp.array([0, 1, 7, 8, 2], jnp.int32)
    return Batch(
        users,
        jnp.array([1, 2, 9, 10, 1], jnp.int32),
        jnp.array([12, 13, 4, 5, 14], jnp.int32),
        jnp.ones(5, bool),
    )


def make(config: RecGoatConfig, world: Dataset) -> RecGoat:
    return RecGoat(config, world, rngs=nnx.Rngs(0))


def gradient(model: RecGoat, batch: Batch) -> dict:
    definition, params, rest = nnx.split(model, nnx.Param, ...)
    gradients = jax.jit(
        jax.grad(lambda p: nnx.merge(definition, p, rest, copy=True).loss(batch, key=jax.random.key(0)).total)
    )(params)
    return nnx.to_pure_dict(gradients)


def test_every_part_of_the_paper_is_there(world: Dataset, batch: Batch) -> None:
    model = make(SMALL, world)
    output = model.loss(batch, key=jax.random.key(0))
    assert set(output.terms) == {"bpr", "regularization", "contrast", "id_graph_contrast", "wasserstein"}
    found = gradient(model, batch)
    flat = {jax.tree_util.keystr(path): np.abs(leaf).max() for path, leaf in jax.tree_util.tree_leaves_with_path(found)}
    for part in ("user_table", "item_table", "branches", "transports", "profiles", "weighting"):
        touched = [value for path, value in flat.items() if part in path]
        assert touched, part
        assert max(touched) > 0, part


def test_training_minimises_the_contrast_so_that_views_meet(world: Dataset, batch: Batch) -> None:
    """The sign of the contrastive term: descending its gradient raises the cosine of an item's views."""
    config = replace(
        SMALL, regularization_weight=0.0, id_graph_contrast_weight=0.0, wasserstein_weight=0.0, contrast_weight=1.0
    )
    model = make(config, world)
    definition, params, rest = nnx.split(model, nnx.Param, ...)

    def views(p: nnx.State) -> dict[str, jax.Array]:
        return dict(nnx.merge(definition, p, rest, copy=True).encode().views)

    def contrast(p: nnx.State) -> jax.Array:
        return nnx.merge(definition, p, rest, copy=True).loss(batch, key=jax.random.key(0)).terms["contrast"]

    def cosine(p: nnx.State) -> float:
        both = views(p)
        a, b = both["id"][jnp.array([1, 2, 9, 10])], both["text"][jnp.array([1, 2, 9, 10])]
        return float(jnp.mean(jnp.sum(a * b, -1) / jnp.linalg.norm(a, axis=-1) / jnp.linalg.norm(b, axis=-1)))

    before = cosine(params)
    descend = jax.jit(jax.grad(contrast))
    for _ in range(30):
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, descend(params))
    assert cosine(params) > before + 0.2


def test_dropout_is_off_in_vectors_and_on_in_training(world: Dataset, batch: Batch) -> None:
    model = make(replace(SMALL, feature_dropout=0.5, output_dropout=0.5), world)
    np.testing.assert_array_equal(model.vectors().items, model.vectors().items)
    one, two = (float(model.loss(batch, key=jax.random.key(seed)).total) for seed in (0, 1))
    assert one != two
    np.testing.assert_array_equal(model.encode().items, model.vectors().items)


@pytest.mark.parametrize(
    ("branch", "differs"), [("none", False), ("features", True), ("graph", True), ("neighbors", True)]
)
def test_the_user_branch_moves_user_vectors(world: Dataset, branch: str, differs: bool) -> None:
    with_branch = make(replace(SMALL, user_branch=branch, user_mix=0.5), world).vectors().users
    without = make(replace(SMALL, user_branch="none"), world)
    changed = not np.allclose(with_branch, without.vectors().users, atol=1e-7)
    assert changed == differs


def test_user_graph_refines_what_features_alone_give(world: Dataset) -> None:
    graph = make(replace(SMALL, user_branch="graph"), world).vectors().users
    alone = make(replace(SMALL, user_branch="features"), world).vectors().users
    assert not np.allclose(graph, alone, atol=1e-6)


def test_users_without_a_profile_keep_their_collaborative_vector(world: Dataset) -> None:
    table = world.user_features["profile"]
    present = table.present.copy()
    present[:3] = False
    partial = replace(world, user_features={"profile": replace(table, present=present)})
    vectors = make(SMALL, partial).vectors().users
    plain = make(replace(SMALL, user_branch="none"), partial).vectors().users
    np.testing.assert_allclose(vectors[:3], plain[:3], atol=1e-6)
    assert not np.allclose(vectors[3:], plain[3:], atol=1e-6)


@pytest.mark.parametrize("branch", ["features", "graph", "neighbors"])
def test_profiles_are_as_long_as_collaborative_vectors_whoever_has_one(world: Dataset, branch: str) -> None:
    table = world.user_features["profile"]
    present = np.arange(len(table.present)) % 4 == 0
    few = replace(world, user_features={"profile": replace(table, present=present)})
    whole = make(replace(SMALL, user_branch=branch, user_mix=1.0), few).vectors().users
    alone = make(replace(SMALL, user_branch="none"), few).vectors().users
    sizes = [np.sqrt(np.mean(np.square(vectors[present]))) for vectors in (whole, alone)]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-5)


def test_the_user_graph_alone_adds_id_rows_of_users_with_near_profiles(world: Dataset) -> None:
    """By hand: the symmetric, degree-normalised 3-nearest-neighbour graph of the profiles, as a dense matrix."""
    config = replace(SMALL, user_branch="neighbors", neighbors=3, user_mix=0.25)
    model = make(config, world)
    profiles = np.asarray(world.user_features["profile"].values, np.float64)
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    cosines = profiles @ profiles.T
    np.fill_diagonal(cosines, -np.inf)
    near = np.zeros_like(cosines)
    np.put_along_axis(near, np.argsort(-cosines, axis=1, kind="stable")[:, :3], 1.0, axis=1)
    near = np.maximum(near, near.T)
    degrees = near.sum(axis=1)
    hop = (near / np.sqrt(np.outer(degrees, degrees))) @ np.asarray(model.user_table[...], np.float64)
    alone = np.asarray(make(replace(config, user_branch="none"), world).vectors().users, np.float64)
    hop *= np.sqrt(np.mean(alone**2) / np.mean(hop**2))
    np.testing.assert_allclose(model.vectors().users, 0.75 * alone + 0.25 * hop, atol=1e-5)


def test_a_gate_starts_as_the_fixed_share_and_then_follows_the_user(world: Dataset, batch: Batch) -> None:
    mixed = make(replace(SMALL, user_mix=0.3), world)
    gated = make(replace(SMALL, user_mix=0.3, user_join="gate"), world)
    np.testing.assert_allclose(gated.vectors().users, mixed.vectors().users, atol=1e-6)
    found = gradient(gated, batch)["profiles"]["gate"]
    assert (np.abs(np.asarray(found["kernel"])) > 0).any()
    assert np.abs(np.asarray(found["bias"])) > 0
    gated.profiles.gate.bias[...] = jnp.full((1,), 20.0)
    np.testing.assert_allclose(
        gated.vectors().users, make(replace(SMALL, user_mix=1.0), world).vectors().users, atol=1e-6
    )


def test_learned_rating_weights_get_a_gradient_and_change_messages(world: Dataset, batch: Batch) -> None:
    model = make(replace(SMALL, rating="learned"), world)
    found = np.asarray(gradient(model, batch)["interactions"]["level_logits"])
    assert found.shape == (5,)
    assert (np.abs(found) > 0).all()
    plain = make(SMALL, world).vectors().items
    for rating in ("fifth", "centred", "learned"):
        assert not np.allclose(make(replace(SMALL, rating=rating), world).vectors().items, plain, atol=1e-7), rating


def test_ratings_asked_for_where_there_are_none(world: Dataset) -> None:
    bare = blocks(ratings=False)
    with pytest.raises(UsageError, match="has no ratings"):
        make(replace(SMALL, rating="fifth"), bare)


def test_a_missing_modality_is_a_mask_not_a_zero_row(world: Dataset) -> None:
    """What stands in a missing row is never read: garbage there changes no vector and no loss."""
    table = world.item_features["image"]
    garbage = table.values.copy()
    garbage[~table.present] = 1e3
    other = replace(
        world, item_features={**world.item_features, "image": replace(table, values=garbage.astype(np.float32))}
    )
    np.testing.assert_allclose(make(SMALL, world).vectors().items, make(SMALL, other).vectors().items, atol=1e-5)


def test_items_without_a_modality_keep_the_weight_on_the_others(world: Dataset) -> None:
    model = make(replace(SMALL, id_graph_weight=0.0), world)
    encoded = model.encode()
    missing = int(np.flatnonzero(~world.item_features["image"].present)[0])
    shares = dict(zip(model.weighting.names, np.asarray(model.weighting.shares()), strict=True))
    from recgoat_jax.nn.alignment import match_scale

    text = match_scale(encoded.aligned["text"].values, encoded.views["id"], jnp.ones(world.num_items, bool))
    expected = (shares["id"] * encoded.views["id"][missing] + shares["text"] * text[missing]) / (
        shares["id"] + shares["text"]
    )
    np.testing.assert_allclose(encoded.items[missing], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("output", ["plain", "normalized"])
def test_mixtures_of_a_pass(world: Dataset, output: str) -> None:
    model = make(replace(SMALL, output=output), world)
    encoded = model.encode()
    np.testing.assert_allclose(model.mixed(encoded, model.weighting.shares()), encoded.items, rtol=1e-5, atol=1e-6)
    text_alone = jnp.array([float(name == "text") for name in encoded.views])
    for representation, view in (("aligned", encoded.aligned["text"].values), ("unaligned", encoded.views["text"])):
        found = model.mixed(encoded, text_alone, representation=representation)
        if output == "normalized":
            centred = view - view.mean(axis=1, keepdims=True)
            expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        else:
            expected = view * np.sqrt(np.mean(np.square(encoded.views["id"])) / np.mean(np.square(view)))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_any_number_of_modalities(world: Dataset, batch: Batch) -> None:
    more = replace(world, item_features={**world.item_features, "audio": world.item_features["text"]})
    model = make(SMALL, more)
    assert set(model.encode().views) == {"id", "text", "image", "audio"}
    assert np.isfinite(float(model.loss(batch, key=jax.random.key(0)).total))
    with pytest.raises(UsageError, match="'smell' is not in the data set"):
        make(replace(SMALL, modalities=("smell",)), world)


def test_neighbours_without_features_join_the_id_graph_only(world: Dataset) -> None:
    chain = NeighborList(
        np.arange(15, dtype=np.int32), np.arange(1, 16, dtype=np.int32), np.ones(15, np.float32), 16, "chain"
    )
    model = make(SMALL, replace(world, item_features={}, item_neighbors={"text": chain}))
    assert set(model.encode().views) == {"id"}
    assert model.item_graph is not None


def test_plans_are_doubly_stochastic_inside_the_model(world: Dataset) -> None:
    scalars = make(SMALL, world).diagnostics()
    assert float(scalars["transport/text/error"]) < 1e-3
    np.testing.assert_allclose(sum(float(scalars[f"fusion/{n}"]) for n in ("id", "text", "image")), 1.0, rtol=1e-6)
    np.testing.assert_allclose(float(scalars["fusion/id"]), 0.8, rtol=1e-5)


ABLATIONS = ("id_only", "concat", "sum", "cmcl_only", "oat_only", "full")
USER_ROWS = ("no_profile", "features_only", "graph_only")
CONTROLS = ("no_plan", "no_residual", "permuted_plan", "linear", "random_features", "id_graph", "plain_graph")


def test_every_variant_is_another_model(world: Dataset, batch: Batch) -> None:
    """Each ablation and control, users' or items', computes something of its own, with finite values."""
    configs = {name: ablation(SMALL, name) for name in ABLATIONS} | {name: control(SMALL, name) for name in CONTROLS}
    configs |= {name: user_ablation(SMALL, name) for name in USER_ROWS}
    configs |= {f"naive {name}": naive(SMALL, name) for name in ("concat", "sum")}
    assert user_ablation(SMALL, "both") == SMALL
    seen = {}
    for name, config in configs.items():
        model = make(config, world)
        key = (
            str(jax.tree.map(jnp.shape, nnx.to_pure_dict(nnx.state(model, nnx.Param)))),
            np.round(np.asarray(model.vectors().items), 5).tobytes(),
            round(float(model.loss(batch, key=jax.random.key(0)).total), 5),
        )
        assert np.isfinite(key[-1]), name
        assert key not in seen.values(), name
        seen[name] = key
    assert "contrast" not in make(configs["oat_only"], world).loss(batch, key=jax.random.key(0)).terms
    for alone in ("id_only", "plain_graph"):
        assert set(make(configs[alone], world).loss(batch, key=jax.random.key(0)).terms) == {"bpr", "regularization"}


def test_id_only_is_lightgcn(world: Dataset) -> None:
    from recgoat_jax.models import LightGcn, LightGcnConfig

    ours = make(ablation(SMALL, "id_only"), world).vectors()
    reference = LightGcn(
        LightGcnConfig(dim=8, num_layers=2, initialization="normal"), world, rngs=nnx.Rngs(0)
    ).vectors()
    np.testing.assert_allclose(ours.items, reference.items, atol=1e-6)
    np.testing.assert_allclose(ours.users, reference.users, atol=1e-6)


def test_items_that_training_does_not_know_take_a_mean_of_their_nearest_trained_neighbours() -> None:
    world, cold = blocks(cold=(3, 12)), np.array([3, 12])
    alone = replace(ablation(SMALL, "cmcl_only"), fusion="id", modalities=("text",), id_graph_weight=0.0)
    items = {
        kind: np.asarray(make(replace(alone, cold_items=kind), world).vectors().items)
        for kind in ("neighbors", "zero", "table")
    }
    text = world.item_features["text"].values
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    similarity = unit @ unit.T
    similarity[:, cold] = -np.inf
    nearest = np.argsort(-similarity[cold], axis=1)[:, : alone.neighbors]
    for item, others in zip(cold, nearest, strict=True):
        weights = np.exp(similarity[item, others] / alone.cold_temperature)
        weights /= weights.sum()
        mean = weights @ items["neighbors"][others]
        length = weights @ np.linalg.norm(items["neighbors"][others], axis=1)
        np.testing.assert_allclose(items["neighbors"][item], mean / np.linalg.norm(mean) * length, atol=1e-6)
    np.testing.assert_array_equal(items["zero"][cold], 0)
    # Without an edge, the first of L + 1 layers alone: the row that it started with.
    start = np.asarray(make(alone, world).item_table[...])[cold]
    np.testing.assert_allclose(items["table"][cold], start / (alone.num_layers + 1), atol=1e-6)
    others = np.delete(np.arange(world.num_items), cold)
    np.testing.assert_allclose(items["neighbors"][others], items["table"][others], atol=1e-6)


CHANGES = {
    "dim": 16,
    "num_layers": 1,
    "initialization": "xavier_uniform",
    "ranking": "softmax",
    "regularization": "norm",
    "regularization_weight": 0.5,
    "rating": "fifth",
    "modalities": ("text",),
    "features": "random",
    "feature_scale": "none",
    "neighbors": 2,
    "item_graphs": "features",
    "id_graph_weight": 0.3,
    "co_purchase_share": 0.9,
    "co_purchase": "count",
    "co_purchase_penalty": 50.0,
    "modality_shares": (("text", 3.0),),
    "cold_items": "table",
    "cold_temperature": 5.0,
    "branch_layers": 2,
    "heads": 4,
    "feature_dropout": 0.6,
    "attention_dropout": 0.6,
    "output_dropout": 0.6,
    "attention_start": "heads",
    "user_branch": "features",
    "user_mix": 0.7,
    "user_join": "gate",
    "transport": "permutation",
    "residual": "xavier",
    "epsilon": 0.05,
    "sinkhorn_iterations": 3,
    "fusion": "sum",
    "fusion_weights": "fixed",
    "id_share": 0.5,
    "scale": "none",
    "output": "normalized",
    "contrast": "released",
    "contrast_weight": 0.9,
    "id_graph_contrast_weight": 0.9,
    "user_item_contrast_weight": 0.9,
    "temperature": 0.7,
    "contrast_examples": 3,
    "wasserstein_weight": 0.9,
}


def test_no_field_is_dead(batch: Batch) -> None:
    """Changing any one field changes the parameters, the vectors, the loss or its gradient."""
    assert set(CHANGES) == {field.name for field in fields(RecGoatConfig)}
    chain = NeighborList(
        np.arange(15, dtype=np.int32), np.arange(1, 16, dtype=np.int32), np.ones(15, np.float32), 16, "chain"
    )
    given = replace(blocks(cold=(3,)), item_neighbors={"text": chain})

    def outcomes(config: RecGoatConfig) -> Iterator[str | bytes | float]:
        """One after the other, so that what differs early costs no more."""
        model = make(config, given)
        yield str(jax.tree.map(jnp.shape, nnx.split(model, nnx.Param, ...)[1]))
        vectors = model.vectors()
        yield np.asarray(vectors.users).tobytes()
        yield np.asarray(vectors.items).tobytes()
        yield float(model.loss(batch, key=jax.random.key(0)).total)

    base = list(outcomes(SMALL))

    def is_dead(name: str) -> bool:
        changed = outcomes(replace(SMALL, **{name: CHANGES[name]}))
        return all(value == before for value, before in zip(changed, base, strict=True))

    assert [name for name in CHANGES if is_dead(name)] == []


def test_the_released_settings_follow_the_published_program() -> None:
    config = released(dim=16)
    assert config.contrast == "released"
    assert config.transport == "released"
    assert config.id_share == 0.15
    assert dict(config.modality_shares) == {"image": 0.05, "text": 0.80}
