"""LightGCN on Amazon Baby at RecGOAT's settings, chosen on validation: the baseline at equal width.

Command:  recgoat train experiments/lightgcn_baby_tuned.py
Cost:     about 14 minutes on one CPU core
Expected: test recall@10 .0540 ± .0014, ndcg@10 .0294 (5 seeds)
"""

from recgoat_jax.encoders.recipes import AmazonBaby
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="lightgcn_baby_tuned",
    data=AmazonBaby(),
    model=LightGcnConfig(dim=128, regularization="l2", regularization_weight=2e-3),
    optimizer=OptimizerConfig(learning_rate=3e-3),
    loop=LoopConfig(batch_size=4096),
)
