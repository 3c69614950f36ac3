"""RecGOAT on MovieLens-1M (published split): an LLM's paragraphs of films through MiniLM, and posters.

Command:  recgoat train experiments/recgoat_movielens_1m.py
Expected: not measured yet
"""

from recgoat_jax.encoders.recipes import Movielens1m
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_movielens_1m",
    data=Movielens1m(),
    model=RecGoatConfig(),
    optimizer=OptimizerConfig(learning_rate=5e-3),
    loop=LoopConfig(batch_size=16384),
)
