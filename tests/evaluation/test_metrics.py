import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.metrics import METRIC_NAMES, RankedTargets, beyond_accuracy, gini, per_user_metrics

CUTOFFS = (1, 3, 10)


def test_values_by_hand() -> None:
    # User 7: three held-out items at places 2, 4 and 30. User 9: one, at place 1.
    grouped = RankedTargets.of(np.array([7, 7, 9, 7]), np.array([29, 1, 0, 3]))
    assert grouped.users.tolist() == [7, 9]
    values = {name: v.tolist() for name, v in per_user_metrics(grouped, cutoffs=(3, 5)).items()}
    assert values["recall@3"] == pytest.approx([1 / 3, 1])
    assert values["recall@5"] == pytest.approx([2 / 3, 1])
    assert values["precision@5"] == pytest.approx([2 / 5, 1 / 5])
    assert values["hit_rate@3"] == [1, 1]
    assert values["mrr@5"] == pytest.approx([1 / 2, 1])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert values["ndcg@5"] == pytest.approx([(1 / np.log2(3) + 1 / np.log2(5)) / ideal, 1])
    assert values["map@5"] == pytest.approx([(1 / 2 + 2 / 4) / 3, 1])
    assert values["map@3"] == pytest.approx([(1 / 2) / 3, 1])


def test_the_divisors_of_map_and_ndcg_stop_at_k() -> None:
    # Five held-out items at places 1 to 5: the best list there is, at any cut-off.
    grouped = RankedTargets.of(np.zeros(5, int), np.arange(5))
    values = per_user_metrics(grouped, cutoffs=(2, 5, 9))
    assert all(values[f"{name}@{k}"][0] == pytest.approx(1) for name in ("map", "ndcg") for k in (2, 5, 9))
    assert values["recall@2"][0] == pytest.approx(2 / 5)


def test_equal_to_ir_measures_without_ties() -> None:
    rng = np.random.default_rng(3)
    num_users, num_items = 40, 50
    scores = rng.permutation(num_users * num_items).reshape(num_users, num_items).astype(float)
    relevant = [rng.choice(num_items, size=rng.integers(1, 14), replace=False) for _ in range(num_users)]
    qrels = [ir_measures.Qrel(f"{u:03d}", str(i), 1) for u in range(num_users) for i in relevant[u]]
    run = [ir_measures.ScoredDoc(f"{u:03d}", str(i), scores[u, i]) for u in range(num_users) for i in range(num_items)]
    users = np.repeat(np.arange(num_users), [len(r) for r in relevant])
    places = (-scores).argsort(axis=1).argsort(axis=1)
    grouped = RankedTargets.of(users, places[users, np.concatenate(relevant)])
    values = per_user_metrics(grouped, cutoffs=CUTOFFS)
    names = {"recall": R, "ndcg": nDCG, "precision": P, "hit_rate": Success, "mrr": RR, "map": AP}
    measures = {f"{name}@{k}": measure @ k for name, measure in names.items() for k in CUTOFFS}
    found: dict[str, dict[str, float]] = {str(measure): {} for measure in measures.values()}
    for value in ir_measures.iter_calc(list(measures.values()), qrels, run):
        found[str(value.measure)][value.query_id] = value.value
    counts = np.array([len(r) for r in relevant])
    for name, measure in measures.items():
        expected = np.array([found[str(measure)][f"{u:03d}"] for u in range(num_users)])
        if name.startswith("map@"):  # trec_eval divides by |R_u| at any cut-off
            expected = expected * counts / np.minimum(counts, int(name[4:]))
        np.testing.assert_allclose(values[name], expected, atol=1e-12, err_msg=name)


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), min_size=1, max_size=30, unique=True),
    k=st.integers(1, 45),
)
def test_properties(pairs: list[tuple[int, int]], k: int) -> None:
    users, ranks = np.array(pairs).T
    values = per_user_metrics(RankedTargets.of(users, ranks), cutoffs=(k, k + 1))
    shuffled = np.random.default_rng(0).permutation(len(users))
    again = per_user_metrics(RankedTargets.of(users[shuffled], ranks[shuffled]), cutoffs=(k, k + 1))
    for name, value in values.items():
        assert ((value >= 0) & (value <= 1 + 1e-12)).all(), name
        np.testing.assert_array_equal(value, again[name], err_msg=name)
    for name in ("recall", "hit_rate", "mrr"):
        assert (values[f"{name}@{k}"] <= values[f"{name}@{k + 1}"]).all()
    assert (values[f"precision@{k}"] * k <= values[f"precision@{k + 1}"] * (k + 1) + 1e-12).all()


@pytest.mark.parametrize("cutoffs", [(), (0,), (10, -1)])
def test_cutoffs_are_checked(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="cut-offs"):
        per_user_metrics(RankedTargets.of(np.zeros(1, int), np.zeros(1, int)), cutoffs=cutoffs)


def test_beyond_accuracy_by_hand() -> None:
    # Lists {0, 1}, {0}, {0, 2} of four items; 8, 4, 0, 1 of 8 users have them.
    lists = np.array([[0, 1], [0, -1], [2, 0]])
    values = beyond_accuracy(lists, np.array([8, 4, 0, 1]), num_users=8)
    assert values["coverage"] == pytest.approx(3 / 4)
    assert values["novelty"] == pytest.approx((0 + 1 + 0 + 3 + 0) / 5)
    # Mean absolute difference of exposures 3, 1, 1, 0 over all pairs, halved and divided by the mean.
    exposure = np.array([3, 1, 1, 0])
    expected = np.abs(exposure[:, None] - exposure).mean() / 2 / exposure.mean()
    assert values["gini"] == pytest.approx(expected)
    assert gini(np.array([2, 2, 2])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert gini(np.zeros(3, int)) == 0


def test_every_name_has_values() -> None:
    values = per_user_metrics(RankedTargets.of(np.zeros(1, int), np.zeros(1, int)), cutoffs=(2,))
    assert list(values) == [f"{name}@2" for name in METRIC_NAMES]
