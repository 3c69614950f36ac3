"""MovieLens-1M: RecGOAT beside its baselines, ablations, honesty runs and user side.

Command:  recgoat table experiments/tables/movielens_1m.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/movielens_1m: .json, .md, .tex, .png, .pdf
"""

from experiments import lightgcn_movielens_1m, recgoat_movielens_1m
from experiments.tables.rows import standard_parts, users_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens-1M",
    {
        **standard_parts(lightgcn_movielens_1m.CONFIG, recgoat_movielens_1m.CONFIG),
        "users": users_part(recgoat_movielens_1m.CONFIG),
    },
)
