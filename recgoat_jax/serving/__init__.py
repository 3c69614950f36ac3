"""Serving: finished runs read back, recommendations by external id."""

from recgoat_jax.serving.run import Recommendation, Run, ServedVectors, UserRecommendations, load_run

__all__ = ["Recommendation", "Run", "ServedVectors", "UserRecommendations", "load_run"]
