"""What a run will ask and cost, before anything is sent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recgoat_jax.encoders.profiles.prompts import PromptSet
from recgoat_jax.errors import UsageError

_SHORT_ANSWER = 100
RULE = "4 ASCII characters a token, every other character a token of its own"
"""How tokens are counted before anything is sent."""


@dataclass(frozen=True)
class PriceConfig:
    """What the server charges; look it up there, prices change. None: unknown, or a server of one's own."""

    input_per_million: float | None = None
    """Price of a million prompt tokens."""
    output_per_million: float | None = None
    """Price of a million answer tokens, the reasoning included."""
    currency: str = "USD"
    """Unit of both."""

    def __post_init__(self) -> None:
        if (self.input_per_million is None) != (self.output_per_million is None):
            raise UsageError("price: found one of the two prices; expected both or none.")


@dataclass(frozen=True)
class Estimate:
    """Work and price of a run. Tokens of prompts follow `RULE`; answers have 100 to ``max_tokens`` tokens.

    A request that fails and is repeated may be charged again, and an answer that cannot be read costs a second request;
    neither is in the figures.

    Attributes:
        requests: prompts to send.
        stored: prompts that are answered already.
        without_text: users or items for which there is nothing to ask.
        prompt_tokens: of all requests.
        answer_tokens: least and most of all requests.
        price: least and most; None where prices are not known.
        currency: of the price.
    """

    requests: int
    stored: int
    without_text: int
    prompt_tokens: int
    answer_tokens: tuple[int, int]
    price: tuple[float, float] | None
    currency: str

    @property
    def text(self) -> str:
        """The estimate in words, for people."""
        least, most = self.answer_tokens
        price = (
            "price unknown: give the prices of a million tokens"
            if self.price is None
            else f"{self.price[0]:,.2f} to {self.price[1]:,.2f} {self.currency}"
        )
        return (
            f"{self.requests:,} requests to send, {self.stored:,} answered before, {self.without_text:,} without text\n"
            f"about {self.prompt_tokens:,} prompt tokens ({RULE})\n"
            f"{least:,} to {most:,} answer tokens\n"
            f"{price}; repeated requests come on top"
        )


def estimate_cost(
    prompts: PromptSet, unanswered: Sequence[str], *, max_tokens: int, price: PriceConfig = PriceConfig()
) -> Estimate:
    """Counts what is to be sent.

    Args:
        prompts: the prompts.
        unanswered: ids whose prompts are to be sent.
        max_tokens: most tokens of an answer.
        price: prices.

    Returns:
        The estimate.
    """
    requests = len(unanswered)
    tokens = sum(count_tokens(message.content) for one in unanswered for message in prompts.messages[one])
    answers = (requests * min(_SHORT_ANSWER, max_tokens), requests * max_tokens)
    costs = None
    if price.input_per_million is not None and price.output_per_million is not None:
        least, most = ((tokens * price.input_per_million + count * price.output_per_million) / 1e6 for count in answers)
        costs = (least, most)
    stored = len(prompts.messages) - requests
    return Estimate(requests, stored, len(prompts.without_text), tokens, answers, costs, price.currency)


def count_tokens(text: str) -> int:
    """Tokens of a text by `RULE`."""
    plain = sum(character.isascii() for character in text)
    return math.ceil(plain / 4) + len(text) - plain


__all__ = ["RULE", "Estimate", "PriceConfig", "count_tokens", "estimate_cost"]
