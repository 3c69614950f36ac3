"""The two rankings of cold items: by scores and by vectors they are the same."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.cold_items import AMONG, ranked, ranked_vectors
from recgoat_jax.evaluation import evaluate
from recgoat_jax.serving import ServedVectors
from tests.runs import random_dataset, random_vectors
from tests.worlds import interactions


@pytest.mark.parametrize("among", AMONG)
def test_vectors_rank_as_their_scores_do(among: str) -> None:
    made = random_dataset()
    cold = made.item_counts == 0
    assert cold.sum() == 3
    held = {(int(user), int(item)) for user, item in zip(made.test.users, made.test.items, strict=True) if cold[item]}
    dataset = replace(made, test=interactions(held))
    vectors = ServedVectors(*random_vectors(dataset))
    by_vectors = ranked_vectors(dataset, "test", vectors, among)
    by_scores = ranked(dataset, "test", lambda users: vectors.users[users] @ vectors.items.T, among)
    assert by_vectors.means == pytest.approx(by_scores.means)
    # Three cold items among themselves are all on the first five places; among all they are not.
    everything = evaluate(vectors, dataset, "test", cutoffs=(5, 10, 20, 50)).means["recall@5"]
    assert everything < 1.0
    assert by_vectors.means["recall@5"] == pytest.approx(everything if among == "all items" else 1.0)
    assert np.isfinite([*by_vectors.means.values()]).all()
