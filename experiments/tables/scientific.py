"""Amazon Industrial and Scientific: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/scientific.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/scientific.json, scientific.md and scientific.tex

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import lightgcn_scientific, recgoat_scientific
from experiments.tables.rows import ablation_part, honesty_part, main_part, naive_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "Amazon Industrial and Scientific",
    {
        "main": main_part(lightgcn_scientific.CONFIG, recgoat_scientific.CONFIG),
        "ablation": ablation_part(recgoat_scientific.CONFIG),
        "naive": naive_part(recgoat_scientific.CONFIG),
        "honesty": honesty_part(recgoat_scientific.CONFIG),
    },
)
