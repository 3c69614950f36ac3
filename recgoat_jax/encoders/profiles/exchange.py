"""The exchange about one prompt: its answer and, where that cannot be read, one request for the profile alone."""

from collections.abc import Sequence
from typing import NamedTuple

from recgoat_jax.encoders.profiles.answers import parse_answer
from recgoat_jax.encoders.profiles.cache import AnswerCache
from recgoat_jax.encoders.profiles.completions import Completion, SamplingConfig, request_body, request_key
from recgoat_jax.encoders.profiles.prompts import Message, template_messages

_QUOTED = 2000
"""Characters of an unreadable answer that the second request repeats."""


class Exchange(NamedTuple):
    """What was answered.

    Attributes:
        first: to the prompt; None: not asked yet.
        second: to the request for the profile alone; None: not asked, or not needed.
    """

    first: Completion | None = None
    second: Completion | None = None

    @property
    def profile(self) -> str | None:
        """The profile, or None where there is none yet or none can be read."""
        return next((profile for _, profile in self._readings() if profile is not None), None)

    @property
    def is_cut(self) -> bool:
        """Whether the answer with the profile ended at the limit of tokens."""
        return next((answer.cut for answer, profile in self._readings() if profile is not None), False)

    @property
    def is_unreadable(self) -> bool:
        """Whether both requests were answered, and neither answer can be read."""
        return self.second is not None and self.profile is None

    def _readings(self) -> list[tuple[Completion, str | None]]:
        readings = []
        if self.first is not None:
            readings.append((self.first, parse_answer(self.first.text)))
        if self.second is not None:
            readings.append((self.second, parse_answer(self.second.text, untagged="accept")))
        return readings


def stored_exchange(messages: Sequence[Message], *, sampling: SamplingConfig, cache: AnswerCache) -> Exchange:
    """What the cache holds of a prompt's exchange."""
    first = cache.get(request_key(request_body(messages, sampling)))
    if first is None or parse_answer(first.text) is not None:
        return Exchange(first)
    return Exchange(first, cache.get(request_key(request_body(repair_messages(messages, first), sampling))))


def repair_messages(messages: Sequence[Message], first: Completion) -> tuple[Message, ...]:
    """The request for the profile alone, after an answer that cannot be read."""
    # Some servers refuse an empty message.
    said = Message("assistant", first.text[-_QUOTED:].strip() or "(no profile)")
    return (*messages, said, *template_messages("repair_v1"))


__all__ = ["Exchange", "repair_messages", "stored_exchange"]
