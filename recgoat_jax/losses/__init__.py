"""Losses and transport plans: arrays in, arrays out, for any JAX program.

Importing this package loads JAX, numpy and jaxtyping only (ott-jax is imported by the first call that transports).
Every loss takes a mask for padding, is computed in float32 at least, has finite gradients and works under
``jax.jit``, ``jax.vmap``, ``jax.grad`` and, given ``axis_name``, over the devices of ``jax.pmap`` or ``jax.shard_map``,
where each device returns the value of the whole batch. Differentiate from outside the mapped function; what
`shard_map_loss` and `pmap_loss` return is such a function.

* ranking: `bpr_loss`, `sampled_softmax_loss`;
* contrastive: `info_nce`, `cmcl_loss`;
* transport between feature axes: `feature_transport`, `released_transport`;
* distance between sets of vectors: `wasserstein_distance`, `sliced_wasserstein_distance`;
* over devices: `shard_map_loss`, `pmap_loss`;
* regularisation: `l2_regularization`, `embedding_norm_regularization`.
"""

from recgoat_jax.losses.contrastive import cmcl_loss, info_nce
from recgoat_jax.losses.mapped import pmap_loss, shard_map_loss
from recgoat_jax.losses.ranking import bpr_loss, sampled_softmax_loss
from recgoat_jax.losses.regularization import embedding_norm_regularization, l2_regularization
from recgoat_jax.losses.transport import FeatureTransport, feature_transport, released_transport
from recgoat_jax.losses.wasserstein import sliced_wasserstein_distance, wasserstein_distance

__all__ = [
    "FeatureTransport",
    "bpr_loss",
    "cmcl_loss",
    "embedding_norm_regularization",
    "feature_transport",
    "info_nce",
    "l2_regularization",
    "pmap_loss",
    "released_transport",
    "sampled_softmax_loss",
    "shard_map_loss",
    "sliced_wasserstein_distance",
    "wasserstein_distance",
]
