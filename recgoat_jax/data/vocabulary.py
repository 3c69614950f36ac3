"""External ids and their rows: the one place where the two meet."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from recgoat_jax.errors import UsageError


class Vocabulary:
    """An immutable, ordered set of external ids (text, kept as it came: leading zeros, spaces, unicode).

    Args:
        ids: external ids; row ``r`` belongs to ``ids[r]``.
        kind: ``"user"`` or ``"item"``, for messages.
    """

    def __init__(self, ids: Iterable[str], *, kind: str) -> None:
        self.kind = kind
        self.ids: tuple[str, ...] = tuple(ids)
        if len(self._rows) != len(self.ids):
            raise UsageError(f"{kind} ids repeat; expected each id once.")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {external: row for row, external in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, external: object) -> bool:
        return external in self._rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids == other.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def rows(self, external: Sequence[str]) -> np.ndarray:
        """Rows of external ids.

        Args:
            external: ids, each in the vocabulary.

        Returns:
            int32 rows, one an id.

        Raises:
            UsageError: some id is unknown; the first five are named.
        """
        unknown = [e for e in external if e not in self._rows]
        if unknown:
            shown = ", ".join(repr(e) for e in unknown[:5])
            raise UsageError(
                f"unknown {self.kind} id{'s' if len(unknown) > 1 else ''} {shown}"
                f"{' and others' if len(unknown) > 5 else ''}; expected ids of the prepared data set, "
                f"for example {', '.join(repr(e) for e in self.ids[:3])}."
            )
        return np.fromiter((self._rows[e] for e in external), np.int32, len(external))


__all__ = ["Vocabulary"]
