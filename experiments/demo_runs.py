"""The trained runs of the demonstration: MovieLens-100K on a small budget.

They are ``lightgcn_ml_100k`` and ``recgoat_ml_100k`` with fewer epochs, less patience and fewer validations.
Command: make demo
"""

from dataclasses import replace

from experiments.lightgcn_ml_100k import CONFIG as LIGHTGCN_ML_100K
from experiments.recgoat_ml_100k import CONFIG as RECGOAT_ML_100K
from recgoat_jax.models import MostPopularConfig
from recgoat_jax.training import LoopConfig

LOOP = LoopConfig(batch_size=4096, max_epochs=60, patience=5, evaluate_every=2)

LIGHTGCN = replace(LIGHTGCN_ML_100K, name="lightgcn", loop=LOOP)
RECGOAT = replace(RECGOAT_ML_100K, name="recgoat", loop=LOOP)
MOST_POPULAR = replace(LIGHTGCN, name="most_popular", model=MostPopularConfig())
