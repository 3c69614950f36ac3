"""A table of profiles: texts by external id, and the card that says where they came from.

Two files: ``NAME.jsonl``, a line ``{"user": id, "profile": text}`` each (or ``"item"``), and ``NAME.card.json``. The
card holds the hash of the training pairs that the profiles were made from; with any other split a table is refused,
since its texts may tell what that split holds out.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.files import read_text
from recgoat_jax.encoders.as_data import printable
from recgoat_jax.encoders.profiles.known_ids import check_known
from recgoat_jax.encoders.profiles.prompts import ProfileKind
from recgoat_jax.encoders.profiles.split_hash import split_hash
from recgoat_jax.errors import DataError, UsageError
from recgoat_jax.files import write_atomically

FORMAT = 1
_REPLACES = "replaces"


class ProfileOrigin(NamedTuple):
    """What the texts of a table follow from: tables of one origin are of one job.

    Attributes:
        kind: whose profiles they are.
        encoder: what wrote them.
        revision: settings of it.
        split: hash of the training pairs; empty where no pair was read.
    """

    kind: ProfileKind
    encoder: str
    revision: str
    split: str


@dataclass(frozen=True)
class ProfileTable:
    """Profiles of users or of items.

    Attributes:
        kind: whose.
        texts: external id to profile, in the order of the vocabulary; no blank ones.
        encoder: what wrote them: a model, or ``"statistical"``.
        revision: settings of it: sampling, and hashes of template and prompts.
        dataset: name of the data set.
        dataset_hash: its hash, for information: it changes with every feature that is added.
        split: `split_hash` of the training pairs; empty where no pair was read, as for items.
        date: day it was made.
        counts: rows of the vocabulary, failures, leak rates and what else is worth knowing.
    """

    kind: ProfileKind
    texts: Mapping[str, str]
    encoder: str
    revision: str
    dataset: str
    dataset_hash: str
    split: str
    date: str
    counts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> ProfileOrigin:
        """What the texts follow from."""
        return ProfileOrigin(self.kind, self.encoder, self.revision, self.split)

    @property
    def hash(self) -> str:
        """SHA-256 of the file of texts, as its card states it."""
        return hashlib.sha256(_lines(self)).hexdigest()

    def check(self, dataset: Dataset) -> None:
        """Raises unless the table may be used with a data set.

        Raises:
            DataError: made from other training pairs, or for ids that the data set does not have.
        """
        if self.split and self.split != (found := split_hash(dataset)):
            raise DataError(
                f"{self.kind} profiles of '{self.dataset}' by {self.encoder}: found that they were made from the "
                f"training pairs {self.split[:12]}; expected those of '{dataset.manifest.name}', {found[:12]}. "
                "Profiles of another split may tell what this one holds out: make them anew from this data set."
            )
        vocabulary = dataset.users if self.kind == "user" else dataset.items
        unknown = [external for external in self.texts if external not in vocabulary]
        if unknown:
            raise DataError(
                f"{self.kind} profiles of '{self.dataset}': found {len(unknown):,} ids that '{dataset.manifest.name}' "
                f"does not have, for example {', '.join(map(repr, unknown[:5]))}; expected its {self.kind} ids. Use "
                "the ids of the source, or leave those profiles out."
            )

    def aligned(self, dataset: Dataset) -> list[str | None]:
        """Profiles by row of the vocabulary, None where there is none; matched by id.

        Raises:
            DataError: as `check`.
        """
        self.check(dataset)
        vocabulary = dataset.users if self.kind == "user" else dataset.items
        return [self.texts.get(external) for external in vocabulary.ids]

    def of(self, ids: Sequence[str]) -> list[str]:
        """Profiles of some ids.

        Raises:
            UsageError: an id without a profile; the first five are named.
        """
        check_known(ids, self.texts, lacking=f"no profile of {self.kind}", source="the table")
        return [self.texts[external] for external in ids]


def profile_table(
    dataset: Dataset,
    texts: Mapping[str, str],
    *,
    kind: ProfileKind,
    encoder: str,
    revision: str = "",
    counts: Mapping[str, Any] | None = None,
) -> ProfileTable:
    """A table of texts that were made from a data set's training pairs.

    For texts made elsewhere that is the caller's word; the leak guard can put it to the test.

    Args:
        dataset: the data set.
        texts: external id to profile; blank ones are left out.
        kind: whose.
        encoder: what wrote them.
        revision: its settings.
        counts: further lines of the card.

    Returns:
        The table.

    Raises:
        DataError: an id that the data set does not have, or no profile at all.
    """
    vocabulary = dataset.users if kind == "user" else dataset.items
    cleaned = {external: printable(text) for external, text in texts.items()}
    kept = {external: text for external, text in cleaned.items() if text}
    if not kept:
        raise DataError(f"{kind} profiles by {encoder}: found none; expected at least one text. Leave them out.")
    known = {external: kept[external] for external in vocabulary.ids if external in kept}
    strangers = {external: text for external, text in kept.items() if external not in vocabulary}
    table = ProfileTable(
        kind=kind,
        texts=known | strangers,
        encoder=encoder,
        revision=revision,
        dataset=dataset.manifest.name,
        dataset_hash=dataset.manifest.hash,
        split=split_hash(dataset) if kind == "user" else "",
        date=datetime.now(UTC).date().isoformat(),
        counts={"rows": len(vocabulary), "present": len(known)} | dict(counts or {}),
    )
    table.check(dataset)
    return table


def write_profiles(table: ProfileTable, path: Path) -> None:
    """Writes a table and its card.

    Args:
        table: the table.
        path: its file, ``NAME.jsonl``; the directory is made.

    Raises:
        OSError: disk full, read-only directory; no half of a file is left, and a table without its own card is refused
            when it is read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    card = {name: value for name, value in asdict(table).items() if name != "texts"}
    card = {"format": FORMAT, **card, "sha256": table.hash}
    if path.exists() and (before := _hash_of(path)) != table.hash:
        card[_REPLACES] = before
    # The card first: beside it what a kill has left is known from what somebody has changed.
    write_atomically(_card_path(path), json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    write_atomically(path, _lines(table))


def read_profiles(path: Path) -> ProfileTable:
    """Reads what `write_profiles` wrote.

    Args:
        path: the file of texts, ``NAME.jsonl``.

    Returns:
        The table; `ProfileTable.check` says whether a data set may use it.

    Raises:
        DataError: a file is missing, was changed, or is something else.
    """
    card_text, text = read_text(_card_path(path)), read_text(path)
    try:
        card = json.loads(card_text)
        written, stated = card.pop("format"), card.pop("sha256")
        card.pop(_REPLACES, None)
        if written != FORMAT:
            raise ValueError(f"format {written!r}, not {FORMAT}")
        if stated != hashlib.sha256(text.encode()).hexdigest():
            raise ValueError("another hash of the texts than the card states")
        rows = [json.loads(line) for line in text.split("\n") if line]
        return ProfileTable(texts={row[card["kind"]]: row["profile"] for row in rows}, **card)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError.at(
            path,
            found=f"no table of profiles as it was written ({error})",
            expected=f"texts and their card '{_card_path(path).name}', unchanged",
            action="Make the profiles again; answers that are in the cache cost nothing.",
        ) from error


def stored_profiles(path: Path, origin: ProfileOrigin) -> ProfileTable | None:
    """The table that an earlier call of a job wrote.

    Args:
        path: the file of texts.
        origin: of the job.

    Returns:
        The table; None where there is no file, or one that was not finished.

    Raises:
        UsageError: the table of another job is there.
        DataError: a file that is no table.
    """
    if _unfinished(path):
        return None
    stored = read_profiles(path)
    differing = [name for name, ours, found in zip(origin._fields, origin, stored.origin, strict=True) if ours != found]
    if differing:
        raise other_profiles(path, f"other {', '.join(differing)}")
    return stored


def _unfinished(path: Path) -> bool:
    """Whether nothing is there, or what a kill between card and texts leaves: a card whose texts are to come."""
    card = _card_path(path)
    if not card.exists():
        return not path.exists()
    if not path.exists():
        return True
    try:
        return json.loads(read_text(card)).get(_REPLACES) == _hash_of(path)
    except (ValueError, AttributeError):
        return False


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def other_profiles(path: Path, difference: str) -> UsageError:
    """The error of a file that holds the table of another job."""
    return UsageError(
        f"{path}: found other profiles ({difference}); expected no file, or the table of this very job. "
        "Choose another file, or delete this one to make it anew."
    )


def _lines(table: ProfileTable) -> bytes:
    lines = (json.dumps({table.kind: one, "profile": text}, ensure_ascii=False) for one, text in table.texts.items())
    return "".join(f"{line}\n" for line in lines).encode()


def _card_path(path: Path) -> Path:
    return path.with_suffix(".card.json")


__all__ = [
    "ProfileOrigin",
    "ProfileTable",
    "other_profiles",
    "profile_table",
    "read_profiles",
    "stored_profiles",
    "write_profiles",
]
