"""MovieLens-100K, the example set: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/ml_100k.py --seeds 0 1 2
Writes:   experiments/results/ml_100k.json, ml_100k.md and ml_100k.tex
"""

from experiments import lightgcn_ml_100k, recgoat_ml_100k
from experiments.tables.rows import ablation_part, honesty_part, main_part, naive_part, users_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens-100K, the example set",
    {
        "main": main_part(lightgcn_ml_100k.CONFIG, recgoat_ml_100k.CONFIG),
        "ablation": ablation_part(recgoat_ml_100k.CONFIG),
        "naive": naive_part(recgoat_ml_100k.CONFIG),
        "honesty": honesty_part(recgoat_ml_100k.CONFIG),
        "users": users_part(recgoat_ml_100k.CONFIG),
    },
)
