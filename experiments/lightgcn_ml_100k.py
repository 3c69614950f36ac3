"""LightGCN on MovieLens-100K (5-core, per_user_811), tuned like RecGOAT.

Command:  recgoat train experiments/lightgcn_ml_100k.py
Cost:     about 1 minute on 2 CPU cores
Expected: test recall@10 .2301 ± .0032, ndcg@10 .2539 (3 seeds; one seed with the budget of make demo: .2129 / .2351)
"""

from recgoat_jax.encoders.recipes import ExampleData
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="lightgcn_ml_100k",
    data=ExampleData(),
    model=LightGcnConfig(initialization="normal", regularization="l2", regularization_weight=1e-3),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
