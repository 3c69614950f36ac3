"""Paired tests over users, with correction for the number of comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import scipy.stats
from jaxtyping import Float

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.evaluate import UserMetrics

TestName = Literal["t", "wilcoxon", "bootstrap"]
"""Paired t-test, Wilcoxon signed-rank test, bootstrap over users."""

Values = Float[np.ndarray, " users"]


@dataclass(frozen=True)
class PairedTest:
    """Outcome of one paired test.

    Attributes:
        difference: mean over users of candidate minus baseline.
        p_value: two-sided.
        low: lower end of the 95 % interval of the difference; NaN for the Wilcoxon test, which gives none.
        high: upper end.
    """

    difference: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A candidate against the baseline in one metric.

    Attributes:
        candidate: name of the candidate.
        metric: e.g. ``"recall@20"``.
        baseline_mean: mean over users.
        candidate_mean: mean over users.
        test: outcome of the test.
        corrected_p: p-value after Holm's correction over all comparisons made together.
    """

    candidate: str
    metric: str
    baseline_mean: float
    candidate_mean: float
    test: PairedTest
    corrected_p: float

    @property
    def lift(self) -> float:
        """(candidate - baseline) / baseline; NaN where the baseline is 0."""
        return self.test.difference / self.baseline_mean if self.baseline_mean else float("nan")


def paired_test(
    baseline: Values,
    candidate: Float[np.ndarray, " others"],
    *,
    test: TestName = "t",
    seed: int = 0,
    num_resamples: int = 9999,
) -> PairedTest:
    """Tests whether two systems differ over the same users.

    Args:
        baseline: ``users``, one value a user.
        candidate: ``users``, the same users in the same order.
        test: ``"t"``: paired t-test with its interval. ``"wilcoxon"``: signed-rank test, users without a difference
            left out. ``"bootstrap"``: see `bootstrap_test`.
        seed: of the bootstrap.
        num_resamples: of the bootstrap.

    Returns:
        The outcome; a p-value of 1 where no user differs.

    Raises:
        UsageError: fewer than two users, or unequal numbers.

    Example:
        >>> baseline = np.array([0.2, 0.4, 0.1, 0.3])
        >>> found = paired_test(baseline, baseline + np.array([0.1, 0.2, 0.1, 0.2]))
        >>> print(f"{found.difference:.2f}, p = {found.p_value:.4f}, {found.low:.3f} to {found.high:.3f}")
        0.15, p = 0.0138, 0.058 to 0.242
    """
    if baseline.shape != candidate.shape or len(baseline) < 2:
        raise UsageError(
            f"{len(baseline)} and {len(candidate)} values to compare; expected one value of each system for the same "
            "users, two users at least."
        )
    difference = candidate - baseline
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    if not difference.any():
        return PairedTest(0.0, 1.0, 0.0, 0.0)
    match test:
        case "t":
            if spread == 0.0:  # every user gains the same
                return PairedTest(mean, 0.0, mean, mean)
            error = spread / np.sqrt(len(difference))
            freedom = len(difference) - 1
            reach = float(scipy.stats.t.ppf(0.975, freedom)) * error
            p_value = 2.0 * float(scipy.stats.t.sf(abs(mean) / error, freedom))
            return PairedTest(mean, p_value, mean - reach, mean + reach)
        case "wilcoxon":
            outcome: Any = scipy.stats.wilcoxon(difference[difference != 0])
            return PairedTest(mean, float(outcome.pvalue), float("nan"), float("nan"))
        case "bootstrap":
            return bootstrap_test(difference, seed=seed, num_resamples=num_resamples)


def bootstrap_test(difference: Values, *, seed: int = 0, num_resamples: int = 9999) -> PairedTest:
    """Bootstrap over users of a mean difference.

    The interval is BCa (Efron, JASA 1987): bias-corrected by the share of resampled means below the mean, accelerated
    by the skewness of the mean, which for a mean has a closed form. The p-value is that of resampled means around the
    null hypothesis: the share of ``|mean* - mean|`` at least ``|mean|``, counting the observed one (Efron and
    Tibshirani 1993, section 16.4).

    Args:
        difference: ``users``, candidate minus baseline, not all equal to 0.
        seed: of the resamples.
        num_resamples: how many.

    Returns:
        The outcome.
    """
    # Metrics take few values, so that drawing the count of each value is much cheaper than drawing users.
    values, counts = np.unique(difference, return_counts=True)
    size, mean = len(difference), float(difference.mean())
    generator = np.random.default_rng(seed)
    block = max(1, 2**22 // len(values))
    resampled = np.concatenate(
        [
            generator.multinomial(size, counts / size, size=min(block, num_resamples - start)) @ values / size
            for start in range(0, num_resamples, block)
        ]
    )
    # Rounding in the sums must not tell apart what is equal.
    tolerance = 1e-12 * max(1.0, float(np.abs(values).max()))
    extreme = np.count_nonzero(np.abs(resampled - mean) >= abs(mean) - tolerance)
    low, high = _bca_interval(resampled, mean, values - mean, counts)
    return PairedTest(mean, (1 + extreme) / (1 + num_resamples), low, high)


def _bca_interval(resampled: np.ndarray, mean: float, centred: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    squares = float(np.sum(counts * centred**2))
    if squares == 0.0:
        return mean, mean
    # Of a mean, the jackknife's acceleration is sum (x - mean)^3 / (6 (sum (x - mean)^2)^(3/2)).
    acceleration = float(np.sum(counts * centred**3)) / (6.0 * squares**1.5)
    below = (np.mean(resampled < mean) + np.mean(resampled <= mean)) / 2.0
    bias = scipy.stats.norm.ppf(np.clip(below, 1e-9, 1 - 1e-9))
    reach = bias + scipy.stats.norm.ppf([0.025, 0.975])
    levels = scipy.stats.norm.cdf(bias + reach / (1.0 - acceleration * reach))
    low, high = np.quantile(resampled, levels)
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics, 1979).

    The j-th smallest of m p-values is multiplied by m - j + 1, made monotone and cut at 1. The chance of any false
    finding among the m stays below the level, whatever the dependence between the tests.

    Args:
        p_values: of all comparisons made together.

    Returns:
        Corrected p-values in the same order.

    Example:
        >>> print(holm([0.01, 0.04, 0.03]))
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in corrected]


