"""Texts of like length together, in few shapes, so that few programs are compiled and little padding is computed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

_SHORTEST = 16
"""Tokens of the narrowest bucket: below it a batch costs what it costs to start one."""


class LengthBatch(NamedTuple):
    """Texts that are computed together.

    Attributes:
        rows: positions of the texts among those of the call.
        width: tokens that each is padded to.
        slots: rows of the padded batch, ``len(rows)`` or more.
    """

    rows: Int[np.ndarray, " texts"]
    width: int
    slots: int


def bucket_widths(longest: int) -> list[int]:
    """Widths up to the longest text: powers of two and the halves between them, 16, 24, 32, 48, ...

    A text fills more than two thirds of its bucket, and of powers of two alone more than half.

    Args:
        longest: tokens of the longest text; it is the last width.

    Returns:
        Ascending widths.
    """
    widths = []
    width = _SHORTEST
    while width < longest:
        widths += [width, width + width // 2]
        width *= 2
    return [width for width in widths if width < longest] + [longest]


def length_batches(lengths: Sequence[int], *, longest: int, tokens: int) -> list[LengthBatch]:
    """Batches that hold every text once, the widest first, so that too little memory shows at once.

    Args:
        lengths: tokens of each text, at most ``longest``.
        longest: the widest bucket.
        tokens: tokens of a batch, padding counted; a batch holds one text or more, a power of two of them. The last
            one of each width is as small as holds what is left (`rows_of`).

    Returns:
        The batches.
    """
    widths = bucket_widths(longest)
    places = np.searchsorted(widths, np.asarray(lengths, np.int64))
    batches = []
    for place in range(len(widths) - 1, -1, -1):
        rows = np.flatnonzero(places == place)
        full = 1 << max(tokens // widths[place], 1).bit_length() - 1
        for start in range(0, len(rows), full):
            part = rows[start : start + full]
            batches.append(LengthBatch(part, widths[place], rows_of(full, len(part))))
    return batches


def rows_of(full: int, count: int) -> int:
    """Rows that are computed for ``count`` texts: ``full``, those of a whole batch, or 1, 2, 3, 4, 6, 8, 12, ..."""
    power = 1 << (count - 1).bit_length()
    return min(full, power if 4 * count > 3 * power else max(3 * power // 4, 1))


__all__ = ["LengthBatch", "bucket_widths", "length_batches"]
