"""What mapping a loss refuses and accepts on one device; values over several are compared in tests/multidevice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from recgoat_jax.losses import cmcl_loss, feature_transport, pmap_loss, shard_map_loss

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
