"""MovieLens-1M: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/movielens_1m.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/movielens_1m.json, movielens_1m.md and movielens_1m.tex

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import lightgcn_movielens_1m, recgoat_movielens_1m
from experiments.tables.rows import ablation_part, honesty_part, main_part, naive_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens-1M",
    {
        "main": main_part(lightgcn_movielens_1m.CONFIG, recgoat_movielens_1m.CONFIG),
        "ablation": ablation_part(recgoat_movielens_1m.CONFIG),
        "naive": naive_part(recgoat_movielens_1m.CONFIG),
        "honesty": honesty_part(recgoat_movielens_1m.CONFIG),
    },
)
