"""Training: ``train(experiment, workdir=...) -> RunResult``."""

from recgoat_jax.training.experiment import Experiment, LoopConfig
from recgoat_jax.training.loop import train
from recgoat_jax.training.optimizer import ConstantSchedule, OptimizerConfig, WarmupCosineSchedule
from recgoat_jax.training.result import RunResult, read_result
from recgoat_jax.training.search_space import SearchSpace
from recgoat_jax.training.study_record import StudyConfig, StudyRecord
from recgoat_jax.training.tuning import run_study

__all__ = [
    "ConstantSchedule",
    "Experiment",
    "LoopConfig",
    "OptimizerConfig",
    "RunResult",
    "SearchSpace",
    "StudyConfig",
    "StudyRecord",
    "WarmupCosineSchedule",
    "read_result",
    "run_study",
    "train",
]
