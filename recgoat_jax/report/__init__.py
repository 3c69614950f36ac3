"""Reports: tables, figures and pages of finished runs, from their saved files alone."""

from recgoat_jax.report.comparison_table import ComparisonTable, comparison_table
from recgoat_jax.report.dots import group_figure, view_figure
from recgoat_jax.report.figures import curves_figure, draw_curves, draw_fusion_weights, fusion_weights_figure
from recgoat_jax.report.maps import embed_views, map_figure
from recgoat_jax.report.mixtures import Mixtures, mixture_figure, simplex_grid
from recgoat_jax.report.plans import alignment_figure, plan_figure
from recgoat_jax.report.recommendations_page import Page, recommendations_page
from recgoat_jax.report.study_figures import search_figure, validation_against_test_figure
from recgoat_jax.report.style import save

__all__ = [
    "ComparisonTable",
    "Mixtures",
    "Page",
    "alignment_figure",
    "comparison_table",
    "curves_figure",
    "draw_curves",
    "draw_fusion_weights",
    "embed_views",
    "fusion_weights_figure",
    "group_figure",
    "map_figure",
    "mixture_figure",
    "plan_figure",
    "recommendations_page",
    "save",
    "search_figure",
    "simplex_grid",
    "validation_against_test_figure",
    "view_figure",
]
