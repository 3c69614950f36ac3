"""MovieLens ml-latest-small: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/movielens_small.py --seeds 0 1 2 3 4 --data DATA
Writes:   experiments/results/movielens_small: .json, .md, .tex, .png, .pdf

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import lightgcn_movielens_small, recgoat_movielens_small
from experiments.tables.rows import softmax_parts, standard_parts
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "MovieLens ml-latest-small",
    standard_parts(lightgcn_movielens_small.CONFIG, recgoat_movielens_small.CONFIG)
    | softmax_parts(lightgcn_movielens_small.CONFIG, recgoat_movielens_small.CONFIG, dim=128),
)
