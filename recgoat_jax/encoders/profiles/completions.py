"""The body of a chat request, its identity, and what a response holds."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from recgoat_jax.encoders.endpoint import Service
from recgoat_jax.encoders.profiles.prompts import Message
from recgoat_jax.errors import UsageError


@dataclass(frozen=True)
class SamplingConfig:
    """The model and how it is sampled: with the prompt, all that an answer depends on."""

    model: str = ""
    """Name of the model, as the server knows it."""
    temperature: float = 0.0
    """Temperature; 0 takes the likeliest token."""
    max_tokens: int = 2048
    """Most tokens of an answer, the reasoning included."""
    seed: int | None = 0
    """Seed of the server's sampling; None: not sent, for servers that refuse it."""

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise UsageError("profiles: found no model; expected the name under which the server knows it.")
        if self.max_tokens < 1 or not 0 <= self.temperature <= 2:
            raise UsageError(
                f"profiles: found max_tokens={self.max_tokens}, temperature={self.temperature}; "
                "expected 1 or more, and 0 to 2."
            )


class Completion(NamedTuple):
    """One answer.

    Attributes:
        text: what the model wrote; may be empty.
        cut: whether it stopped at ``max_tokens``.
        prompt_tokens: as the server counted them; 0 where it did not say.
        answer_tokens: likewise.
    """

    text: str
    cut: bool = False
    prompt_tokens: int = 0
    answer_tokens: int = 0


def request_body(messages: Sequence[Message], sampling: SamplingConfig) -> dict[str, Any]:
    """The body of a request to ``/chat/completions``."""
    body = asdict(sampling) | {"messages": [message._asdict() for message in messages]}
    return body if sampling.seed is not None else {key: value for key, value in body.items() if key != "seed"}


def request_key(body: dict[str, Any]) -> str:
    """SHA-256 of a request body, 64 hexadecimal digits: equal requests have equal keys, whatever the server."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_completion(body: object) -> Completion:
    """The answer in the body of a response.

    Args:
        body: decoded JSON.

    Returns:
        The answer. A content of null, as of a model that stopped while it reasoned, is an empty text.

    Raises:
        ValueError: no chat completion.
    """
    try:
        choice = body["choices"][0]  # pyright: ignore[reportIndexIssue]
        text = choice["message"]["content"]
        usage = body.get("usage") or {}  # pyright: ignore[reportAttributeAccessIssue]
        counts = [int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        cut = choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no chat completion ({type(error).__name__}: {error})") from error
    if text is not None and not isinstance(text, str):
        raise ValueError(f"a content of type {type(text).__name__}")
    # JSON can spell halves of surrogate pairs, which no file could hold.
    return Completion((text or "").encode("utf-8", "replace").decode(), cut, *counts)


CHAT = Service("/chat/completions", read_completion, kept="What was answered is kept.")
"""The chat service of a server."""

__all__ = ["CHAT", "Completion", "SamplingConfig", "read_completion", "request_body", "request_key"]
