"""MovieLens-100K, the example set: RecGOAT beside its baselines, ablations, honesty runs and user side.

Command:  recgoat table experiments/tables/ml_100k.py --seeds 0 1 2 3 4
Writes:   experiments/results/ml_100k: .json, .md, .tex, .png, .pdf
"""

from experiments import lightgcn_ml_100k, recgoat_ml_100k
from experiments.tables.rows import softmax_parts, standard_parts, users_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens-100K, the example set",
    {
        **standard_parts(lightgcn_ml_100k.CONFIG, recgoat_ml_100k.CONFIG),
        **softmax_parts(lightgcn_ml_100k.CONFIG, recgoat_ml_100k.CONFIG, dim=128, batch_size=1024),
        "users": users_part(recgoat_ml_100k.CONFIG),
    },
)
