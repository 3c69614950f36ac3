"""RecGOAT for a pod: 100 million users, 10 million items, 1 billion training pairs, generated; planned, not yet run.

Command:  recgoat plan experiments/recgoat_pod.py --topology v5p:4x4x8 --mesh rows=all
          recgoat train experiments/recgoat_pod_small.py --mesh data=2,rows=4   (the same in small, runs anywhere)
Cost:     see docs/scale.md, compiled figures and estimates; nobody has paid for it
Expected: nothing yet
"""

from recgoat_jax.encoders.recipes import GeneratedData
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_pod",
    # Four in five interactions of a user are for training.
    data=GeneratedData(num_users=100_000_000, num_items=10_000_000, interactions_per_user=12, text=64, image=64),
    model=RecGoatConfig(dim=64, contrast_examples=65_536),
    optimizer=OptimizerConfig(learning_rate=1e-3),
    loop=LoopConfig(batch_size=1_048_576, shuffle="bijection", evaluate_every=1, max_epochs=20),
)
