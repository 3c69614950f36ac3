"""RecGOAT on Last.fm with the width, depth, penalty and learning rate that a search chose for LightGCN, not for it.

Command:  recgoat train experiments/recgoat_lastfm_tuned.py
Cost:     about 7 minutes on a busy CPU core, and four to encode the paragraphs on first use
Expected: test recall@10 .2548 ± .0013, ndcg@10 .2654 (3 seeds; LightGCN .2457 / .2578, p < .001)

Everything else is as in ``experiments/recgoat_lastfm.py``.
"""

from dataclasses import replace

from experiments import lightgcn_lastfm_tuned, recgoat_lastfm
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment

_LIGHTGCN = lightgcn_lastfm_tuned.CONFIG.model
assert isinstance(_LIGHTGCN, LightGcnConfig)
CONFIG: Experiment = replace(
    recgoat_lastfm.CONFIG,
    name="recgoat_lastfm_tuned",
    model=replace(
        recgoat_lastfm.CONFIG.model,
        dim=_LIGHTGCN.dim,
        num_layers=_LIGHTGCN.num_layers,
        regularization_weight=_LIGHTGCN.regularization_weight,
    ),
    optimizer=lightgcn_lastfm_tuned.CONFIG.optimizer,
)
