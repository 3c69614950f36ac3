"""The item graph on ID vectors with its contrast, on Amazon Baby: no branches.

Command:  recgoat train experiments/id_graph_baby.py
Cost:     about 4 minutes on 2 CPU cores
"""

from dataclasses import replace

from experiments import recgoat_baby
from recgoat_jax.models import RecGoatConfig, control
from recgoat_jax.training import Experiment

_MODEL = recgoat_baby.CONFIG.model
assert isinstance(_MODEL, RecGoatConfig)
CONFIG: Experiment = replace(
    recgoat_baby.CONFIG,
    name="id_graph_baby",
    model=replace(control(_MODEL, "id_graph"), id_graph_contrast_weight=0.01),
)
