"""LightGCN on MovieLens ml-latest-small (5-core, per_user_811), with RecGOAT's optimiser and L2 penalty.

Command:  recgoat train experiments/lightgcn_movielens_small.py
Cost:     about 2 minutes on 2 CPU cores
Expected: test recall@10 .1589 ± .0028, ndcg@10 .2008 (5 seeds)
"""

from recgoat_jax.encoders.recipes import MovielensSmall
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="lightgcn_movielens_small",
    data=MovielensSmall(),
    model=LightGcnConfig(initialization="normal", regularization="l2", regularization_weight=1e-3),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
