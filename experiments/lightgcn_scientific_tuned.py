"""LightGCN on Amazon Scientific with the width, depth, penalty and learning rate that a search on validation chose.

Command:  recgoat train experiments/lightgcn_scientific_tuned.py
Cost:     about a minute on one CPU core, and two to encode the texts on first use
Expected: test recall@10 .0718 ± .0021, ndcg@10 .0386 (3 seeds)

The search is in docs/tuning.md.
"""

from dataclasses import replace

from experiments import lightgcn_scientific
from recgoat_jax.training import Experiment, OptimizerConfig

CONFIG: Experiment = replace(
    lightgcn_scientific.CONFIG,
    name="lightgcn_scientific_tuned",
    model=replace(lightgcn_scientific.CONFIG.model, dim=128, num_layers=3, regularization_weight=1.01e-3),
    optimizer=OptimizerConfig(learning_rate=7.84e-3),
)
