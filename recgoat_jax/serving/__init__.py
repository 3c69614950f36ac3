"""Serving: finished runs read back, recommendations by external id.

Users and items that came after training: `recgoat_jax.serving.cold_start`, which needs the model and is loaded alone.
"""

from recgoat_jax.serving.lists import PastItem, Recommendation, UserRecommendations
from recgoat_jax.serving.run import Run, ServedVectors, load_run
from recgoat_jax.serving.scoring import Scoring, scoring_items

__all__ = [
    "PastItem",
    "Recommendation",
    "Run",
    "Scoring",
    "ServedVectors",
    "UserRecommendations",
    "load_run",
    "scoring_items",
]
