"""What a measured bound is worth: it holds, it holds and says nothing, or it does not hold."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from recgoat_jax.report.theory import ViewBounds

Verdict = Literal["holds", "says nothing", "does not hold"]
"""``"says nothing"``: it holds, and its right side is no less than a number that bounds the left side of shuffled rows.
As these meet it as well, it does not rule out that the view has nothing to do with the items."""

ROUNDING = 1e-5
"""Share by which numbers count as equal: InfoNCE is computed in float32."""

FUSED_BELOW = "fused error below that of every {}, {}"
"""The claim of the paper's abstract, second version: of every modality or every view, as scored or at unit length."""


class Statement(NamedTuple):
    """One inequality with its measured sides.

    Attributes:
        name: which one.
        left: left side.
        right: right side.
        trivial: a bound of the left side for shuffled rows of the view, the least that is measured: of a distance the
            distance itself, of a difference of errors the direct bound.
        strict: whether the left side has to be below the right one.
    """

    name: str
    left: float
    right: float
    trivial: float = math.inf
    strict: bool = False

    @property
    def verdict(self) -> Verdict:
        """Holds, says nothing or does not hold."""
        holds = self.left < self.right if self.strict else self.left <= self.right * (1 + ROUNDING) + ROUNDING**2
        if not holds:
            return "does not hold"
        return "holds" if self.right < self.trivial * (1 - ROUNDING) else "says nothing"


def statements(bounds: ViewBounds) -> list[Statement]:
    """The statements about one view.

    Args:
        bounds: of the view.

    Returns:
        Printed and corrected bound of lemma 3.3, of lemma 3.4 and of the theorem of alignment consistency.
    """
    instance, errors, consistency = bounds
    difference, shuffled = consistency.errors.difference, consistency.errors.shuffled
    return [
        Statement("lemma 3.3, printed", instance.distance, instance.printed, instance.shuffled),
        Statement("lemma 3.3, corrected", instance.distance, instance.corrected, instance.shuffled),
        Statement("lemma 3.4, printed", errors.difference, errors.printed, errors.shuffled),
        Statement("lemma 3.4, direct", errors.difference, errors.direct, errors.shuffled),
        Statement("alignment consistency, printed", difference, consistency.printed, shuffled),
        Statement("alignment consistency, corrected", difference, consistency.corrected, shuffled),
        Statement("alignment consistency, direct", difference, consistency.errors.direct, shuffled),
    ]


def fusion_statements(views: Mapping[str, ViewBounds]) -> list[Statement]:
    r"""The statements about all views together.

    Args:
        views: name to bounds, all against the same fused vectors. ``"id"`` is a view, not a modality.

    Returns:
        The theorem of fusion comprehensiveness on rows of length one, :math:`\epsilon_F \le \epsilon_m` plus the
        printed right side of alignment consistency, for the view m of the least error; and whether the fused error is
        below that of every modality, and of every view, of the vectors that score and of rows of length one.
    """
    best = min(views.values(), key=lambda one: one.consistency.errors.view_error).consistency
    bound, shuffled = best.errors.view_error + best.printed, best.errors.view_error + best.errors.shuffled
    found = [Statement("fusion comprehensiveness, printed", best.errors.fused_error, bound, shuffled)]
    modalities = {name: one for name, one in views.items() if name != "id"}
    kinds = {"modality": modalities, "view": views} if len(views) > len(modalities) else {"modality": modalities}
    for kind, of_kind in kinds.items():
        lengths = {
            "as scored": [one.errors for one in of_kind.values()],
            "unit length": [one.consistency.errors for one in of_kind.values()],
        }
        for length, errors in lengths.items():
            least = min(one.view_error for one in errors)
            found.append(Statement(FUSED_BELOW.format(kind, length), errors[0].fused_error, least, strict=True))
    return found


def statement_fields(found: Iterable[tuple[str, Statement]]) -> list[dict[str, Any]]:
    """Statements with the view that they are about, for JSON."""
    return [
        {
            "view": view,
            "name": one.name,
            "left": round(one.left, 7),
            "right": round(one.right, 7),
            "verdict": one.verdict,
        }
        for view, one in found
    ]


def summary(found: Iterable[Statement]) -> dict[str, dict[Verdict, int]]:
    """Statement to how often each verdict was given."""
    counts: dict[str, dict[Verdict, int]] = {}
    for one in found:
        of_name = counts.setdefault(one.name, {"holds": 0, "says nothing": 0, "does not hold": 0})
        of_name[one.verdict] += 1
    return counts


__all__ = [
    "FUSED_BELOW",
    "ROUNDING",
    "Statement",
    "Verdict",
    "fusion_statements",
    "statement_fields",
    "statements",
    "summary",
]
