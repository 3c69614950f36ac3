"""RecGOAT on Amazon Baby: what it adds to the item graph (contrast, transport, branches); the rest is as searched.

Command:  recgoat tune experiments/recgoat_baby.py --search experiments/search/alignment_baby.py --trials 12
Cost:     a trial is a run of recgoat_baby, a quarter of an hour on one CPU core
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from experiments.search.weights import LEAST_WEIGHT, suggest_weight
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import Experiment

AS_IT_IS = {
    "contrast_weight": 2e-3,
    "temperature": 0.2,
    "wasserstein_weight": 1e-3,
    "id_share": 0.96,
    "feature_dropout": 0.1,
    "fusion_weights": "learned",
    "weight_decay": 0.0,
}
NO_ALIGNMENT = {"contrast_weight": LEAST_WEIGHT / 10, "wasserstein_weight": LEAST_WEIGHT / 10}
FIRST = (
    AS_IT_IS,
    {**AS_IT_IS, "fusion_weights": "fixed", "id_share": 0.8},
    {**AS_IT_IS, **NO_ALIGNMENT},
    {**AS_IT_IS, **NO_ALIGNMENT, "fusion_weights": "fixed", "id_share": 0.8},
    {**AS_IT_IS, "fusion_weights": "fixed"},
    {**AS_IT_IS, "weight_decay": 0.1},
    {**AS_IT_IS, "contrast_weight": 2e-4},
    {**AS_IT_IS, "contrast_weight": 2e-2},
    {**AS_IT_IS, "wasserstein_weight": 0.1},
)
"""The experiment as it is; then without what aligns, with the shares held where they start, and other weights."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial. The share stays below 1, where the branches would be left out and never trained."""
    assert isinstance(experiment.model, RecGoatConfig)
    model = replace(
        experiment.model,
        contrast_weight=suggest_weight(trial, "contrast_weight"),
        temperature=trial.suggest_float("temperature", 0.05, 1.0, log=True),
        wasserstein_weight=suggest_weight(trial, "wasserstein_weight"),
        id_share=trial.suggest_float("id_share", 0.6, 0.99),
        feature_dropout=trial.suggest_float("feature_dropout", 0.0, 0.5),
        fusion_weights=trial.suggest_categorical("fusion_weights", ["learned", "fixed"]),
    )
    optimizer = replace(experiment.optimizer, weight_decay=trial.suggest_float("weight_decay", 0.0, 0.3))
    return replace(experiment, model=model, optimizer=optimizer)
