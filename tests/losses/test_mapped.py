"""What mapping a loss refuses and accepts on one device; values over several are compared in tests/multidevice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from recgoat_jax.losses import bpr_loss, cmcl_loss, feature_transport, info_nce, pmap_loss, shard_map_loss
from tests.losses.table import example_arrays, named_losses

MESH = Mesh(np.array(jax.devices()[:1]), ("data",))


def test_pytrees_scalars_and_strings_go_where_they_belong() -> None:
    views = {name: jax.random.normal(jax.random.key(n), (6, 4)) for n, name in enumerate(("id", "text"))}
    masks = {"id": jnp.arange(6) < 5, "text": jnp.arange(6) > 0}
    options = {"temperature": jnp.float32(0.3), "ids": jnp.arange(6) // 2, "where": masks, "direction": "forward"}
    expected = cmcl_loss(views, **options)
    for mapped in (shard_map_loss(cmcl_loss, MESH), pmap_loss(cmcl_loss, devices=jax.devices()[:1])):
        assert mapped(views, **options, collective="ring") == pytest.approx(float(expected), rel=1e-6)


def test_a_plan_comes_back_whole() -> None:
    source, target = jax.random.normal(jax.random.key(0), (2, 8, 3))
    expected = feature_transport(source, target, num_iterations=5)
    found = shard_map_loss(feature_transport, MESH)(source, target, num_iterations=5)
    np.testing.assert_allclose(found.plan, expected.plan, atol=1e-6)


def test_an_unknown_axis_is_refused_with_the_axes_there_are() -> None:
    with pytest.raises(ValueError, match=r"no axis 'rows'; its axes are \{'data': 1\}"):
        shard_map_loss(cmcl_loss, MESH, axis_name=("data", "rows"))


@pytest.mark.parametrize("name", named_losses())
def test_an_axis_that_is_not_mapped_is_refused(name: str) -> None:
    vectors, others = example_arrays()
    with pytest.raises(
        ValueError, match=r"axis_name is 'data'.*Map it with shard_map_loss or pmap_loss.*leave axis_name"
    ):
        named_losses("data")[name](*vectors.values(), others)


BOTH_FORMS = pytest.mark.parametrize("map_loss", [lambda *a, **k: shard_map_loss(*a, MESH, **k), pmap_loss])
SCORES = jnp.arange(2.0 * jax.device_count())


@BOTH_FORMS
def test_a_result_that_differs_between_devices_is_refused(map_loss) -> None:
    forgetful = map_loss(lambda x, axis_name: info_nce(x, x, axis_name=axis_name) + jnp.mean(x))
    with pytest.raises(ValueError, match=r"the loss returns float32\[\].* differs between the devices of 'data'"):
        forgetful(SCORES[:, None])


@BOTH_FORMS
def test_a_replicated_argument_that_is_not_there_is_refused(map_loss) -> None:
    with pytest.raises(ValueError, match=r"replicated names \['weight'\].* arguments of this call are \['0', '1'\]"):
        map_loss(bpr_loss, replicated=("weight",))(SCORES, SCORES)


@BOTH_FORMS
def test_the_axis_is_not_given_twice(map_loss) -> None:
    with pytest.raises(ValueError, match=r"it passes on 'data' itself\. Leave it out"):
        map_loss(bpr_loss)(SCORES, SCORES, axis_name="data")
