"""RecGOAT on MovieLens ml-latest-small (5-core, per_user_811): titles with genres, and posters.

Command:  recgoat train experiments/recgoat_movielens_small.py
Cost:     <<FILL>> minutes on 2 CPU cores
Expected: test recall@10 <<FILL>>, ndcg@10 <<FILL>> (3 seeds); no published row
"""

from recgoat_jax.encoders.recipes import MovielensSmall
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_movielens_small",
    data=MovielensSmall(),
    model=RecGoatConfig(regularization_weight=1e-3, id_graph_weight=0.5, co_purchase_share=0.0),
    optimizer=OptimizerConfig(learning_rate=3e-3),
)
