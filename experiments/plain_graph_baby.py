"""LightGCN and the item graph on ID vectors, on Amazon Baby: no contrast, no branches.

Command:  recgoat train experiments/plain_graph_baby.py
Cost:     about 8 minutes on one CPU core
Expected: test recall@10 .0679 ± .0005, ndcg@10 .0370 (5 seeds, by the row of experiments/tables/baby.py)
"""

from dataclasses import replace

from experiments import recgoat_baby
from recgoat_jax.models import RecGoatConfig, control
from recgoat_jax.training import Experiment

_MODEL = recgoat_baby.CONFIG.model
assert isinstance(_MODEL, RecGoatConfig)
CONFIG: Experiment = replace(recgoat_baby.CONFIG, name="plain_graph_baby", model=control(_MODEL, "plain_graph"))
