"""HetRec Last.fm: RecGOAT beside its baselines, ablations, honesty runs and user side.

Command:  recgoat table experiments/tables/lastfm.py --seeds 0 1 2 3 4 --data DATA
Writes:   experiments/results/lastfm: .json, .md, .tex, .png, .pdf
"""

from experiments import lightgcn_lastfm, lightgcn_lastfm_tuned, recgoat_lastfm, recgoat_lastfm_tuned
from experiments.tables.rows import softmax_parts, standard_parts, tuned_part, users_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "HetRec Last.fm",
    {
        **standard_parts(lightgcn_lastfm.CONFIG, recgoat_lastfm.CONFIG),
        "tuned": tuned_part(lightgcn_lastfm_tuned.CONFIG, recgoat_lastfm_tuned.CONFIG),
        **softmax_parts(lightgcn_lastfm.CONFIG, recgoat_lastfm.CONFIG, dim=128),
        "users": users_part(recgoat_lastfm.CONFIG),
    },
)
