"""RecGOAT on Last.fm (published split): an LLM's paragraphs of artists and listeners through MiniLM.

Command:  recgoat train experiments/recgoat_lastfm.py
Cost:     about 5 minutes on 2 busy CPU cores, and as long to encode the paragraphs on first use
Expected: test recall@10 .2474 ± .0024, ndcg@10 .2579 (5 seeds; LightGCN .2405 / .2517, p = .010 and .006)
"""

from recgoat_jax.encoders.recipes import LastFm
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_lastfm",
    data=LastFm(),
    model=RecGoatConfig(),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=4096),
)
