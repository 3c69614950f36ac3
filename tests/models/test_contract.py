"""What every model must do; adding a model is adding a line to ``CONFIGS``."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from recgoat_jax.data import Dataset
from recgoat_jax.models import (
    Batch,
    BprMfConfig,
    LightGcnConfig,
    ModelConfig,
    MostPopularConfig,
    RecGoatConfig,
    Retriever,
    Vectors,
    build_model,
)
from recgoat_jax.training.batches import TrainingPairs, epoch_order, make_batch
from recgoat_jax.training.optimizer import OptimizerConfig, make_optimizer
from recgoat_jax.training.step import Program
from tests.worlds import blocks, interactions

RECGOAT = RecGoatConfig(dim=8, num_layers=2, heads=2, neighbors=3, regularization_weight=1e-4, initialization="normal")
CONFIGS: dict[str, ModelConfig] = {
    "bpr": BprMfConfig(dim=8, regularization_weight=1e-3, initialization="normal"),
    "lightgcn": LightGcnConfig(dim=8, num_layers=2, initialization="normal"),
    "lightgcn, softmax": LightGcnConfig(dim=8, num_layers=2, initialization="normal", ranking="softmax"),
    "recgoat": RECGOAT,
}


@pytest.fixture(scope="module")
def world() -> Dataset:
    return blocks()


@pytest.fixture(scope="module", params=list(CONFIGS))
def model(request: pytest.FixtureRequest, world: Dataset) -> Retriever:
    return build_model(CONFIGS[request.param], world, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def program(model: Retriever) -> Program:
    return Program(model, make_optimizer(OptimizerConfig(learning_rate=0.01), steps_per_epoch=4))


@pytest.fixture(scope="module")
def batch(world: Dataset) -> Batch:
    pairs = TrainingPairs.from_dataset(world, batch_size=16)
    return make_batch(pairs, jnp.arange(16), key=jax.random.key(0))


def test_vectors_have_a_row_each_and_do_not_depend_on_chance(program: Program, world: Dataset) -> None:
    state = program.initial_state(jax.random.key(0))
    first, _ = program.outputs(state.params, program.constants)
    assert first.users.shape == (world.num_users, 8)
    assert first.items.shape == (world.num_items, 8)
    again, _ = program.outputs(state.params, program.constants)
    np.testing.assert_array_equal(first.items, again.items)


def test_compiled_equals_eager_and_gradients_are_finite(model: Retriever, batch: Batch) -> None:
    definition, params, rest = nnx.split(model, nnx.Param, ...)

    def total(params: nnx.State) -> jax.Array:
        return nnx.merge(definition, params, rest, copy=True).loss(batch, key=jax.random.key(1)).total

    value, gradients = jax.jit(jax.value_and_grad(total))(params)
    np.testing.assert_allclose(value, total(params), rtol=1e-4)
    leaves = jax.tree.leaves(gradients)
    assert leaves
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def test_terms_sum_to_the_total(model: Retriever, batch: Batch) -> None:
    output = model.loss(batch, key=jax.random.key(1))
    np.testing.assert_allclose(sum(float(v) for v in output.terms.values()), float(output.total), rtol=1e-5)


def test_padding_changes_nothing(model: Retriever, batch: Batch) -> None:
    def padded(fill: int) -> Batch:
        return Batch(
            *(jnp.concatenate([values, jnp.full(5, fill, values.dtype)]) for values in batch[:3]),
            mask=jnp.concatenate([batch.mask, jnp.zeros(5, bool)]),
        )

    plain = model.loss(batch, key=jax.random.key(1)).total
    for fill in (0, 3):
        np.testing.assert_allclose(model.loss(padded(fill), key=jax.random.key(1)).total, plain, rtol=1e-5)


def test_learns_the_blocks(program: Program, world: Dataset) -> None:
    """Held-out items of a user's own block come before every item of the other block."""
    pairs = TrainingPairs.from_dataset(world, batch_size=16)
    state = program.initial_state(jax.random.key(0))
    for epoch in range(40):
        order = epoch_order(jax.random.key(epoch), num_pairs=len(pairs.users), batch_size=16)
        state, record = program.run_steps(state, program.constants, pairs, order)
    assert np.isfinite(np.asarray(record.loss)).all()
    vectors, _ = program.outputs(state.params, program.constants)
    scores = np.asarray(vectors.users @ vectors.items.T)
    held = scores[world.test.users, world.test.items]
    own_block = world.items.ids.index("i8")
    other = np.where(
        world.test.users[:, None] < 6, scores[world.test.users, own_block:], scores[world.test.users, :own_block]
    )
    assert np.mean(held[:, None] > other) > 0.97


