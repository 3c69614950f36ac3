import time

import numpy as np
import pytest

from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.sources import synthetic
from recgoat_jax.errors import UsageError


@pytest.fixture(scope="module")
def data():
    return synthetic.generate(300, 120, interactions_per_user=20, seed=3)


def test_same_arguments_give_the_same_tables_and_another_seed_does_not(data):
    again = synthetic.generate(300, 120, interactions_per_user=20, seed=3)
    other = synthetic.generate(300, 120, interactions_per_user=20, seed=4)
    assert data.raw.interactions.equals(again.raw.interactions)
    np.testing.assert_array_equal(data.raw.item_features["text"].values, again.raw.item_features["text"].values)
    assert not data.raw.interactions.equals(other.raw.interactions)


def test_a_further_modality_does_not_change_the_rest(data):
    more = synthetic.generate(
        300, 120, interactions_per_user=20, seed=3, modalities={"audio": 5, "text": 24}, user_modality=None
    )
    assert data.raw.interactions.equals(more.raw.interactions)
    np.testing.assert_array_equal(data.raw.item_features["text"].values, more.raw.item_features["text"].values)
    assert {name: table.values.shape for name, table in more.raw.item_features.items()} == {
        "audio": (120, 5),
        "text": (120, 24),
    }
    assert not more.raw.user_features


def test_pairs_are_distinct_ratings_and_times_are_there_and_lengths_vary_around_the_mean(data):
    pairs = data.raw.interactions
    assert pairs.columns == ["user", "item", "rating", "timestamp"]
    assert pairs.select("user", "item").is_unique().all()
    assert set(pairs["rating"].unique()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert pairs["rating"].n_unique() >= 4
    lengths = pairs.group_by("user").len()["len"].to_numpy()
    assert len(lengths) == 300
    assert abs(lengths.mean() - 20) < 2
    assert lengths.min() >= 5
    assert lengths.std() > 4


def test_scores_are_those_of_the_stated_formula(data):
    users, items = ["u007", "u000"], ["i119", "i003"]
    p, q, b = data.user_factors, data.item_factors, data.popularity
    expected = [
        [synthetic.SHARPNESS * sum(p[u, k] * q[i, k] for k in range(8)) / 8**0.5 + b[i] for i in (119, 3)]
        for u in (7, 0)
    ]
    np.testing.assert_allclose(data.optimal_scores(users, items), expected, rtol=1e-5)
    with pytest.raises(UsageError, match="unknown item id 'x'"):
        data.optimal_scores(users, ["x"])


def recall_at_20(data, dataset, scores):
    scores = scores.copy()
    scores[dataset.train.users, dataset.train.items] = -np.inf
    scores[dataset.valid.users, dataset.valid.items] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :20]
    hits = (top[dataset.test.users] == dataset.test.items[:, None]).any(axis=1)
    return hits.mean()


def test_the_planted_ranking_beats_popularity_and_any_disturbed_one(data):
    dataset = prepare(data.raw, name="synthetic", protocol="per_user_811")
    best = data.optimal_scores(dataset.users.ids, dataset.items.ids)
    noise = np.random.default_rng(0).standard_normal(best.shape) * best.std()
    popular = np.broadcast_to(dataset.item_counts.astype(float), best.shape)
    by_best, by_disturbed, by_popular = (recall_at_20(data, dataset, s) for s in (best, best + noise, popular))
    assert by_best > by_disturbed + 0.1
    assert by_best > by_popular + 0.1
    assert by_popular > 20 / 120 + 0.05


def test_draws_follow_the_softmax_of_the_scores():
    # One item a user: how often a user takes the item that is r-th in their ranking is its mean softmax probability.
    data = synthetic.generate(20_000, 6, dim=1, modalities={}, user_modality=None, interactions_per_user=1, seed=1)
    pairs = data.raw.interactions.filter(~data.raw.interactions["user"].is_duplicated())
    users, items = data.users.rows(pairs["user"].to_list()), data.items.rows(pairs["item"].to_list())
    scores = data.optimal_scores(data.users.ids, data.items.ids).astype(float)[users]
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    ranks = (-scores).argsort(axis=1).argsort(axis=1)[np.arange(len(users)), items]
    shares = np.bincount(ranks, minlength=6) / len(users)
    np.testing.assert_allclose(
        shares, np.sort(chances, axis=1)[:, ::-1].mean(axis=0), atol=4 * 0.5 / np.sqrt(len(users))
    )


def test_modalities_are_linear_views_with_missing_rows(data):
    clean = synthetic.generate(300, 120, seed=3, noise=0.0, missing_rate=0.25)
    for table, factors in (
        (clean.raw.item_features["text"], clean.item_factors),
        (clean.raw.user_features["profile"], clean.user_factors),
    ):
        assert table.present is not None
        assert (~table.present).sum() == len(factors) // 4
        assert np.isnan(table.values[~table.present]).all()
        solution = np.linalg.lstsq(factors[table.present], table.values[table.present])[0]
        np.testing.assert_allclose(factors[table.present] @ solution, table.values[table.present], atol=1e-4)
    noisy = data.raw.item_features["text"].values - clean.raw.item_features["text"].values
    assert abs(np.nanstd(noisy) - 0.5) < 0.05


def test_missing_rows_reach_the_prepared_data_set_as_a_mask(data):
    dataset = prepare(data.raw, name="synthetic", protocol="per_user_811")
    assert set(dataset.item_features) == {"text", "image"}
    assert (~dataset.item_features["text"].present).sum() == 12
    assert dataset.user_features["profile"].values.shape == (300, 12)


def test_a_catalogue_larger_than_what_a_user_sees_costs_no_more(monkeypatch):
    monkeypatch.setattr(synthetic, "MAX_CANDIDATES", 64)
    data = synthetic.generate(200, 500, modalities={}, user_modality=None, interactions_per_user=10)
    assert data.raw.interactions.select("user", "item").is_unique().all()
    assert data.raw.interactions["item"].n_unique() > 400
    # Half of what is taken ranks in the upper part of the whole catalogue.
    scores = data.optimal_scores(data.users.ids, data.items.ids)
    ranks = (-scores).argsort(axis=1).argsort(axis=1)
    users = data.users.rows(data.raw.interactions["user"].to_list())
    items = data.items.rows(data.raw.interactions["item"].to_list())
    assert np.median(ranks[users, items]) < 120
    counts = np.bincount(items, minlength=500)
    assert np.corrcoef(counts, data.popularity)[0, 1] > 0.4


def test_a_large_catalogue_costs_little_a_user():
    begin = time.process_time()
    data = synthetic.generate(5_000, 50_000, interactions_per_user=8)
    assert len(data.raw.interactions) > 30_000
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "bad",
    [
        {"num_users": 0},
        {"num_items": 1},
        {"dim": 0},
        {"modalities": {"text": 0}},
        {"user_modality": 0},
        {"missing_rate": 1.0},
        {"noise": -0.1},
        {"interactions_per_user": 0},
        {"seed": -1},
    ],
)
def test_sizes_out_of_range_are_refused(bad):
    with pytest.raises(UsageError, match="synthetic data: found"):
        synthetic.generate(**{"num_users": 5, "num_items": 5, **bad})
