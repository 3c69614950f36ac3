"""Where features come from: the card that a feature file carries."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.errors import DataError

Kind = Literal["item", "user"]
"""Whose features they are."""


@dataclass(frozen=True)
class FeatureCard:
    """What made a table of features, from what, and what is missing.

    Attributes:
        kind: whose features they are.
        encoder: name of the encoder.
        revision: version or hash of its weights, and its settings.
        pooling: how token or patch vectors became one.
        max_length: tokens read of a text; None: all, or no text.
        template: how texts were put together, as its reader prints it; "" where there is none.
        template_hash: hash of the template.
        source: where texts came from that stand in no table of the data set, such as what wrote the profiles; "" where
            they stand in one.
        source_hash: hash of what they were read from.
        inputs: hash over ids and contents of all inputs.
        dataset_name: name of the data set that it was made for.
        dataset_hash: content hash of that data set.
        precision: number format of the values.
        train_pairs: hash of the training pairs that were read (`train_pairs_hash`); None: no pair was.
        made: day, ISO 8601, UTC.
        present: rows that are there.
        missing: rows that are not, by reason.
        version: version of this package.
    """

    kind: Kind
    encoder: str
    revision: str
    pooling: str = ""
    max_length: int | None = None
    template: str = ""
    template_hash: str = ""
    source: str = ""
    source_hash: str = ""
    inputs: str = ""
    dataset_name: str = ""
    dataset_hash: str = ""
    precision: str = "float32"
    train_pairs: str | None = None
    made: str = ""
    present: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    version: str = ""

    @property
    def settings(self) -> str:
        """Everything that tells two tables of one encoder apart, on one line."""
        parts = {
            "pooling": self.pooling,
            "max_length": self.max_length or "",
            "template": self.template_hash[:12],
            "source": self.source_hash[:12],
            "inputs": self.inputs[:12],
        }
        return ";".join([self.revision, *(f"{name}={value}" for name, value in parts.items() if value)])

    @property
    def origin(self) -> dict[str, object]:
        """What the values follow from: two cards with the same origin belong to the same values."""
        told = {"dataset_name", "dataset_hash", "template", "source", "made", "present", "missing", "version"}
        return {name: value for name, value in asdict(self).items() if name not in told}

    def to_json(self) -> str:
        """The card as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, source: object) -> "FeatureCard":
        """The inverse of `to_json`.

        Args:
            text: the JSON text; fields that this version does not know are left out.
            source: the file, for messages.

        Returns:
            The card.

        Raises:
            DataError: no card.
        """
        try:
            content: Any = json.loads(text)
            if content.get("kind") in ("item", "user"):
                return cls(**{name: value for name, value in content.items() if name in cls.__dataclass_fields__})
            found = f"the kind {content.get('kind')!r}"
        except (ValueError, TypeError, AttributeError) as error:
            found = f"a card that cannot be read ({error})"
        raise DataError.at(
            source, found=found, expected="the card of a feature file", action="Make the features again."
        )


def train_pairs_hash(users: Vocabulary, items: Vocabulary, train: Interactions) -> str:
    """SHA-256 over the training pairs, by external ids: equal for equal splits, whatever the order of the rows.

    Args:
        users: user vocabulary.
        items: item vocabulary.
        train: the pairs.

    Returns:
        64 hexadecimal digits.
    """
    pairs = sorted(zip((users.ids[row] for row in train.users), (items.ids[row] for row in train.items), strict=True))
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps(pair).encode())
    return digest.hexdigest()


def check_train_pairs(
    card: FeatureCard | None, *, users: Vocabulary, items: Vocabulary, train: Interactions, name: str
) -> None:
    """Refuses features that were made from the pairs of another split: they may tell of pairs that are held out here.

    Args:
        card: of the features; None: there is none, and nothing to check.
        users: user vocabulary.
        items: item vocabulary.
        train: training pairs of the split that is to use them.
        name: of the features, for messages.

    Raises:
        DataError: made from other pairs.
    """
    if card is None or card.train_pairs is None:
        return
    ours = train_pairs_hash(users, items, train)
    if card.train_pairs != ours:
        raise DataError.at(
            f"features '{name}' ({card.encoder})",
            found=f"features made from the training pairs {card.train_pairs[:12]} of '{card.dataset_name}'",
            expected=f"the training pairs {ours[:12]} of this split; others may hold pairs that are tested here",
            action="Make the features again from this data set.",
        )


__all__ = ["FeatureCard", "Kind", "check_train_pairs", "train_pairs_hash"]
