"""Feature tables: one row a user or item, a mask of the rows that are there, and where they came from."""

from dataclasses import dataclass

import numpy as np

from recgoat_jax.arrays import FeatureValues, PresentMask
from recgoat_jax.errors import DataError


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features aligned with a vocabulary.

    Attributes:
        values: ``rows x feature``, float32. Missing rows hold zeros and are never read as data.
        present: ``rows``, True where the row is real: a missing modality is a mask, never a zero row.
        encoder: what made the values, e.g. ``"tfidf-svd"`` or ``"file:poster_effnetlite0.npz"``.
        revision: version or settings of the encoder, so that two tables can be told apart.
    """

    values: FeatureValues
    present: PresentMask
    encoder: str
    revision: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.present.shape != self.values.shape[:1]:
            raise DataError(
                f"features of '{self.encoder}': values have shape {self.values.shape} and the mask "
                f"{self.present.shape}; expected [rows, feature] and [rows]. Pass one mask entry a row."
            )
        if self.values.shape[1] == 0:
            raise DataError(f"features of '{self.encoder}' have no columns; expected at least one.")
        if not self.present.any():
            raise DataError(f"features of '{self.encoder}' are missing for every row; leave the modality out.")
        rows = np.flatnonzero(self.present & ~np.isfinite(self.values).all(axis=1))
        if rows.size:
            raise DataError(
                f"features of '{self.encoder}': row {int(rows[0])} holds NaN or infinity ({rows.size} rows do); "
                "expected finite numbers. Mend the encoder or mark the rows as missing."
            )
        if not np.any(self.values[self.present]):
            raise DataError(
                f"features of '{self.encoder}' are zero everywhere; expected values that tell rows apart. "
                "Check the file, or leave the modality out."
            )

    @property
    def num_rows(self) -> int:
        """Rows of the vocabulary, present or not."""
        return self.values.shape[0]

    @property
    def dim(self) -> int:
        """Feature width."""
        return self.values.shape[1]


__all__ = ["FeatureTable"]
