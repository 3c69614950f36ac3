"""HetRec Last.fm: RecGOAT beside its baselines, ablations and honesty runs.

Command:  recgoat table experiments/tables/lastfm.py --seeds 0 1 2 --data DATA
Writes:   experiments/results/lastfm.json, lastfm.md and lastfm.tex
"""

from experiments import lightgcn_lastfm, recgoat_lastfm
from experiments.tables.rows import ablation_part, honesty_part, main_part, naive_part, users_part
from recgoat_jax.report.result_table import ResultTable

TABLE = ResultTable(
    "HetRec Last.fm",
    {
        "main": main_part(lightgcn_lastfm.CONFIG, recgoat_lastfm.CONFIG),
        "ablation": ablation_part(recgoat_lastfm.CONFIG),
        "naive": naive_part(recgoat_lastfm.CONFIG),
        "honesty": honesty_part(recgoat_lastfm.CONFIG),
        "users": users_part(recgoat_lastfm.CONFIG),
    },
)
