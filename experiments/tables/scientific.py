"""Amazon Industrial and Scientific: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/scientific.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/scientific: .json, .md, .tex, .png, .pdf

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import (
    lightgcn_scientific,
    lightgcn_scientific_tuned,
    recgoat_scientific,
    recgoat_scientific_tuned,
)
from experiments.tables.rows import standard_parts, tuned_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "Amazon Industrial and Scientific",
    standard_parts(lightgcn_scientific.CONFIG, recgoat_scientific.CONFIG)
    | {"tuned": tuned_part(lightgcn_scientific_tuned.CONFIG, recgoat_scientific_tuned.CONFIG, searched=True)},
)
