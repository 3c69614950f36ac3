"""Serving: finished runs read back, recommendations by external id, also for users and items that came later."""

from recgoat_jax.serving.cold_start import ColdStart
from recgoat_jax.serving.lists import Recommendation, UserRecommendations
from recgoat_jax.serving.run import Run, ServedVectors, load_run

__all__ = ["ColdStart", "Recommendation", "Run", "ServedVectors", "UserRecommendations", "load_run"]
