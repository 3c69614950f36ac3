"""Text to vectors without a pretrained model: TF-IDF weights, then a truncated SVD (latent semantic analysis).

For set ``D`` of rows that have tokens, token ``t`` counted ``n_rt`` times in row ``r``:

* ``idf_t = ln((1 + |D|) / (1 + df_t)) + 1``, with ``df_t`` the rows of ``D`` that hold ``t`` (smoothed form);
* ``x_rt = n_rt idf_t``, each row scaled to unit length;
* ``X ~ U S V^T`` cut to ``dim`` components; the features are the rows of ``U S``, scaled to unit length.

Source: Deerwester et al., "Indexing by latent semantic analysis", 1990. No interactions are read, so nothing of a
held-out pair can leak into the features.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.errors import DataError

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_DENSE_LIMIT = 250_000
"""Matrices with fewer entries take the dense SVD."""

_ROUNDING = 1e-9
"""Numbers whose ratio is nearer to 1 than this differ by rounding."""

_OVERSAMPLING = 16
_ITERATIONS = 10

_FAINT = 0.01
"""A row of unit length that keeps less than this length under truncation shares next to nothing with other rows."""

_DECIMALS = 4
"""Features are rounded to this many decimals, so that the last bits of a linear algebra library, which differ from
machine to machine, do not change the hash of a data set."""


def tokenize(text: str) -> list[str]:
    """Lower-cased words: runs of letters, digits and underscores of any script, apostrophes inside a word kept."""
    return _WORD.findall(text.lower())


def tfidf_matrix(documents: Sequence[Sequence[str]]) -> sp.csr_matrix:
    """TF-IDF rows of unit length (formula in the module docstring).

    Args:
        documents: tokens of each row; a row without tokens stays empty.

    Returns:
        Sparse float64 matrix ``rows x terms``; terms in sorted order.
    """
    counts = [Counter(tokens) for tokens in documents]
    terms = {term: column for column, term in enumerate(sorted(set().union(*counts)))}
    indptr = np.cumsum([0, *(len(count) for count in counts)])
    indices = np.fromiter((terms[term] for count in counts for term in count), np.int64, indptr[-1])
    frequency = np.fromiter((n for count in counts for n in count.values()), np.float64, indptr[-1])
    num_documents = sum(bool(count) for count in counts)
    document_frequency = np.bincount(indices, minlength=len(terms))
    idf = np.log((1 + num_documents) / (1 + document_frequency)) + 1
    values = frequency * idf[indices]
    row_of_entry = np.repeat(np.arange(len(counts)), np.diff(indptr))
    lengths = np.sqrt(np.bincount(row_of_entry, values**2, minlength=len(counts)))
    matrix = sp.csr_matrix((values / lengths[row_of_entry], indices, indptr), shape=(len(counts), len(terms)))
    matrix.sort_indices()
    return matrix


def truncated_svd(matrix: sp.csr_matrix, dim: int) -> Float[np.ndarray, "rows components"]:
    """Row coordinates ``U S`` of the leading components, largest first, the same on every call.

    Small matrices take the exact dense form; others subspace iteration from a fixed random start (Halko, Martinsson
    and Tropp 2011, algorithm 4.4). TF-IDF spectra fall slowly, on which Lanczos (``scipy.sparse.linalg.svds``) needs
    thousands of small steps; here the work is some twenty sparse products, and a component whose singular value is
    nearly tied with those that are cut off is approximate. Rounding decides neither signs nor, in the exact form, which
    vectors stand for the space of singular values that are equal: the first of these has the largest entry that the
    space has, a positive one, at the first row where it is found; the next likewise in what is orthogonal to it.

    Args:
        matrix: sparse ``rows x terms``.
        dim: components wanted.

    Returns:
        float64 ``rows x min(dim, rank)``.
    """
    rows, terms = len(matrix.indptr) - 1, int(matrix.indices.max()) + 1
    if rows * terms <= _DENSE_LIMIT or dim + _OVERSAMPLING >= min(rows, terms):
        left, singular, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        transposed = matrix.T.tocsr()
        basis = np.random.default_rng(0).standard_normal((rows, dim + _OVERSAMPLING))
        for _ in range(_ITERATIONS):
            basis = _conditioned(matrix @ (transposed @ basis))
        basis = _orthonormal(basis)
        squared, rotation = np.linalg.eigh(_inner(basis, matrix @ (transposed @ basis)))
        left, singular = _times(basis, rotation), np.sqrt(np.maximum(squared, 0))
    order = np.argsort(-singular, kind="stable")
    order = order[singular[order] > _ROUNDING * singular[order[0]]]
    left, singular = left[:, order], singular[order]
    starts = np.flatnonzero(singular[1:] < (1 - _ROUNDING) * singular[:-1]) + 1
    # The space that the cut goes through is settled whole.
    end = min(starts[starts >= dim], default=len(singular))
    spaces = np.split(left[:, :end], starts[starts < end], axis=1)
    return np.concatenate([_settled(space) for space in spaces], axis=1)[:, :dim] * singular[:dim]


def _settled(space: np.ndarray) -> np.ndarray:
    """The orthonormal columns that stand for the space of these (a pivoted Cholesky factor of its projector)."""
    columns, rest = [], space
    for _ in range(space.shape[1]):
        sizes = np.linalg.norm(rest, axis=1)
        # The first of those that are largest but for rounding: two texts often have opposite entries of one size.
        peak = (sizes >= (1 - _ROUNDING) * sizes.max()).argmax()
        direction = rest[peak] / sizes[peak]
        columns.append(rest @ direction)
        rest = rest - np.outer(columns[-1], direction)
    return np.stack(columns, axis=1)


def _conditioned(columns: np.ndarray) -> np.ndarray:
    """Columns of the same span, near to orthonormal: enough to keep an iteration from collapsing."""
    gram = _inner(columns, columns)
    gram[np.diag_indices_from(gram)] += 1e-12 * np.trace(gram)
    return _times(columns, np.linalg.inv(np.linalg.cholesky(gram)).T)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns by their small Gram matrix; null directions are left out."""
    squared, vectors = np.linalg.eigh(_inner(columns, columns))
    kept = squared > 1e-9 * squared[-1]
    return _times(columns, vectors[:, kept] / np.sqrt(squared[kept]))


