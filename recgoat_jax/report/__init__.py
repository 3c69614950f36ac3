"""Reports: tables and figures of finished runs, from their saved files alone."""

from recgoat_jax.report.figures import draw_curves, draw_fusion_weights
from recgoat_jax.report.tables import ComparisonTable, comparison_table

__all__ = ["ComparisonTable", "comparison_table", "draw_curves", "draw_fusion_weights"]
