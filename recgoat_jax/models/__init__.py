"""Models: one file a system. `build_model` makes any of them from its config."""

from recgoat_jax.models.blend import Blend
from recgoat_jax.models.bpr_mf import BprMf, BprMfConfig
from recgoat_jax.models.build import ModelConfig, build_model
from recgoat_jax.models.content_knn import ContentKnn
from recgoat_jax.models.ease import Ease
from recgoat_jax.models.item_knn import ItemKnn
from recgoat_jax.models.light_gcn import LightGcn, LightGcnConfig
from recgoat_jax.models.most_popular import MostPopular, MostPopularConfig
from recgoat_jax.models.protocols import Batch, LossOutput, Retriever, Vectors
from recgoat_jax.models.rec_goat import RecGoat
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.models.rec_goat_variants import (
    Ablation,
    Control,
    NaiveFusion,
    UserAblation,
    ablation,
    control,
    naive,
    released,
    user_ablation,
)

__all__ = [
    "Ablation",
    "Batch",
    "Blend",
    "BprMf",
    "BprMfConfig",
    "ContentKnn",
    "Control",
    "Ease",
    "ItemKnn",
    "LightGcn",
    "LightGcnConfig",
    "LossOutput",
    "ModelConfig",
    "MostPopular",
    "MostPopularConfig",
    "NaiveFusion",
    "RecGoat",
    "RecGoatConfig",
    "Retriever",
    "UserAblation",
    "Vectors",
    "ablation",
    "build_model",
    "control",
    "naive",
    "released",
    "user_ablation",
]
