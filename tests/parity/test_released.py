"""The `released` settings against stored numbers of the published program."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import Dataset
from recgoat_jax.graphs import knn_graph, neighbor_graph
from recgoat_jax.losses import feature_transport, released_transport
from recgoat_jax.models import Batch, RecGoat, released
from tests.worlds import toy

Numbers = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def stored() -> Numbers:
    with np.load(Path(__file__).parent / "released_recgoat.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def world(stored: Numbers) -> Dataset:
    features = {name: stored[name] for name in ("text", "image")}
    return toy(stored["train_pairs"], num_users=12, num_items=16, features=features)


def parameters(stored: Numbers, fusion: str) -> dict[str, Any]:
    """The stored parameters under our names; a linear map there is [out, in], here [in, out]."""

    def branch(short: str) -> dict[str, Any]:
        return {
            "projection": {"kernel": stored[f"param/{short}_proj_w"].T, "bias": stored[f"param/{short}_proj_b"]},
            "attention": {
                0: {
                    "kernel": stored[f"param/{short}_fc_w"].T,
                    "source_vector": stored[f"param/{short}_attn_l"],
                    "target_vector": stored[f"param/{short}_attn_r"],
                    "bias": stored[f"param/{short}_gat_b"],
                }
            },
        }

    tree: dict[str, Any] = {
        "user_table": stored["param/user"],
        "item_table": stored["param/item"],
        "branches": {"text": branch("txt"), "image": branch("img")},
        "norm": {"scale": stored["param/ln_w"], "bias": stored["param/ln_b"]},
    }
    if fusion == "weighted":
        tree["transports"] = {
            "text": {"residual": stored["param/delta_txt"]},
            "image": {"residual": stored["param/delta_img"]},
        }
        tree["weighting"] = {"logits": np.array([stored["param/alpha"], stored["param/beta"]], np.float32).ravel()}
    else:
        tree["dense"] = {
            "map": {"kernel": stored[f"param/{fusion}_w"].T, "bias": stored[f"param/{fusion}_b"]},
        }
    return tree


def make(stored: Numbers, world: Dataset, fusion: str = "weighted") -> RecGoat:
    config = replace(released(dim=16, neighbors=3), fusion=fusion, feature_dropout=0.0, attention_dropout=0.0)
    model = RecGoat(replace(config, output_dropout=0.0), world, rngs=nnx.Rngs(0))
    params = nnx.state(model, nnx.Param)
    given = parameters(stored, fusion)
    own = nnx.to_pure_dict(params)
    assert jax.tree.structure(own) == jax.tree.structure(given)
    assert jax.tree.map(np.shape, own) == jax.tree.map(np.shape, given)
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, given))
    nnx.update(model, params)
    return model


@pytest.fixture(scope="module")
def model(stored: Numbers, world: Dataset) -> RecGoat:
    return make(stored, world)


@pytest.fixture(scope="module")
def batch(stored: Numbers) -> Batch:
    users, positives, negatives = jnp.asarray(stored["batch"], jnp.int32)
    return Batch(users, positives, negatives, jnp.ones(len(users), bool))


@pytest.mark.parametrize("name", ["text", "image"])
def test_item_graphs_have_the_same_edges(stored: Numbers, world: Dataset, name: str) -> None:
    graph = neighbor_graph(knn_graph(world.item_features[name], k=3), normalization="none")
    ours = set(zip(np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist(), strict=True))
    assert ours == set(map(tuple, stored[f"{name}_edges"].T.tolist()))


def test_vectors_and_views(stored: Numbers, model: RecGoat) -> None:
    encoded = model.encode()
    close = {"rtol": 1e-4, "atol": 2e-6}
    np.testing.assert_allclose(encoded.users, stored["f64/z_user"], **close)
    np.testing.assert_allclose(encoded.views["id"], stored["f64/z_cf"], **close)
    np.testing.assert_allclose(encoded.views["text"], stored["f64/z_txt"], **close)
    np.testing.assert_allclose(encoded.views["image"], stored["f64/z_img"], **close)
    np.testing.assert_allclose(encoded.aligned["text"].values, stored["f64/aligned_txt"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(encoded.items, stored["f64/fused_oat"], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("fusion", ["concat", "sum"])
def test_naive_fusions(stored: Numbers, world: Dataset, fusion: str) -> None:
    np.testing.assert_allclose(
        make(stored, world, fusion).vectors().items, stored[f"f64/fused_{fusion}"], rtol=1e-4, atol=1e-5
    )


def test_plans_alive_and_dead(stored: Numbers) -> None:
    plan = released_transport(
        jnp.asarray(stored["f32/z_txt"]), jnp.asarray(stored["f32/z_cf"]), epsilon=0.01, num_iterations=100
    )
    np.testing.assert_allclose(plan, stored["f32/plan_txt"], rtol=2e-3, atol=1e-6)
    dead = released_transport(
        jnp.asarray(stored["dead/x"], jnp.float32),
        jnp.asarray(stored["dead/y"], jnp.float32),
        epsilon=0.01,
        num_iterations=100,
    )
    assert not np.asarray(stored["dead/f32/plan"]).any()
    assert not np.asarray(dead).any()
    alive = feature_transport(jnp.asarray(stored["dead/x"], jnp.float32), jnp.asarray(stored["dead/y"], jnp.float32))
    assert float(alive.marginal_error) < 1e-3


def test_loss_terms(stored: Numbers, model: RecGoat, batch: Batch) -> None:
    terms = model.loss(batch, key=jax.random.key(0)).terms
    six = stored["f64/loss_oat_infonce_six"]
    expected = {
        "bpr": stored["f64/loss_oat_bpr"],
        "regularization": 1e-4 * stored["f64/loss_oat_reg_unweighted"],
        "contrast": 0.016 * np.mean(1.0 - six),
        "user_item_contrast": 0.016 * stored["f64/loss_oat_infonce_user_item"],
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(sum(expected.values()), stored["f64/loss_oat_total"], rtol=1e-6)


def test_gradients(stored: Numbers, model: RecGoat, batch: Batch) -> None:
    definition, params, rest = nnx.split(model, nnx.Param, ...)
    gradients = nnx.to_pure_dict(
        jax.jit(jax.grad(lambda p: nnx.merge(definition, p, rest, copy=True).loss(batch, key=jax.random.key(0)).total))(
            params
        )
    )
    weights = np.asarray(gradients["weighting"]["logits"])
    checks = {
        "user": gradients["user_table"],
        "item": gradients["item_table"],
        "delta_txt": gradients["transports"]["text"]["residual"],
        "delta_img": gradients["transports"]["image"]["residual"],
        "txt_fc_w": gradients["branches"]["text"]["attention"][0]["kernel"].T,
        "txt_attn_l": gradients["branches"]["text"]["attention"][0]["source_vector"],
        "txt_attn_r": gradients["branches"]["text"]["attention"][0]["target_vector"],
    }
    for name, ours in checks.items():
        expected = stored[f"f64/grad_oat_{name}"].reshape(np.shape(ours))
        np.testing.assert_allclose(ours, expected, rtol=5e-3, atol=5e-4 * np.abs(expected).max(), err_msg=name)
    for position, name in enumerate(("alpha", "beta")):
        np.testing.assert_allclose(weights[position], stored[f"f64/grad_oat_{name}"].ravel()[0], rtol=5e-3)
