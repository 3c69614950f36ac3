"""Evaluation by full ranking: ranks, metrics of every user, slices, paired tests. It takes functions, not models."""

from recgoat_jax.evaluation.evaluate import EvalResult, Evaluator, UserMetrics, evaluate
from recgoat_jax.evaluation.ranking import RankingPlan, held_out_ranks, prepare_ranking, ranks, ranks_from_scores
from recgoat_jax.evaluation.top_k import TopK, top_k, top_k_from_scores

__all__ = [
    "EvalResult",
    "Evaluator",
    "RankingPlan",
    "TopK",
    "UserMetrics",
    "evaluate",
    "held_out_ranks",
    "prepare_ranking",
    "ranks",
    "ranks_from_scores",
    "top_k",
    "top_k_from_scores",
]
