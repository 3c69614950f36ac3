"""LightGCN on Amazon Baby as in the multimodal benchmark: the LightGCN row of the paper's table 1.

Command:  recgoat train experiments/lightgcn_baby.py
Cost:     about 5 minutes on 2 CPU cores
Expected: test recall@10 .0480 ± .0009, ndcg@10 .0258 (5 seeds; published .0479 / .0257)
"""

from recgoat_jax.encoders.recipes import AmazonBaby
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment

CONFIG = Experiment(name="lightgcn_baby", data=AmazonBaby(), model=LightGcnConfig())
