"""Amazon Baby, the published split with real neighbour lists: RecGOAT beside its baselines, ablations, honesty runs.

Command:  recgoat table experiments/tables/baby.py --seeds 0 1 2 3 4 --data DATA
Writes:   experiments/results/baby: .json, .md, .tex, .png, .pdf

The data has no texts of users, so there are no rows of the user side.
"""

from experiments import bpr_baby, lightgcn_baby, lightgcn_baby_tuned, recgoat_baby, recgoat_baby_best
from experiments.tables.rows import ABLATIONS, RECGOAT, at_width, best_parts, standard_parts, width_parts
from recgoat_jax.report.result_table import ResultTable

# Table 1 of the RecGOAT paper; its row of RecGOAT was chosen on test.
PUBLISHED = {
    "BPR": (0.0357, 0.0192),
    "LightGCN": (0.0479, 0.0257),
    ABLATIONS["concat"]: (0.0472, 0.0244),
    ABLATIONS["sum"]: (0.0422, 0.0217),
    ABLATIONS["cmcl_only"]: (0.0601, 0.0330),
    ABLATIONS["oat_only"]: (0.0623, 0.0346),
    RECGOAT: (0.0671, 0.0369),
}

TABLE = ResultTable(
    "Amazon Baby",
    standard_parts(
        lightgcn_baby.CONFIG,
        recgoat_baby.CONFIG,
        bpr=bpr_baby.CONFIG,
        tuned=lightgcn_baby_tuned.CONFIG,
        published=PUBLISHED,
        graph_contrast=False,
    )
    | width_parts(lightgcn_baby_tuned.CONFIG, recgoat_baby.CONFIG, dim=256)
    | best_parts(at_width(lightgcn_baby_tuned.CONFIG, 256), recgoat_baby_best.CONFIG, recgoat_baby.CONFIG),
)
