"""Training: ``train(experiment, workdir=...) -> RunResult``."""

from recgoat_jax.training.experiment import Experiment, LoopConfig
from recgoat_jax.training.loop import train
from recgoat_jax.training.optimizer import ConstantSchedule, OptimizerConfig, WarmupCosineSchedule
from recgoat_jax.training.result import RunResult, read_result

__all__ = [
    "ConstantSchedule",
    "Experiment",
    "LoopConfig",
    "OptimizerConfig",
    "RunResult",
    "WarmupCosineSchedule",
    "read_result",
    "train",
]
