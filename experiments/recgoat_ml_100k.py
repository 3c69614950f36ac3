"""RecGOAT on MovieLens-100K (5-core, per_user_811): text and knowledge modalities, user profiles.

Command:  recgoat train experiments/recgoat_ml_100k.py
Cost:     about 3 minutes on 2 CPU cores
Expected: test recall@10 .2279 ± .0010, ndcg@10 .2523 (3 seeds; LightGCN .2301 / .2539, no significant difference; one
          seed with the budget of make demo: .2203 / .2438)
"""

from recgoat_jax.encoders.recipes import ExampleData
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_ml_100k",
    data=ExampleData(),
    model=RecGoatConfig(),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
