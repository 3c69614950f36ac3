"""RecGOAT on Amazon Baby: optimiser, schedule, loss, penalty, item graph, fusion, contrasts, transport, width, depth.

Command:  recgoat tune experiments/recgoat_baby.py --search experiments/search/recgoat_baby.py --trials 40
Cost:     a trial is a run of recgoat_baby, 17 minutes on one CPU core; far longer at width 800 or with the softmax
"""

from dataclasses import replace

from optuna.trial import BaseTrial

from experiments.search.weights import LEAST_WEIGHT, suggest_weight
from recgoat_jax.models import RecGoatConfig
from recgoat_jax.training import ConstantSchedule, Experiment, WarmupCosineSchedule
from recgoat_jax.training.optimizer import Schedule

SCHEDULES: dict[str, Schedule] = {
    "constant": ConstantSchedule(),
    **{f"cosine over {epochs:.0f} epochs": WarmupCosineSchedule(decay_epochs=epochs) for epochs in (30.0, 60.0, 120.0)},
}
"""Courses of the learning rate."""

FIRST = (
    {
        "learning_rate": 3e-3,
        "batch_size": 4096,
        "schedule": "constant",
        "ranking": "bpr",
        "weight_decay": 1e-7,
        "dim": 128,
        "num_layers": 3,
        "regularization_weight": 2e-3,
        "id_graph_weight": 1.3,
        "co_purchase_share": 0.23,
        "text_share": 0.75,
        "fusion_weights": "learned",
        "id_share": 0.96,
        "feature_dropout": 0.1,
        "epsilon": None,
        "temperature": 0.2,
        "contrast_weight": 0.002,
        "id_graph_contrast_weight": LEAST_WEIGHT / 10,
        "wasserstein_weight": 1e-3,
    },
)
"""The experiment as it is."""


def suggest(trial: BaseTrial, experiment: Experiment) -> Experiment:
    """The experiment of a trial. Shares stay below 1, where the other side would be left out and never trained."""
    assert isinstance(experiment.model, RecGoatConfig)
    text_share = trial.suggest_float("text_share", 0.25, 0.95)
    decay = trial.suggest_float("weight_decay", 1e-7, 1e-2, log=True)
    model = replace(
        experiment.model,
        dim=trial.suggest_categorical("dim", (64, 128, 256, 512, 800)),
        ranking=trial.suggest_categorical("ranking", ("bpr", "softmax")),
        num_layers=trial.suggest_int("num_layers", 2, 4),
        regularization_weight=trial.suggest_float("regularization_weight", 2e-4, 1e-2, log=True),
        id_graph_weight=trial.suggest_float("id_graph_weight", 0.25, 2.0),
        co_purchase_share=trial.suggest_float("co_purchase_share", 0.0, 0.6),
        modality_shares=(("image", 1.0), ("text", text_share / (1 - text_share))),
        fusion_weights=trial.suggest_categorical("fusion_weights", ("learned", "fixed", "unconstrained")),
        id_share=trial.suggest_float("id_share", 0.8, 0.99),
        feature_dropout=trial.suggest_float("feature_dropout", 0.0, 0.4),
        epsilon=trial.suggest_categorical("epsilon", (None, 0.01, 0.05, 0.1)),
        temperature=trial.suggest_float("temperature", 0.05, 1.0, log=True),
        contrast_weight=suggest_weight(trial, "contrast_weight"),
        id_graph_contrast_weight=suggest_weight(trial, "id_graph_contrast_weight"),
        wasserstein_weight=suggest_weight(trial, "wasserstein_weight"),
    )
    optimizer = replace(
        experiment.optimizer,
        schedule=SCHEDULES[str(trial.suggest_categorical("schedule", tuple(SCHEDULES)))],
        learning_rate=trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
        weight_decay=decay if decay >= 1e-6 else 0.0,
    )
    loop = replace(experiment.loop, batch_size=trial.suggest_categorical("batch_size", (2048, 4096)))
    return replace(experiment, model=model, optimizer=optimizer, loop=loop)
