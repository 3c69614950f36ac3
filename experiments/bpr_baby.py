"""BPR-MF on Amazon Baby: the BPR row of the paper's table 1.

Command:  recgoat train experiments/bpr_baby.py
Cost:     1 to 2 minutes on 2 CPU cores
Expected: test recall@10 .0364 ± .0012, ndcg@10 .0196 (5 seeds; published .0357 / .0192)
"""

from recgoat_jax.encoders.recipes import AmazonBaby
from recgoat_jax.models import BprMfConfig
from recgoat_jax.training import Experiment

CONFIG = Experiment(name="bpr_baby", data=AmazonBaby(), model=BprMfConfig())
