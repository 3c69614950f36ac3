"""The contracts that encoders meet: texts or pictures in, one row of numbers each out.

An encoder is a frozen dataclass or any other class with these members. What it reports of itself goes into the card
of the feature table, and two encoders that report the same must give the same rows: a setting that changes the
values (an instruction prefix, a layer, a number format) belongs into `revision`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


class Encoded(NamedTuple):
    """Rows of which some may be missing.

    Attributes:
        values: ``inputs x dim``, float32 or float16; what stands in a missing row is not read.
        problems: one an input: None where the row is real, else why it is missing, in a few words that many rows
            can share ("truncated file", "no such file"), so that the report can count them.
    """

    values: Float[np.ndarray, "inputs dim"]
    problems: Sequence[str | None]


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to vectors. A row depends on its own text only, never on the others of the call."""

    @property
    def name(self) -> str:
        """What encodes, such as a model id or the name of a local directory."""
        ...

    @property
    def revision(self) -> str:
        """Version or hash of the weights, and every setting that changes the values."""
        ...

    @property
    def pooling(self) -> str:
        """How token vectors become one: ``"mean"``, ``"cls"``, ``"last_token"``; "" where there are no tokens."""
        ...

    @property
    def max_length(self) -> int | None:
        """Tokens that are read of a text; None: all."""
        ...

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """One finite row a text, in order, also for an empty text; batching is the encoder's own affair."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """Pictures to vectors. A row depends on its own picture only."""

    @property
    def name(self) -> str:
        """What encodes, such as a model id or the name of a local directory."""
        ...

    @property
    def revision(self) -> str:
        """Version or hash of the weights, and every setting that changes the values (layer, size, crop)."""
        ...

    @property
    def pooling(self) -> str:
        """How patch vectors become one: ``"mean"``, ``"cls"``, ``"projector_mean"``."""
        ...

    def encode(self, images: Sequence[Path]) -> Encoded:
        """One row a file, in order; a file that cannot be read or decoded is a problem of its row, no exception."""
        ...


__all__ = ["Encoded", "ImageEncoder", "TextEncoder"]
