"""LightGCN on Last.fm (published split).

Command:  recgoat train experiments/lightgcn_lastfm.py
Cost:     about 4 minutes on 2 busy CPU cores, and as long to encode the paragraphs on first use
Expected: test recall@10 .2405 ± .0018, ndcg@10 .2517 (5 seeds)
"""

from recgoat_jax.encoders.recipes import LastFm
from recgoat_jax.models import LightGcnConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="lightgcn_lastfm",
    data=LastFm(),
    model=LightGcnConfig(initialization="normal", regularization="l2", regularization_weight=1e-3),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
