"""BPR, LightGCN and the metrics against stored numbers of the multimodal toolbox."""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import Dataset
from recgoat_jax.evaluation.metrics import RankedTargets, per_user_metrics
from recgoat_jax.models import Batch, BprMfConfig, LightGcnConfig, build_model
from recgoat_jax.training.optimizer import OptimizerConfig, make_optimizer
from tests.worlds import toy

Numbers = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def stored() -> Numbers:
    with np.load(Path(__file__).parent / "mmrec_toy.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def world(stored: Numbers) -> Dataset:
    return toy(stored["train_pairs"], num_users=5, num_items=7)


@pytest.mark.parametrize("name", ["bpr", "lightgcn"])
def test_vectors_loss_gradients_and_three_steps(stored: Numbers, world: Dataset, name: str) -> None:
    weight = float(stored[f"{name}/reg_weight"])
    config = (
        BprMfConfig(dim=4, regularization_weight=weight)
        if name == "bpr"
        else LightGcnConfig(dim=4, num_layers=3, regularization_weight=weight)
    )
    model = build_model(config, world, rngs=nnx.Rngs(0))
    assert isinstance(model, nnx.Module)
    definition, params, rest = nnx.split(model, nnx.Param, ...)
    nnx.replace_by_pure_dict(
        params, {"user_table": jnp.asarray(stored["user"]), "item_table": jnp.asarray(stored["item"])}
    )
    users, positives, negatives = jnp.asarray(stored["batch"], jnp.int32)
    batch = Batch(users, positives, negatives, jnp.ones(len(users), bool))

    def loss(p: nnx.State):  # noqa: ANN202
        output = nnx.merge(definition, p, rest, copy=True).loss(batch, key=jax.random.key(0))
        return output.total, output.terms

    value_and_grad = jax.jit(jax.value_and_grad(loss, has_aux=True))
    vectors = nnx.merge(definition, params, rest, copy=True).vectors()
    np.testing.assert_allclose(vectors.users, stored[f"{name}/f64/z_user"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(vectors.items, stored[f"{name}/f64/z_item"], rtol=1e-5, atol=1e-6)
    (total, terms), gradients = value_and_grad(params)
    np.testing.assert_allclose(terms["bpr"], stored[f"{name}/f64/loss_bpr"], rtol=1e-5)
    np.testing.assert_allclose(terms["regularization"], weight * stored[f"{name}/f64/loss_reg"], rtol=1e-5)
    np.testing.assert_allclose(gradients["user_table"][...], stored[f"{name}/f64/grad_user"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradients["item_table"][...], stored[f"{name}/f64/grad_item"], rtol=1e-4, atol=1e-6)

    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-3), steps_per_epoch=1)
    state = optimizer.init(params)
    losses = []
    for _ in range(3):
        (total, _), gradients = value_and_grad(params)
        losses.append(float(total))
        updates, state = optimizer.update(gradients, state, params)
        params = jax.tree.map(lambda p, u: p + u, params, updates)
    np.testing.assert_allclose(losses, stored[f"{name}/f64/adam3_losses"], rtol=1e-5)
    np.testing.assert_allclose(params["user_table"][...], stored[f"{name}/f64/adam3_user"], atol=1e-6)
    np.testing.assert_allclose(params["item_table"][...], stored[f"{name}/f64/adam3_item"], atol=1e-6)


def test_metrics() -> None:
    with np.load(Path(__file__).parent / "mmrec_metrics.npz") as file:
        numbers = dict(file)
    users, ranks = [], []
    for user, (listed, held_out, count) in enumerate(
        zip(numbers["topk"], numbers["truth"], numbers["truth_len"], strict=True)
    ):
        for item in held_out[:count]:
            place = np.flatnonzero(listed == item)
            users.append(user)
            # What is not in the list of five ranks somewhere behind it.
            ranks.append(int(place[0]) if place.size else 100)
    order = np.lexsort((ranks, users))
    grouped = RankedTargets.of(np.array(users, np.int32)[order], np.array(ranks, np.int32)[order])
    cutoffs = tuple(int(k) for k in numbers["cutoffs"])
    ours = per_user_metrics(grouped, cutoffs=cutoffs, metrics=("recall", "ndcg", "precision", "map"))
    for metric in ("recall", "ndcg", "precision", "map"):
        for column, k in enumerate(cutoffs):
            np.testing.assert_allclose(
                ours[f"{metric}@{k}"], numbers[f"{metric}_per_user"][:, column], rtol=1e-12, err_msg=f"{metric}@{k}"
            )
