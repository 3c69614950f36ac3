"""RecGOAT on MovieLens-100K (5-core, per_user_811): text and knowledge modalities, user profiles.

Command:  recgoat train experiments/recgoat_ml_100k.py
Cost:     <<FILL>> minutes on 2 CPU cores
Expected: test recall@10 <<FILL>>, ndcg@10 <<FILL>> (3 seeds); no published row
"""

from recgoat_jax.encoders.recipes import ExampleData
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_ml_100k",
    data=ExampleData(),
    model=RecGoatConfig(regularization_weight=1e-3, id_graph_weight=0.5, co_purchase_share=0.0),
    optimizer=OptimizerConfig(learning_rate=3e-3),
)
