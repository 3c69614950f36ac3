"""Prompts for profiles of users and items, after the structure that RecGOAT's supplement describes.

Role; input block with the user and the history as (item id, item text); step 1, what the items share; step 2, the
preferences with their evidence; reasoning and profile each within tags. The wording is this project's own and lies in
`templates/`, one file a version: a version that was used is never edited, a new wording is a new file.

Users' prompts are built from the TRAINING pairs and nothing else: a profile that knew held-out items would give the
test away.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import files
from string import Template
from typing import Literal, NamedTuple

import numpy as np

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.encoders.as_data import as_data
from recgoat_jax.encoders.profiles.known_ids import check_known
from recgoat_jax.encoders.profiles.redact import redact
from recgoat_jax.encoders.profiles.split_hash import split_hash
from recgoat_jax.errors import DataError, UsageError

ProfileKind = Literal["user", "item"]
"""Whom profiles are about."""
_ID_LIMIT = 64


@dataclass(frozen=True)
class PromptConfig:
    """What a prompt holds."""

    version: Literal["v1"] = "v1"
    """Version of the template."""
    max_items: int = 50
    """Most items of a history."""
    order: Literal["latest", "earliest"] = "latest"
    """Which end of the training history is kept where it is longer; without times, by row of the item vocabulary."""
    max_characters: int = 400
    """Longest item text; a longer one is cut."""
    words: int = 150
    """Most words of the profile, as the prompt asks for."""
    user_ids: Literal["rows", "external"] = "rows"
    """How a user is named: by row number, or by the id that the data has, which may be a person's name."""
    redact: bool = False
    """Whether e-mail addresses and phone numbers are taken out."""

    def __post_init__(self) -> None:
        for name, least in (("max_items", 1), ("max_characters", 2), ("words", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"prompts: found {name}={getattr(self, name)}; expected {least} or more.")


class Message(NamedTuple):
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, eq=False)
class PromptSet:
    """Prompts by external id.

    Attributes:
        kind: whose profiles they ask for.
        messages: external id to the messages of its prompt, in the order of the vocabulary.
        without_text: external ids for which there is nothing to tell, so nothing is asked.
        fingerprint: hash of the template and of the settings.
        dataset: name of the data set.
        dataset_hash: its hash.
        split: hash of the training pairs (`split_hash`); empty for items, whose prompts read no pair.
        counts: items cut off histories, e-mail addresses and phone numbers taken out.
    """

    kind: ProfileKind
    messages: Mapping[str, tuple[Message, ...]]
    without_text: tuple[str, ...]
    fingerprint: str
    dataset: str
    dataset_hash: str
    split: str
    counts: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over ids and prompts, hexadecimal."""
        digest = hashlib.sha256()
        for external, messages in self.messages.items():
            digest.update(json.dumps([external, *messages]).encode())
        return digest.hexdigest()

    def only(self, ids: Sequence[str]) -> "PromptSet":
        """The prompts of some ids.

        Raises:
            UsageError: an id without a prompt; the first five are named.
        """
        source = "the prepared data set with texts"
        check_known(ids, self.messages, lacking=f"no prompt for {self.kind}", source=source)
        chosen = {one: self.messages[one] for one in ids}
        return PromptSet(
            self.kind, chosen, (), self.fingerprint, self.dataset, self.dataset_hash, self.split, self.counts
        )


def user_prompts(
    dataset: Dataset, item_texts: Sequence[str | None], config: PromptConfig = PromptConfig()
) -> PromptSet:
    """One prompt a user, from the training pairs.

    Args:
        dataset: the prepared data set; only ``train`` of its pairs is read.
        item_texts: ``items``, text of each item, such as its title and categories or its own profile; None or blank:
            left out of histories.
        config: the settings.

    Returns:
        The prompts; a user without a training item that has a text gets none.

    Raises:
        DataError: not one text an item.
    """
    writer = _Writer(config, "user")
    texts = writer.texts(dataset, item_texts)
    items = [writer.identity(item) for item in dataset.items.ids]
    users = dataset.users.ids
    names = [f"user {row}" if config.user_ids == "rows" else writer.identity(user) for row, user in enumerate(users)]
    order = "oldest first" if dataset.train.timestamps is not None else "of the catalogue"
    histories, cut = _histories(dataset, texts, config)

    def write(user: str) -> tuple[Message, ...]:
        row = rows[user]
        history = "\n".join(_line(items[item], texts[item]) for item in histories[row])
        return writer.fill(user=names[row], order=order, history=history, words=str(config.words))

    rows = {user: row for row, user in enumerate(users) if len(histories[row])}
    manifest = dataset.manifest
    return PromptSet(
        "user",
        _Written(tuple(rows), write),
        tuple(user for user in users if user not in rows),
        writer.fingerprint,
        manifest.name,
        manifest.hash,
        split_hash(dataset),
        {"history_items_left_out": cut} | writer.redacted,
    )


def item_prompts(
    dataset: Dataset, item_texts: Sequence[str | None], config: PromptConfig = PromptConfig()
) -> PromptSet:
    """One prompt an item, from its text alone.

    Args:
        dataset: the prepared data set; none of its pairs is read.
        item_texts: ``items``, text of each item; None or blank: no prompt.
        config: the settings; those of histories play no part.

    Returns:
        The prompts.

    Raises:
        DataError: not one text an item.
    """
    writer = _Writer(config, "item")
    texts = writer.texts(dataset, item_texts)
    described = {item: text for item, text in zip(dataset.items.ids, texts, strict=True) if text}

    def write(item: str) -> tuple[Message, ...]:
        return writer.fill(item=_line(names[item], described[item]), words=str(config.words))

    names = {item: writer.identity(item) for item in described}
    without = tuple(item for item in dataset.items.ids if item not in described)
    messages, manifest = _Written(tuple(described), write), dataset.manifest
    return PromptSet("item", messages, without, writer.fingerprint, manifest.name, manifest.hash, "", writer.redacted)


def template_messages(name: str, **values: str) -> tuple[Message, ...]:
    """The messages of a template with its placeholders filled, each value as it is, in one pass."""
    return tuple(Message(role, Template(text).substitute(values)) for role, text in _sections(_template(name)))


class _Written(Mapping[str, tuple[Message, ...]]):
    """Prompts by id, each written when it is read: those of 200,000 users take a gigabyte."""

    def __init__(self, ids: tuple[str, ...], write: Callable[[str], tuple[Message, ...]]) -> None:
        self._ids = dict.fromkeys(ids)
        self._write = write

    def __getitem__(self, external: str) -> tuple[Message, ...]:
        if external not in self._ids:
            raise KeyError(external)
        return self._write(external)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


class _Writer:
    """Fills one template and counts what is redacted."""

    def __init__(self, config: PromptConfig, kind: ProfileKind) -> None:
        self.config = config
        self.name = f"{kind}_{config.version}"
        self.redacted = {"emails_redacted": 0, "phones_redacted": 0} if config.redact else {}

    @cached_property
    def fingerprint(self) -> str:
        described = json.dumps([_template(self.name), asdict(self.config)], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()

    def texts(self, dataset: Dataset, item_texts: Sequence[str | None]) -> list[str]:
        if len(item_texts) != dataset.num_items:
            raise DataError(
                f"item texts of '{dataset.manifest.name}': found {len(item_texts)}; expected {dataset.num_items}, "
                "one for each row of the item vocabulary. Align them by id first."
            )
        return [self._data(text or "", self.config.max_characters) for text in item_texts]

    def identity(self, external: str) -> str:
        return self._data(external, _ID_LIMIT)

    def fill(self, **values: str) -> tuple[Message, ...]:
        return template_messages(self.name, **values)

    def _data(self, text: str, limit: int) -> str:
        if not self.config.redact:
            return as_data(text, limit=limit)
        # Whole texts: a cut could leave half of a number. After hidden characters went: they could split one.
        done = redact(as_data(text, limit=max(2, len(text))))
        self.redacted["emails_redacted"] += done.emails
        self.redacted["phones_redacted"] += done.phones
        return as_data(done.text, limit=limit)


def _histories(dataset: Dataset, texts: Sequence[str], config: PromptConfig) -> tuple[list[np.ndarray], int]:
    """Rows of the items of each user's prompt, oldest first, and how many were left out by the limit."""
    train, offsets = dataset.train, dataset.train.offsets(dataset.num_users)
    told = np.array([bool(text) for text in texts], bool)
    histories, cut = [], 0
    for start, stop in zip(offsets[:-1], offsets[1:], strict=True):
        items = train.items[start:stop]
        if train.timestamps is not None:
            items = items[np.argsort(train.timestamps[start:stop], kind="stable")]
        items = items[told[items]]
        kept = items[-config.max_items :] if config.order == "latest" else items[: config.max_items]
        histories.append(kept)
        cut += len(items) - len(kept)
    return histories, cut


def _line(identity: str, text: str) -> str:
    return json.dumps({"id": identity, "text": text}, ensure_ascii=False)


def _template(name: str) -> str:
    return (files("recgoat_jax.encoders.profiles") / "templates" / f"{name}.txt").read_text(encoding="utf-8")


def _sections(text: str) -> list[tuple[str, str]]:
    """Role and content of each section, which a line ``=== role ===`` begins."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("=== "):
            found.append((line.strip("= "), []))
        else:
            found[-1][1].append(line)
    return [(role, "\n".join(lines).strip()) for role, lines in found]


__all__ = ["Message", "ProfileKind", "PromptConfig", "PromptSet", "item_prompts", "template_messages", "user_prompts"]
