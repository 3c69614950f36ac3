import re
from pathlib import Path

import jax
import pytest
from flax import nnx

from recgoat_jax.encoders.recipes import PreparedData
from recgoat_jax.errors import UsageError
from recgoat_jax.models import BprMfConfig, LightGcnConfig, ModelConfig, MostPopularConfig, RecGoatConfig, build_model
from recgoat_jax.training import Experiment
from recgoat_jax.training.batches import TrainingPairs
from recgoat_jax.training.mesh import RULES, MeshShape, make_mesh, parse_mesh, path_names, rule_of
from recgoat_jax.training.prepared import prepare_run
from tests.worlds import blocks


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("data=4,rows=2", MeshShape(4, 2)),
        ("rows=3", MeshShape(1, 3)),
        (" data=8 ", MeshShape(8, 1)),
        ("rows=2, data=1", MeshShape(1, 2)),
    ],
)
def test_a_mesh_is_read(text: str, shape: MeshShape) -> None:
    assert parse_mesh(text) == shape
    assert parse_mesh(str(shape)) == shape


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8", "found '8'"),
        ("data", "found 'data'"),
        ("data=", "found 'data='"),
        ("data=0", "found 'data=0'"),
        ("data=-2", "found 'data=-2'"),
        ("data=2.5", "found 'data=2.5'"),
        ("model=2", "found the axis 'model'"),
        ("data=2,data=4", "found twice the axis 'data'"),
        ("", "found ''"),
    ],
)
def test_what_is_no_mesh_is_refused(text: str, found: str) -> None:
    with pytest.raises(UsageError, match=rf"--mesh {re.escape(text)}: {re.escape(found)}; expected 'data=N', 'rows=N'"):
        parse_mesh(text)


def test_another_number_of_devices_is_refused_and_the_fitting_meshes_are_named() -> None:
    with pytest.raises(UsageError, match=r"8 devices are asked for, there are 1; expected one of data=1,rows=1\."):
        make_mesh(MeshShape(4, 2))
    assert dict(make_mesh(MeshShape(), jax.devices()).shape) == {"data": 1, "rows": 1}


CONFIGS: tuple[ModelConfig, ...] = (
    MostPopularConfig(),
    BprMfConfig(dim=8),
    LightGcnConfig(dim=8, ranking="softmax"),
    RecGoatConfig(dim=8, neighbors=3),
    RecGoatConfig(dim=8, neighbors=3, rating="learned"),
    RecGoatConfig(dim=8, neighbors=3, user_branch="neighbors", user_join="gate"),
)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_table_has_a_rule_and_every_learned_map_is_whole(config: ModelConfig) -> None:
    """23 users, 29 items: an array with as many rows, or more, is one of theirs or a graph; some graphs are small."""
    world = blocks(num_blocks=1, users_per_block=23, items_per_block=29, cold=(7,))
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.state(build_model(config, world, rngs=nnx.Rngs(0)))):
        name = path_names(path)
        rule = rule_of(name)
        large = max(leaf.shape, default=0) >= 23
        assert rule is not None or not large, name
        assert rule is None or large or rule.kind == "product", name
        if rule is not None and rule.kind == "rows":
            assert leaf.shape[0] == {"users": 23, "items": 29}[rule.vocabulary], name


def test_every_rule_is_used_and_the_moments_follow_their_parameter() -> None:
    world = blocks(cold=(3,))
    names = {
        path_names(path)
        for config in CONFIGS
        for path, _ in jax.tree_util.tree_leaves_with_path(nnx.state(build_model(config, world, rngs=nnx.Rngs(0))))
    }
    assert [rule.pattern for rule in RULES if not any(rule_of(name) is rule for name in names)] == []
    assert rule_of("opt_state/1/mu/user_table/value") is rule_of("user_table/value") is not None
    assert rule_of("opt_state/1/nu/norm/scale/value") is None


def test_a_mesh_of_one_device_is_the_plain_path() -> None:
    experiment = Experiment("tiny", PreparedData(Path("not read")), BprMfConfig(dim=4))
    run = prepare_run(experiment, blocks(), make_mesh(MeshShape(), jax.devices()[:1]))
    assert run.placement is None
    assert isinstance(run.pairs, TrainingPairs)
    assert run.program.constants.shard is None
