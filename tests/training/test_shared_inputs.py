"""Arrays that one process writes and others read in parts."""

from pathlib import Path

import jax
import numpy as np
import pytest
from etils import epath
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from recgoat_jax.errors import RunStoppedError, SavedAndStopped, UsageError
from recgoat_jax.graphs import Adjacency, HaloGraph, ShardedAdjacency, balanced_partition
from recgoat_jax.models import RecGoatConfig, build_model
from recgoat_jax.training.mesh import MeshShape, lay_out, make_mesh, place_state, place_vocabularies, spec_of
from recgoat_jax.training.shared_inputs import (
    INDEX,
    SharedInputs,
    new_directory,
    state_values,
    write_failure,
    write_inputs,
)
from tests.graphs.worlds import awkward_matrix, graph_of
from tests.worlds import blocks


@pytest.fixture
def directory(tmp_path: Path) -> epath.Path:
    return epath.Path(tmp_path / "inputs")


def on_one_device() -> NamedSharding:
    return NamedSharding(make_mesh(MeshShape()), PartitionSpec())


def test_values_come_back_as_they_were(directory: epath.Path) -> None:
    adjacency = Adjacency.from_graph(graph_of(awkward_matrix("directed", 20)))
    partition = balanced_partition(adjacency, 3)
    values = {
        "rows": np.arange(12, dtype=np.float32).reshape(6, 2),
        "flags": np.array([True, False]),
        "ring": ShardedAdjacency.from_adjacency(adjacency, partition, collective="ring"),
        "exchange": ShardedAdjacency.from_adjacency(adjacency, partition, collective="exchange"),
        "attention": HaloGraph.from_adjacency(adjacency, partition),
        "nothing": None,
    }
    write_inputs(directory, values, {"answer": 42})
    inputs = SharedInputs(directory)
    assert inputs.facts == {"answer": 42}
    found = {name: inputs.spread(name, on_one_device()) for name in values}
    assert jax.tree.structure(found) == jax.tree.structure(jax.tree.map(np.asarray, values))
    for given, read in zip(jax.tree.leaves(values), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(given, read)
        assert np.asarray(given).dtype == read.dtype
    np.testing.assert_array_equal(inputs.whole("rows"), values["rows"])


def test_only_the_rows_asked_for_are_read(directory: epath.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(40, dtype=np.int32).reshape(4, 5, 2)
    write_inputs(directory, {"array": array}, {})
    inputs, asked = SharedInputs(directory), []
    rows = SharedInputs._rows
    monkeypatch.setattr(SharedInputs, "_rows", lambda self, d, part: asked.append(part) or rows(self, d, part))
    part = inputs._part(inputs._values["array"], (slice(1, 3), slice(2, 4), slice(None)))
    np.testing.assert_array_equal(part, array[1:3, 2:4])
    assert asked == [slice(1, 3)]
    # A file that holds nothing but those rows serves them as well.
    path = directory / "array.raw"
    data = path.read_bytes()
    path.write_bytes(bytes(40) + data[40:120] + bytes(40))
    np.testing.assert_array_equal(
        inputs._part(inputs._values["array"], (slice(1, 3), slice(None), slice(None))), array[1:3]
    )


def test_a_directory_with_an_index_is_complete(directory: epath.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(directory), "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_inputs(directory, {"array": np.zeros(3)}, {})
    assert not (directory / INDEX).exists()
    write_inputs(directory, {"array": np.ones(3)}, {})
    np.testing.assert_array_equal(SharedInputs.when_complete(directory).whole("array"), 1)


def test_each_start_has_a_directory_of_its_own_and_removes_the_earlier(tmp_path: Path) -> None:
    parent = epath.Path(tmp_path / "inputs")
    first = new_directory(parent)
    write_inputs(first, {"array": np.zeros(3)}, {})
    second = new_directory(parent)
    assert second != first
    assert not first.exists()
    assert not (second / INDEX).exists()


def test_those_who_wait_hear_why_nothing_comes(directory: epath.Path) -> None:
    write_failure(directory, UsageError("batch_size is 2"))
    with pytest.raises(RunStoppedError, match="process 0 stopped: batch_size is 2"):
        SharedInputs.when_complete(directory)
    write_failure(directory, SavedAndStopped("stopped by SIGTERM"))
    with pytest.raises(SavedAndStopped, match="^stopped by SIGTERM"):
        SharedInputs.when_complete(directory)


def test_a_model_of_small_data_takes_the_variables_of_the_real_one(directory: epath.Path) -> None:
    """What the other processes do: the structure of a stand-in, every value from the files."""
    from recgoat_jax.encoders.facts import Facts
    from recgoat_jax.encoders.stand_in import small_data

    config = RecGoatConfig(dim=8, num_layers=1, neighbors=3, rating="learned")
    world, mesh = blocks(cold=(3,)), make_mesh(MeshShape())
    placement = place_vocabularies(world, mesh)
    real = nnx.state(build_model(config, world, rngs=nnx.Rngs(0)))
    write_inputs(directory, state_values("variables", lay_out(real, placement)), {})
    stand_in = nnx.state(build_model(config, small_data(Facts.of(world)), rngs=nnx.Rngs(1)))
    read = SharedInputs(directory).state("variables", stand_in, lambda path: NamedSharding(mesh, spec_of(path)))
    expected = place_state(real, placement)
    assert jax.tree.structure(read) == jax.tree.structure(expected)
    for given, found in zip(jax.tree.leaves(expected), jax.tree.leaves(read), strict=True):
        np.testing.assert_array_equal(given, found)
        assert given.sharding == found.sharding
