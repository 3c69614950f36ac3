"""The item graph on ID vectors alone, on Amazon Baby: RecGOAT without branches, what transport has to be better than.

Command:  recgoat train experiments/id_graph_baby.py
Cost:     about 4 minutes on 2 CPU cores
"""

from dataclasses import replace

from experiments import recgoat_baby
from recgoat_jax.models import RecGoatConfig, control
from recgoat_jax.training import Experiment

_MODEL = recgoat_baby.CONFIG.model
assert isinstance(_MODEL, RecGoatConfig)
CONFIG: Experiment = replace(recgoat_baby.CONFIG, name="id_graph_baby", model=control(_MODEL, "id_graph"))
