"""Reports: tables, figures and pages of finished runs, from their saved files alone."""

from recgoat_jax.report.figures import draw_curves, draw_fusion_weights
from recgoat_jax.report.recommendations_page import Page, recommendations_page
from recgoat_jax.report.tables import ComparisonTable, comparison_table

__all__ = [
    "ComparisonTable",
    "Page",
    "comparison_table",
    "draw_curves",
    "draw_fusion_weights",
    "recommendations_page",
]