def check_comparable(results: Mapping[str, UserMetrics]) -> None:
    """Refuses results that were not made under the same conditions.

    Args:
        results: name of a system to its result.

    Raises:
        UsageError: two differ in protocol, data hash, split, excluded splits or users; both are named.
    """
    (first_name, first), *rest = results.items()
    for name, result in rest:
        for condition, ours, theirs in (
            ("protocol", first.protocol, result.protocol),
            ("data hash", _named_hash(first), _named_hash(result)),
            ("split", first.split, result.split),
            ("excluded splits", first.excluded, result.excluded),
        ):
            if ours != theirs:
                raise UsageError(
                    f"'{first_name}' and '{name}' cannot be compared: {condition} {ours} against {theirs}; expected "
                    "the same. Evaluate both on the same prepared data, split and exclusions."
                )
        if not np.array_equal(first.users, result.users):
            raise UsageError(
                f"'{first_name}' and '{name}' cannot be compared: {len(first.users)} users against {len(result.users)} "
                "other ones; expected the same users. Evaluate both again."
            )


def _named_hash(result: UserMetrics) -> str:
    return f"{result.dataset_hash[:12]} ({result.dataset_name})"


def mean_of_repeats(results: Sequence[UserMetrics]) -> UserMetrics:
    """One result out of repeats (seeds) of a system: the values of every user averaged over them.

    A paired test of two such results asks whether the users differ in what they can expect of the two systems, and
    not whether two training runs do.

    Args:
        results: results of the repeats, one at least, of the same split and users.

    Returns:
        Averaged values of the metrics that all have, and no ranks: these have no mean that the metrics would follow.

    Raises:
        UsageError: no result, or results made under different conditions (`check_comparable`).
    """
    if not results:
        raise UsageError("no result to average; expected one or more.")
    check_comparable({f"repeat {position + 1}": result for position, result in enumerate(results)})
    shared = [name for name in results[0].values if all(name in result.values for result in results)]
    values = {name: np.mean([result.values[name] for result in results], axis=0) for name in shared}
    return UserMetrics(**results[0].conditions, users=results[0].users, values=values)


def compare(
    results: Mapping[str, UserMetrics],
    *,
    baseline: str,
    metrics: Sequence[str],
    own: Mapping[str, str] = MappingProxyType({}),
    test: TestName = "t",
    seed: int = 0,
    num_resamples: int = 9999,
) -> list[Comparison]:
    """Compares every system with a baseline, over the same users.

    Args:
        results: name of a system to its result, two at least.
        baseline: name of the baseline among them.
        metrics: e.g. ``["recall@20", "ndcg@20"]``.
        own: name of a system to the one among them that it is compared with in place of ``baseline``.
        test: which paired test.
        seed: of the bootstrap.
        num_resamples: of the bootstrap.

    Returns:
        One comparison for each system but the baseline and each metric; Holm's correction is over all of them.

    Raises:
        UsageError: fewer than two results, an unknown baseline or metric, or conditions that differ
            (`check_comparable`).
    """
    if len(results) < 2:
        raise UsageError(f"{len(results)} result to compare; expected two or more.")
    for known in (baseline, *own, *own.values()):
        if known not in results:
            raise UsageError(f"unknown baseline '{known}'; expected one of {', '.join(results)}.")
    check_comparable(results)
    for name, result in results.items():
        missing = [metric for metric in metrics if metric not in result.values]
        if missing or not metrics:
            raise UsageError(
                f"'{name}' has no metric {', '.join(missing) or '(none given)'}; "
                f"expected some of {', '.join(result.values)}."
            )
    pairs = [
        (name, results[own.get(name, baseline)], metric) for name in results if name != baseline for metric in metrics
    ]
    tests = [
        paired_test(
            base.values[metric], results[name].values[metric], test=test, seed=seed, num_resamples=num_resamples
        )
        for name, base, metric in pairs
    ]
    corrected = holm([outcome.p_value for outcome in tests])
    return [
        Comparison(name, metric, base.means[metric], results[name].means[metric], outcome, p_value)
        for (name, base, metric), outcome, p_value in zip(pairs, tests, corrected, strict=True)
    ]


__all__ = [
    "Comparison",
    "PairedTest",
    "TestName",
    "bootstrap_test",
    "check_comparable",
    "compare",
    "holm",
    "mean_of_repeats",
    "paired_test",
]
