"""Fusion: which mixtures count for a spread, and the two tables, for views whose figures are known."""

from typing import Any

import numpy as np
import pytest

from experiments.fusion import as_markdown, measured
from recgoat_jax.report.mixtures import Mixtures
from recgoat_jax.report.run_views import REPRESENTATIONS
from tests.runs import random_dataset

ALIGNED, UNALIGNED = REPRESENTATIONS


class KnownViews:
    """Two views; recall of a mixture is 0.1 at the ID end, 0.2 at the text's, and 0.3 + its ID weight between."""

    dataset = random_dataset()
    names = ("id", "text")
    learned = np.array([0.75, 0.25])

    def __init__(self, more: float = 0.0) -> None:
        self.more = more

    def mixtures(self, grid: np.ndarray, evaluator: object, *, metric: str, representation: str) -> Mixtures:
        assert metric == "recall@10"
        values = np.where(grid[:, 0] == 1, 0.1, np.where(grid[:, 0] == 0, 0.2, 0.3 + grid[:, 0]))
        return Mixtures(grid, values * (1.0 if representation == ALIGNED else 0.5))

    def alone(self, evaluator: object, *, metrics: tuple[str, ...], representation: str) -> dict[str, dict[str, float]]:
        if representation == UNALIGNED:
            return {metric: {"text": 0.25 + self.more} for metric in metrics}
        return {metric: {"fused": 0.5 + self.more, "id": 0.4, "text": 0.3 + self.more} for metric in metrics}


def test_spreads_with_and_without_the_ends() -> None:
    found = measured(KnownViews())  # type: ignore[arg-type]  # stands in for views of a run
    assert found["learned"] == {"id": 0.75, "text": 0.25}
    for representation, share in ((ALIGNED, 1.0), (UNALIGNED, 0.5)):
        one = found[representation]
        # Weights 1.0, 0.9, ..., 0.0: values 0.1, 1.2, 1.1, ..., 0.4, 0.2.
        assert one["spread"] == pytest.approx(1.1 / 1.2)
        assert one["inner_spread"] == pytest.approx(0.8 / 1.2)
        assert one["best"] == pytest.approx({"id": 0.9, "text": 0.1})
        assert one["best_value"] == pytest.approx(1.2 * share)


def test_the_tables_have_means_over_runs_and_every_view_once() -> None:
    runs: list[dict[str, Any]] = [measured(KnownViews(more)) for more in (0.0, 0.02)]  # type: ignore[arg-type]  # a stand-in
    assert as_markdown({"blocks": runs}).splitlines() == [
        "| data | vectors | recall@10 | ndcg@10 |",
        "|---|---|---|---|",
        "| blocks | fused | 0.5100 ± 0.0141 | 0.5100 ± 0.0141 |",
        f"| blocks | id alone, {ALIGNED} | 0.4000 ± 0.0000 | 0.4000 ± 0.0000 |",
        f"| blocks | text alone, {ALIGNED} | 0.3100 ± 0.0141 | 0.3100 ± 0.0141 |",
        f"| blocks | text alone, {UNALIGNED} | 0.2600 ± 0.0141 | 0.2600 ± 0.0141 |",
        "",
        "| data | views | learned weights | (max - min) / max of recall@10 | the same, no weight 0 | best mixture |",
        "|---|---|---|---|---|---|",
        f"| blocks | {ALIGNED} | id 0.7500 ± 0.0000, text 0.2500 ± 0.0000 | 91.7 to 91.7 % | 66.7 to 66.7 % | "
        "id 0.9, text 0.1 |",
        f"| blocks | {UNALIGNED} | id 0.7500 ± 0.0000, text 0.2500 ± 0.0000 | 91.7 to 91.7 % | 66.7 to 66.7 % | "
        "id 0.9, text 0.1 |",
    ]
