"""Features from a file put beside a prepared data set: by id, and only where the card allows it."""

from typing import NamedTuple

from recgoat_jax.data.align import align_features
from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.feature_card import Kind, check_train_pairs
from recgoat_jax.data.feature_table import FeatureTable
from recgoat_jax.data.schema import RawFeatures
from recgoat_jax.errors import DataError


class Matched(NamedTuple):
    """Features in the order of a vocabulary, and what the user should know of them.

    Attributes:
        table: the features.
        note: a sentence where they were made for another data set; None where there is nothing to say.
    """

    table: FeatureTable
    note: str | None


def match_features(raw: RawFeatures, dataset: Dataset, *, kind: Kind, name: str) -> Matched:
    """Features in the order of a data set's vocabulary; rows are found by id, never by position.

    Features that were made for another data set (the card's hash differs) are taken where ids match, and the note says
    how many do. Without a card, or with the card of this very data set, an unknown id is an error.

    Args:
        raw: the features.
        dataset: the prepared data set.
        kind: whose features they are to be.
        name: of the modality, for messages.

    Returns:
        The table and the note.

    Raises:
        DataError: made for the other kind; made from the training pairs of another split; unknown ids; no id that
            matches; values that are not finite.
    """
    vocabulary = dataset.items if kind == "item" else dataset.users
    card = raw.card
    where = f"features '{name}' ({raw.encoder})"
    if card is not None and card.kind != kind:
        raise DataError.at(
            where,
            found=f"features of {card.kind}s",
            expected=f"features of {kind}s",
            action="Give them as what they are.",
        )
    check_train_pairs(card, users=dataset.users, items=dataset.items, train=dataset.train, name=name)
    unknown = [external for external in raw.ids if external not in vocabulary]
    of_other_data = card is not None and card.dataset_hash != dataset.manifest.hash
    if unknown and len(unknown) < len(raw.ids) and not of_other_data:
        raise DataError.at(
            where,
            column="ids",
            found=f"{len(unknown)} unknown {kind} ids, such as {', '.join(map(repr, unknown[:3]))}",
            expected=f"ids of '{dataset.manifest.name}', such as {', '.join(map(repr, vocabulary.ids[:3]))}",
            action="Leave their rows out, or give the file to 'recgoat prepare table', which does so.",
        )
    table, _ = align_features(raw, vocabulary, name=name)
    note = None
    if of_other_data and card is not None:
        matching = len(raw.ids) - len(unknown)
        note = (
            f"features '{name}' were made for '{card.dataset_name}' ({card.dataset_hash[:12]}), not for "
            f"'{dataset.manifest.name}' ({dataset.manifest.hash[:12]}): {matching} of their {len(raw.ids)} ids are "
            f"{kind}s here, {int(table.present.sum())} of {len(vocabulary)} {kind}s have features."
        )
    return Matched(table, note)


__all__ = ["Matched", "match_features"]
