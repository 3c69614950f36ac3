import math

import numpy as np
import pytest
import scipy.sparse as sp

from recgoat_jax.encoders import tfidf
from recgoat_jax.encoders.tfidf import TfidfSvd, tfidf_matrix, tokenize, truncated_svd
from recgoat_jax.errors import DataError


def test_tokens_are_lower_case_words_of_any_script():
    assert tokenize("The CHILD'S Sci-Fi: 東京 naïve_1, (1995)!") == [
        "the",
        "child's",
        "sci",
        "fi",
        "東京",
        "naïve_1",
        "1995",
    ]


def test_weights_are_those_of_the_stated_formula():
    documents = [["a", "b", "a"], [], ["b"], ["c", "b"]]
    matrix = tfidf_matrix(documents).toarray()
    # Three rows hold tokens; a and c stand in one of them, b in all.
    rare, common = math.log(4 / 2) + 1, math.log(4 / 4) + 1
    first = np.array([2 * rare, common, 0])
    last = np.array([0, common, rare])
    expected = [first / np.linalg.norm(first), [0, 0, 0], [0, 1, 0], last / np.linalg.norm(last)]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(0)
    topics = [rng.choice(80, 12, replace=False) for _ in range(6)]
    return [[f"w{w}" for w in rng.choice(topics[row % 6], 5)] for row in range(150)]


@pytest.mark.parametrize("limit", [0, 10**9], ids=["iteration", "dense"])
def test_similarities_are_those_of_the_exact_svd(documents, monkeypatch, limit):
    monkeypatch.setattr(tfidf, "_DENSE_LIMIT", limit)
    matrix = tfidf_matrix(documents)
    u, s, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    expected = (u[:, :5] * s[:5]) @ (u[:, :5] * s[:5]).T
    coordinates = truncated_svd(matrix, 5)
    np.testing.assert_allclose(coordinates @ coordinates.T, expected, atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=0), s[:5], rtol=5e-3)
    assert (coordinates[np.abs(coordinates).argmax(axis=0), np.arange(5)] > 0).all()


def test_the_same_texts_give_the_same_bits_and_equal_texts_the_same_vector(documents):
    texts = [" ".join(words) for words in documents]
    texts[1] = texts[0]
    first, second = TfidfSvd(dim=8).encode(texts), TfidfSvd(dim=8).encode(texts)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.values[0], first.values[1])
    np.testing.assert_allclose(np.linalg.norm(first.values, axis=1), 1, atol=1e-3)
    assert (first.dim, first.encoder, first.revision) == (8, "tfidf-svd", "dim=8")


def test_rounding_does_not_choose_the_components_of_equal_singular_values():
    # green, black and pot could change places: a space of two dimensions. So could the numbers: one of eleven.
    texts = ["green tea", "black tea", "tea pot", *(f"cup {number} of tea" for number in range(12))]
    matrix = tfidf_matrix([tokenize(text) for text in texts])
    singular = np.linalg.svd(matrix.toarray(), compute_uv=False)
    np.testing.assert_allclose(singular[2:4], singular[2])
    np.testing.assert_allclose(singular[4:15], singular[4])
    three = truncated_svd(matrix, 4)[:, 2:] / singular[2]
    by_hand = np.zeros((15, 2))
    by_hand[:3] = np.array([[2, -1, -1], [0, 1, -1]]).T / np.sqrt([6, 2])
    np.testing.assert_allclose(three, by_hand, atol=1e-12)
    for dim in (3, 4, 9, 15):
        coordinates = truncated_svd(matrix, dim)
        np.testing.assert_allclose(np.linalg.norm(coordinates, axis=0), singular[:dim])
        left = coordinates / singular[:dim]
        np.testing.assert_allclose(left.T @ left, np.eye(dim), atol=1e-12)
        rng = np.random.default_rng(0)
        for _ in range(5):
            nudged = matrix.copy()
            nudged.data *= 1 + 1e-13 * rng.standard_normal(len(nudged.data))
            np.testing.assert_allclose(truncated_svd(nudged, dim), coordinates, atol=1e-9)


def test_rows_without_a_word_are_missing_and_the_width_is_at_most_the_rank():
    table = TfidfSvd(dim=64).encode(["red car", None, "", " -- ", "red bike", "red car"])
    assert table.present.tolist() == [True, False, False, False, True, True]
    assert not table.values[1:4].any()
    assert table.dim == 2
    similarity = table.values @ table.values.T
    assert similarity[0, 5] > 0.999 > similarity[0, 4] > 0


def test_a_row_that_truncation_erases_is_missing_not_noise():
    texts = ["red car"] * 20 + ["blue car"] * 20 + ["zebra"]
    table = TfidfSvd(dim=2).encode(texts)
    assert table.present[:40].all()
    assert not table.present[40]


def test_no_words_at_all_is_an_error():
    with pytest.raises(DataError, match="found no row with a token"):
        TfidfSvd().encode([None, "", "..."])
    with pytest.raises(DataError, match="found dim=0"):
        TfidfSvd(dim=0).encode(["a"])


def test_rank_below_the_width_works_in_the_iteration_too(monkeypatch):
    monkeypatch.setattr(tfidf, "_DENSE_LIMIT", 0)
    low_rank = sp.csr_matrix(np.outer(np.arange(1.0, 41), np.ones(50)))
    coordinates = truncated_svd(low_rank, 3)
    assert coordinates.shape == (40, 1)
    np.testing.assert_allclose(coordinates[:, 0], np.arange(1, 41) * np.sqrt(50))
