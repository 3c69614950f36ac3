"""Ids that a caller names, checked against those that there are."""

from collections.abc import Mapping, Sequence
from itertools import islice

from recgoat_jax.errors import UsageError


def check_known(ids: Sequence[str], known: Mapping[str, object], *, lacking: str, source: str) -> None:
    """Raises unless all ids are known.

    Args:
        ids: external ids.
        known: what there is, by external id.
        lacking: what an unknown one has not, such as "no profile of user".
        source: whose ids are expected, such as "the table".

    Raises:
        UsageError: some are not; the first five are named.
    """
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise UsageError(
            f"found {lacking}{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown[:5]))}"
            f"{' and others' if len(unknown) > 5 else ''}; expected ids of {source}, for example "
            f"{', '.join(map(repr, islice(known, 3)))}."
        )


__all__ = ["check_known"]
