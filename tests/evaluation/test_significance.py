from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation import EvalResult, Evaluator
from recgoat_jax.evaluation.significance import (
    bootstrap_test,
    check_comparable,
    compare,
    holm,
    mean_of_repeats,
    paired_test,
)
from tests.runs import random_dataset


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    base = rng.integers(0, 4, 120) / 3
    return base, np.clip(base + rng.choice([-1 / 3, 0, 0, 1 / 3, 2 / 3], 120), 0, 1)


def test_t_equals_scipy(samples: tuple[np.ndarray, np.ndarray]) -> None:
    base, candidate = samples
    found = paired_test(base, candidate)
    expected = scipy.stats.ttest_rel(candidate, base)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.difference == pytest.approx(candidate.mean() - base.mean())
    assert paired_test(candidate, base).p_value == pytest.approx(found.p_value)


def test_wilcoxon_equals_scipy(samples: tuple[np.ndarray, np.ndarray]) -> None:
    base, candidate = samples
    found = paired_test(base, candidate, test="wilcoxon")
    assert found.p_value == pytest.approx(scipy.stats.wilcoxon(candidate, base, zero_method="wilcox").pvalue)


def test_bootstrap_agrees_with_scipy(samples: tuple[np.ndarray, np.ndarray]) -> None:
    difference = samples[1] - samples[0]
    found = bootstrap_test(difference, num_resamples=20_000)
    expected = scipy.stats.bootstrap(
        (difference,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    spread = difference.std() / np.sqrt(len(difference))
    assert found.low == pytest.approx(expected.low, abs=0.06 * spread)
    assert found.high == pytest.approx(expected.high, abs=0.06 * spread)
    # With 120 users the mean is close to normal, so that the t-test is a witness.
    weak = difference - difference.mean() + 1.5 * spread
    assert bootstrap_test(weak, num_resamples=20_000).p_value == pytest.approx(
        scipy.stats.ttest_1samp(weak, 0).pvalue, abs=0.015
    )


def test_bootstrap_interval_is_accelerated() -> None:
    # Strong skewness: without the acceleration the upper end would be nearer by more than a tenth of the spread.
    difference = np.random.default_rng(2).exponential(size=30) ** 2
    found = bootstrap_test(difference, num_resamples=20_000)
    expected = scipy.stats.bootstrap(
        (difference,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    spread = difference.std() / np.sqrt(len(difference))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.1 * spread)


def test_bootstrap_follows_its_seed(samples: tuple[np.ndarray, np.ndarray]) -> None:
    first, again, other = (paired_test(*samples, test="bootstrap", seed=seed, num_resamples=500) for seed in (1, 1, 2))
    assert first == again
    assert first.low != other.low


@pytest.mark.parametrize("test", ["t", "wilcoxon", "bootstrap"])
def test_equal_systems_do_not_differ(test: str) -> None:
    values = np.array([0.0, 0.5, 1.0])
    assert paired_test(values, values.copy(), test=test).p_value == 1
    everyone_gains = paired_test(values, values + 0.5, test=test, num_resamples=99)
    assert everyone_gains.difference == pytest.approx(0.5)
    assert everyone_gains.p_value < 1


def test_a_pairing_is_needed() -> None:
    with pytest.raises(UsageError, match="3 and 2 values"):
        paired_test(np.zeros(3), np.zeros(2))
    with pytest.raises(UsageError, match="two users at least"):
        paired_test(np.zeros(1), np.zeros(1))


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5, 0.6], [0.02], [0.001, 0.001, 0.9, 0.02, 0.02]])
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return random_dataset()


@pytest.fixture(scope="module")
def results(dataset: Dataset) -> dict[str, EvalResult]:
    evaluator = Evaluator(dataset, "test", cutoffs=(2, 5))
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(dataset.num_users, dataset.num_items)).astype(np.float32)
    good = noise.copy()
    good[dataset.test.users, dataset.test.items] += 2
    other = rng.permutation(noise)
    return {
        name: evaluator.from_scores(lambda rows, scores=scores: scores[rows])
        for name, scores in (("base", noise), ("good", good), ("other", other))
    }


