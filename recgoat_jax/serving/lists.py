"""What a user is shown: the items of the past, and those that are recommended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recommendation:
    """One recommended item.

    Attributes:
        item: external id.
        score: dot product of the vectors, in a blend with another ranker's score added, or that of a ranker alone;
            comparable within one user's list.
        title: the item's title where the data has one.
    """

    item: str
    score: float
    title: str | None = None


@dataclass(frozen=True)
class UserRecommendations:
    """The list of one user, best first.

    Attributes:
        user: external id.
        items: at most k; fewer where exclusion leaves fewer.
    """

    user: str
    items: tuple[Recommendation, ...]


@dataclass(frozen=True)
class PastItem:
    """One item that a user has.

    Attributes:
        item: external id.
        title: the item's title where the data has one.
        rating: the user's, where the data has ratings.
    """

    item: str
    title: str | None = None
    rating: float | None = None


__all__ = ["PastItem", "Recommendation", "UserRecommendations"]