def test_most_popular_counts_training_pairs(world: Dataset) -> None:
    model = build_model(MostPopularConfig(), world, rngs=nnx.Rngs(0))
    vectors = model.vectors()
    counts = [int((world.train.items == item).sum()) for item in range(world.num_items)]
    np.testing.assert_array_equal(np.asarray(vectors.users @ vectors.items.T)[5], counts)


def test_without_layers_lightgcn_is_matrix_factorisation(world: Dataset) -> None:
    model = build_model(LightGcnConfig(dim=8, num_layers=0), world, rngs=nnx.Rngs(0))
    vectors = model.vectors()
    np.testing.assert_array_equal(vectors.users, model.user_table[...])
    np.testing.assert_array_equal(vectors.items, model.item_table[...])


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of heads"):
        replace(RECGOAT, dim=9)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (
            CONFIGS["bpr"],
            {"dim": 4, "initialization": "xavier_normal", "regularization": "l2", "regularization_weight": 0.5},
        ),
        (
            CONFIGS["lightgcn"],
            {
                "dim": 4,
                "num_layers": 1,
                "initialization": "xavier_uniform",
                "ranking": "softmax",
                "regularization": "l2",
                "regularization_weight": 0.5,
            },
        ),
    ],
)
def test_no_field_is_dead(config: ModelConfig, changes: dict[str, object], world: Dataset, batch: Batch) -> None:
    assert set(changes) == {field.name for field in fields(config)}

    def outcome(config: ModelConfig) -> tuple[object, ...]:
        model = build_model(config, world, rngs=nnx.Rngs(0))
        users = model.vectors().users
        return users.shape, np.asarray(users).tobytes(), float(model.loss(batch, key=jax.random.key(0)).total)

    base = outcome(config)
    assert [name for name, value in changes.items() if outcome(replace(config, **{name: value})) == base] == []


@pytest.mark.parametrize("name", list(CONFIGS))
def test_both_tables_start_as_the_config_says(name: str, world: Dataset) -> None:
    one, other = (
        build_model(replace(CONFIGS[name], initialization=start), world, rngs=nnx.Rngs(0))
        for start in ("xavier_uniform", "normal")
    )
    for table in ("user_table", "item_table"):
        uniform, normal = (np.asarray(getattr(model, table)[...]) for model in (one, other))
        bound = (6 / (uniform.shape[0] + 8)) ** 0.5
        assert bound / 2 < np.abs(uniform).max() <= bound
        assert 0.05 < normal.std() < 0.15


def test_an_item_and_a_user_out_of_the_graph_do_no_harm(model: Retriever, world: Dataset, batch: Batch) -> None:
    """Item 3 is in no training pair, user 5 in one alone: finite vectors, losses and gradients all the same."""
    pairs = {(u, i) for u, i in zip(world.train.users.tolist(), world.train.items.tolist(), strict=True)}
    first = min(item for user, item in pairs if user == 5 and item != 3)
    sparse = replace(
        world, train=interactions({(u, i) for u, i in pairs if i != 3 and (u != 5 or i == first)}, ratings=True)
    )
    definition, params, rest = nnx.split(build_model(model.config, sparse, rngs=nnx.Rngs(0)), nnx.Param, ...)

    def total(params: nnx.State) -> tuple[jax.Array, Vectors]:
        merged = nnx.merge(definition, params, rest, copy=True)
        return merged.loss(batch, key=jax.random.key(1)).total, merged.vectors()

    leaves = jax.tree.leaves(jax.jit(jax.value_and_grad(total, has_aux=True))(params))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
