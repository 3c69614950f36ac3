"""The metrics of a finished run as lines of text."""

from recgoat_jax.training.result import RunResult


def metric_lines(result: RunResult) -> list[str]:
    """Recall and NDCG of both splits, a line each."""
    lines = []
    for split, metrics in (("valid", result.valid), ("test", result.test)):
        shown = (f"{name} {metrics[name]:.4f}" for name in metrics if name.startswith(("recall@", "ndcg@")))
        lines.append(f"{split:<5}  " + "  ".join(shown))
    return lines


__all__ = ["metric_lines"]
