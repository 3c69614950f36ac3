r"""RecGOAT for a pod in small: the settings of `experiments/recgoat_pod.py` on 2,000 generated users and 500 items.

Command:  XLA_FLAGS=--xla_force_host_platform_device_count=8 \
          recgoat train experiments/recgoat_pod_small.py --mesh data=2,rows=4
Cost:     about 2 minutes on 2 CPU cores
Expected: test recall@20 .450, ndcg@20 .269 (1 seed)
"""

from recgoat_jax.encoders.recipes import GeneratedData
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment, LoopConfig, OptimizerConfig

CONFIG = Experiment(
    name="recgoat_pod_small",
    data=GeneratedData(num_users=2_000, num_items=500, interactions_per_user=20),
    model=RecGoatConfig(dim=64, contrast_examples=64),
    optimizer=OptimizerConfig(learning_rate=1e-3),
    loop=LoopConfig(batch_size=1024, shuffle="bijection", evaluate_every=1, max_epochs=20),
)
