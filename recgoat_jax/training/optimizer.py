"""The optimiser: Adam, a schedule, decay on learned maps only."""

from dataclasses import dataclass, field
from typing import Any

import jax
import optax
from flax import nnx

ID_TABLES = ("user_table", "item_table")
"""Parameters that weight decay leaves alone: their penalty is part of the loss, on the rows of the batch."""


@dataclass(frozen=True)
class ConstantSchedule:
    """One learning rate throughout."""


@dataclass(frozen=True)
class WarmupCosineSchedule:
    """Linear warm-up from zero, then a cosine down to a fraction of the peak."""

    warmup_epochs: float = 1.0
    """Epochs of warm-up."""
    decay_epochs: float = 100.0
    """Epochs at which the cosine ends, warm-up included."""
    final_fraction: float = 0.1
    """Where it ends, as a fraction of the peak."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.warmup_epochs < self.decay_epochs:
            raise ValueError(
                f"found {self.warmup_epochs} epochs of warm-up and a cosine that ends after {self.decay_epochs}; "
                "expected the end after the warm-up, which is part of it."
            )


Schedule = ConstantSchedule | WarmupCosineSchedule
"""Any schedule of the learning rate."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam and what goes with it."""

    learning_rate: float = 1e-3
    """Peak learning rate."""
    schedule: Schedule = field(default_factory=ConstantSchedule)
    """Course of the learning rate."""
    weight_decay: float = 0.0
    """Decoupled weight decay on every parameter but the ID tables."""
    gradient_clip: float = 0.0
    """Largest global gradient norm; 0 is no clipping."""


def _decayed(params: nnx.State) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: not any(getattr(entry, "key", None) in ID_TABLES for entry in path), params
    )


def make_optimizer(config: OptimizerConfig, *, steps_per_epoch: int) -> optax.GradientTransformation:
    """Builds the optax chain.

    Args:
        config: settings.
        steps_per_epoch: turns the schedule's epochs into steps.

    Returns:
        clip -> Adam -> decoupled decay -> learning rate.
    """
    match config.schedule:
        case ConstantSchedule():
            rate: optax.Schedule | float = config.learning_rate
        case WarmupCosineSchedule(warmup, decay, fraction):
            warmup_steps = max(1, round(warmup * steps_per_epoch))
            rate = optax.warmup_cosine_decay_schedule(
                init_value=0.0,
                peak_value=config.learning_rate,
                warmup_steps=warmup_steps,
                decay_steps=max(warmup_steps + 1, round(decay * steps_per_epoch)),
                end_value=fraction * config.learning_rate,
            )
    chain: list[optax.GradientTransformation] = []
    if config.gradient_clip > 0:
        chain.append(optax.clip_by_global_norm(config.gradient_clip))
    chain.append(optax.scale_by_adam())
    if config.weight_decay > 0:
        chain.append(optax.add_decayed_weights(config.weight_decay, mask=_decayed))
    chain.append(optax.scale_by_learning_rate(rate))
    return optax.chain(*chain)


__all__ = ["ConstantSchedule", "OptimizerConfig", "Schedule", "WarmupCosineSchedule", "make_optimizer"]
