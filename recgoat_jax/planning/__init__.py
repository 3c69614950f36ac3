"""Plans: a training step compiled ahead of time for a pod that nobody has paid for yet."""

from recgoat_jax.planning.plan import Plan, make_plan

__all__ = ["Plan", "make_plan"]
