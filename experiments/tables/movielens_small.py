"""MovieLens ml-latest-small: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/movielens_small.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/movielens_small.json, movielens_small.md and movielens_small.tex

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import lightgcn_movielens_small, recgoat_movielens_small
from experiments.tables.rows import ablation_part, honesty_part, main_part, naive_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens ml-latest-small",
    {
        "main": main_part(lightgcn_movielens_small.CONFIG, recgoat_movielens_small.CONFIG),
        "ablation": ablation_part(recgoat_movielens_small.CONFIG),
        "naive": naive_part(recgoat_movielens_small.CONFIG),
        "honesty": honesty_part(recgoat_movielens_small.CONFIG),
    },
)
