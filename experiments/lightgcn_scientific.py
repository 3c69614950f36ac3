"""LightGCN on Amazon Industrial & Scientific (5-core, leave_last_out).

Command:  recgoat train experiments/lightgcn_scientific.py
Cost:     about a minute on 2 CPU cores, and two to encode the texts on first use
Expected: test recall@10 .0667 ± .0013, ndcg@10 .0352 (3 seeds)
"""

from recgoat_jax.encoders.recipes import AmazonScientific
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="lightgcn_scientific",
    data=AmazonScientific(),
    model=LightGcnConfig(initialization="normal", regularization="l2", regularization_weight=1e-3),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
