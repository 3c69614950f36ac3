"""LightGCN on Last.fm with the width, depth, penalty and learning rate that a search on validation chose.

Command:  recgoat train experiments/lightgcn_lastfm_tuned.py
Cost:     about 2 minutes on a busy CPU core, and four to encode the paragraphs on first use
Expected: test recall@10 .2457 ± .0032, ndcg@10 .2578 (3 seeds)

The search is in docs/tuning.md.
"""

from dataclasses import replace

from experiments import lightgcn_lastfm
from recgoat_jax.training import Experiment, OptimizerConfig

CONFIG: Experiment = replace(
    lightgcn_lastfm.CONFIG,
    name="lightgcn_lastfm_tuned",
    model=replace(lightgcn_lastfm.CONFIG.model, dim=128, num_layers=2, regularization_weight=9.4e-4),
    optimizer=OptimizerConfig(learning_rate=3.9e-3),
)