def test_compare_corrects_over_all_comparisons(results: dict[str, EvalResult]) -> None:
    metrics = ["recall@5", "ndcg@5"]
    found = compare(results, baseline="base", metrics=metrics)
    assert [(c.candidate, c.metric) for c in found] == [(n, m) for n in ("good", "other") for m in metrics]
    raw = [
        scipy.stats.ttest_rel(results[c.candidate].values[c.metric], results["base"].values[c.metric]).pvalue
        for c in found
    ]
    assert [c.corrected_p for c in found] == pytest.approx(multipletests(raw, method="holm")[1].tolist())
    first = found[0]
    assert first.candidate_mean - first.baseline_mean == pytest.approx(first.test.difference)
    assert first.lift == pytest.approx(first.candidate_mean / first.baseline_mean - 1)
    assert first.lift > 0
    assert first.corrected_p < 0.05


def test_a_system_may_have_its_own_baseline(results: dict[str, EvalResult]) -> None:
    good, other = compare(results, baseline="base", metrics=["ndcg@5"], own={"other": "good"})
    assert (good.baseline_mean, other.baseline_mean) == (
        results["base"].means["ndcg@5"],
        results["good"].means["ndcg@5"],
    )
    raw = [
        scipy.stats.ttest_rel(results[one].values["ndcg@5"], results[two].values["ndcg@5"]).pvalue
        for one, two in (("good", "base"), ("other", "good"))
    ]
    assert [good.corrected_p, other.corrected_p] == pytest.approx(multipletests(raw, method="holm")[1].tolist())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"protocol": "per_user_811"}, "protocol given against per_user_811"),
        ({"dataset_hash": "f" * 64}, r"data hash [0-9a-f]{12} \(random\) against f{12} \(random\)"),
        ({"split": "valid"}, "split test against valid"),
        ({"excluded": ("train", "valid")}, "excluded splits"),
    ],
)
def test_unlike_results_are_refused(results: dict[str, EvalResult], change: dict[str, object], named: str) -> None:
    changed = {**results, "good": replace(results["good"], **change)}
    with pytest.raises(UsageError, match=f"'base' and 'good' cannot be compared: {named}") as caught:
        compare(changed, baseline="base", metrics=["recall@5"])
    assert caught.value.exit_code == 2


def test_other_users_are_refused(results: dict[str, EvalResult]) -> None:
    with pytest.raises(UsageError, match="the same users"):
        check_comparable({"a": results["base"], "b": replace(results["good"], users=results["good"].users + 1)})


def test_wrong_names_are_refused(results: dict[str, EvalResult]) -> None:
    with pytest.raises(UsageError, match="unknown baseline 'x'; expected one of base, good, other"):
        compare(results, baseline="x", metrics=["recall@5"])
    with pytest.raises(UsageError, match="unknown baseline 'y'"):
        compare(results, baseline="base", metrics=["recall@5"], own={"good": "y"})
    with pytest.raises(UsageError, match="no metric recall@7"):
        compare(results, baseline="base", metrics=["recall@7"])
    with pytest.raises(UsageError, match="expected two or more"):
        compare({"base": results["base"]}, baseline="base", metrics=["recall@5"])


def test_mean_of_repeats_averages_each_user(results: dict[str, EvalResult]) -> None:
    first = results["base"]
    second = replace(first, values={name: 1.0 - values for name, values in first.values.items()})
    third = replace(first, values={name: values + 0.5 for name, values in first.values.items()})
    averaged = mean_of_repeats([first, second, third])
    for name, values in first.values.items():
        np.testing.assert_allclose(averaged.values[name], (values + 1.5) / 3)
    assert averaged.means == pytest.approx({name: np.mean(v) for name, v in averaged.values.items()})
    with pytest.raises(UsageError, match="repeat 2"):
        mean_of_repeats([first, replace(first, protocol="other")])
    with pytest.raises(UsageError, match="one or more"):
        mean_of_repeats([])