# `einsum` on purpose in both: at these shapes (tall, some 80 columns) a threaded product gains little, and its threads
# wait for each other for long when the cores are busy.
def _inner(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left^T right``."""
    return np.einsum("ra,rb->ab", left, right)


def _times(columns: np.ndarray, small: np.ndarray) -> np.ndarray:
    """``columns small``."""
    return np.einsum("ra,ab->rb", columns, small)


@dataclass(frozen=True)
class TfidfSvd:
    """Encoder of texts or token lists.

    Attributes:
        dim: width of the vectors; narrower where the texts have a smaller rank.
    """

    dim: int = 64

    @property
    def name(self) -> str:
        """What encodes."""
        return "tfidf-svd"

    @property
    def revision(self) -> str:
        """The settings."""
        return f"dim={self.dim}"

    @property
    def pooling(self) -> str:
        """None: tokens have no vectors."""
        return ""

    @property
    def max_length(self) -> int | None:
        """None: all tokens are read."""
        return None

    def encode(self, texts: Sequence[str | None]) -> FeatureTable:
        """Vectors of texts.

        Args:
            texts: one a row; None or a text without a word is missing.

        Returns:
            Unit rows, ``rows x min(dim, rank)``; missing rows are masked.

        Raises:
            DataError: no row has a word.
        """
        return self.encode_tokens([tokenize(text) if text else [] for text in texts], encoder=self.name)

    def encode_tokens(self, documents: Sequence[Sequence[str]], *, encoder: str) -> FeatureTable:
        """Vectors of token lists, taken as they are.

        Args:
            documents: tokens of each row; a row without tokens is missing.
            encoder: name that the feature table carries.

        Returns:
            Unit rows, ``rows x min(dim, rank)``. Missing: rows without tokens, and rows that the truncation leaves
            with less than a hundredth of their length, since they share next to nothing with other rows.

        Raises:
            DataError: no row has a token.
        """
        if self.dim < 1:
            raise DataError(f"{encoder}: found dim={self.dim}; expected 1 or more.")
        if not any(documents):
            raise DataError(f"{encoder}: found no row with a token; expected some text. Leave the modality out.")
        coordinates = truncated_svd(tfidf_matrix(documents), self.dim)
        lengths = np.linalg.norm(coordinates, axis=1)
        present = lengths > _FAINT
        values = np.zeros(coordinates.shape, np.float32)
        values[present] = np.round(coordinates[present] / lengths[present, None], _DECIMALS)
        return FeatureTable(values + 0.0, present, encoder=encoder, revision=self.revision)


__all__ = ["TfidfSvd", "tfidf_matrix", "tokenize", "truncated_svd"]
