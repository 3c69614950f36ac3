"""RecGOAT on Amazon Baby at the best settings that validation has found: EASE's weights in its item graph.

Command:  recgoat train experiments/recgoat_baby_best.py
Cost:     about 21 minutes on one CPU core
Expected: test recall@10 .0703 ± .0011, ndcg@10 .0383 (5 seeds; the item graph alone .0709 / .0385, LightGCN of the same
          width .0559 / .0306)

Everything else is as in ``experiments/recgoat_baby.py``. The penalty is the one that EASE alone is given by validation
there (``experiments/results/baby.md``).
"""

from dataclasses import replace

from experiments import recgoat_baby
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

_MODEL = recgoat_baby.CONFIG.model
assert isinstance(_MODEL, RecGoatConfig)
CONFIG: Experiment = replace(
    recgoat_baby.CONFIG,
    name="recgoat_baby_best",
    model=replace(_MODEL, dim=256, contrast_weight=0.0, co_purchase="ease", co_purchase_penalty=3000.0),
)
