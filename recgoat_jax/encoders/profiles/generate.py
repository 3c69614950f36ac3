"""Profiles by a language model: every prompt answered once, read, and kept by external id.

An answer that cannot be read is followed by one request that asks for the profile alone; where that fails too, the
user or item is counted as failed and has no profile. All answers go through the cache, readable or not, so that a run
that was stopped goes on where it was and one that is complete sends nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recgoat_jax.encoders.endpoint import (
    Endpoint,
    EndpointConfig,
    RequestFailed,
    Stopped,
    in_own_loop,
    together,
)
from recgoat_jax.encoders.profiles.answers import parse_answer
from recgoat_jax.encoders.profiles.cache import AnswerCache
from recgoat_jax.encoders.profiles.completions import CHAT, Completion, SamplingConfig, request_body, request_key
from recgoat_jax.encoders.profiles.estimate import Estimate, PriceConfig, estimate_cost
from recgoat_jax.encoders.profiles.exchange import Exchange, repair_messages, stored_exchange
from recgoat_jax.encoders.profiles.prompts import Message, PromptSet
from recgoat_jax.encoders.profiles.run_report import ProfileRun, RunReport
from recgoat_jax.errors import RunStoppedError, SavedAndStopped, UsageError
from recgoat_jax.lock import run_lock


@dataclass(frozen=True)
class ProfileConfig:
    """A run: what is asked, of whom, and where answers are kept."""

    sampling: SamplingConfig
    """Model and sampling."""
    cache: Path = Path("profiles/cache")
    """Directory of the answers."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """The server."""
    price: PriceConfig = field(default_factory=PriceConfig)
    """What it charges."""
    unreadable: Literal["ask_again", "keep"] = "ask_again"
    """What becomes of users whose stored answers could not be read in an earlier run."""
    stop_after: int = 20
    """Failures in a row, none answered between them, that end the run."""


def estimate(prompts: PromptSet, config: ProfileConfig) -> Estimate:
    """What `run` would send and cost; sends nothing.

    Args:
        prompts: the prompts.
        config: the run.

    Returns:
        The estimate; its ``text`` is made to be shown.
    """
    cache, open_prompts = AnswerCache(config.cache), []
    for external, messages in prompts.messages.items():
        stored = stored_exchange(messages, sampling=config.sampling, cache=cache)
        if stored.profile is None and not (stored.is_unreadable and config.unreadable == "keep"):
            open_prompts.append(external)
    return estimate_cost(prompts, open_prompts, max_tokens=config.sampling.max_tokens, price=config.price)


def run(
    prompts: PromptSet,
    config: ProfileConfig,
    *,
    yes: bool,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ProfileRun:
    """Asks for every profile that is not stored yet.

    Args:
        prompts: the prompts.
        config: the run.
        yes: consent to send the prompts to the server and to pay for them, after `estimate` was shown.
        on_progress: called with the prompts that are through and their total, after each.
        should_stop: asked before each try; once True nothing more is sent, what is on its way is awaited and kept.

    Returns:
        The profiles, and who has none and why.

    Raises:
        UsageError: there is something to send and no consent; nothing was sent.
        RunStoppedError: no request can succeed, too many failed in a row, another run holds the cache, or the disk is
            full. What was answered is kept.
        SavedAndStopped: ``should_stop`` became true.
    """
    if not yes and (plan := estimate(prompts, config)).requests:
        raise UsageError(f"nothing was sent. This run has\n{plan.text}\nExpected consent to that: --yes.")
    config.cache.mkdir(parents=True, exist_ok=True)
    with run_lock(config.cache):
        return in_own_loop(_Run(prompts, config, on_progress, should_stop).everything())


class _Run:
    """The state of one run."""

    def __init__(
        self,
        prompts: PromptSet,
        config: ProfileConfig,
        on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.prompts, self.config = prompts, config
        self.on_progress, self.should_stop = on_progress, should_stop
        self.cache = AnswerCache(config.cache)
        self.texts: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.failures_in_a_row = 0
        self.stopped = False

    async def everything(self) -> ProfileRun:
        queue = iter(self.prompts.messages.items())
        async with Endpoint(self.config.endpoint, CHAT, should_stop=self.should_stop) as endpoint:
            count = min(self.config.endpoint.concurrency, len(self.prompts.messages))
            await together(lambda: self._work(queue, endpoint), count=count)
        if self.stopped:
            raise SavedAndStopped(
                f"stopped with {len(self.texts):,} of {len(self.prompts.messages):,} profiles; all answers are kept. "
                "Start the same command again to go on."
            )
        order = self.prompts.messages
        return ProfileRun(
            {one: self.texts[one] for one in order if one in self.texts},
            {one: self.failed[one] for one in order if one in self.failed},
            self._report(endpoint),
        )

    async def _work(self, queue: Iterator[tuple[str, tuple[Message, ...]]], endpoint: Endpoint[Completion]) -> None:
        """One of the workers that share the queue."""
        for external, messages in queue:
            try:
                exchange = await self._exchange(messages, endpoint)
            except Stopped:
                self.stopped = True
                return
            except RequestFailed as error:
                self.failed[external] = str(error)
                self._note_failure(str(error))
            else:
                self._note(external, exchange)
            self.on_progress(len(self.texts) + len(self.failed), len(self.prompts.messages))

    async def _exchange(self, messages: tuple[Message, ...], endpoint: Endpoint[Completion]) -> Exchange:
        """The exchange about one prompt, as far as it is needed."""
        sampling = self.config.sampling
        first, second = stored = stored_exchange(messages, sampling=sampling, cache=self.cache)
        if stored.is_unreadable:
            if self.config.unreadable == "keep":
                return stored
            first = second = None
        self.counts["stored"] += first is not None
        if first is None:
            first = await self._ask(request_body(messages, sampling), endpoint)
        if second is None and parse_answer(first.text) is None:
            second = await self._ask(request_body(repair_messages(messages, first), sampling), endpoint)
        return Exchange(first, second)

    async def _ask(self, body: dict[str, Any], endpoint: Endpoint[Completion]) -> Completion:
        answer = await endpoint.ask(body)
        self.cache.put(request_key(body), answer)
        self.failures_in_a_row = 0
        self.counts["sent"] += 1
        self.counts["prompt_tokens"] += answer.prompt_tokens
        self.counts["answer_tokens"] += answer.answer_tokens
        return answer

    def _note(self, external: str, exchange: Exchange) -> None:
        if exchange.profile is None:
            self.failed[external] = "no profile could be read from two answers"
            return
        self.texts[external] = exchange.profile
        self.counts["cut"] += exchange.is_cut
        self.counts["repaired"] += exchange.second is not None

    def _note_failure(self, reason: str) -> None:
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= self.config.stop_after:
            raise RunStoppedError(
                f"{self.config.endpoint.base_url}: found {self.failures_in_a_row} requests that failed in a row, the "
                f"last: {reason}; expected some to succeed. Look at the server, then start the same command again: "
                "what was answered is kept."
            )

    def _report(self, endpoint: Endpoint[Completion]) -> RunReport:
        return RunReport(
            sent=self.counts["sent"],
            stored=self.counts["stored"],
            repaired=self.counts["repaired"],
            cut=self.counts["cut"],
            retries=dict(endpoint.retries),
            prompt_tokens=self.counts["prompt_tokens"],
            answer_tokens=self.counts["answer_tokens"],
            damaged_lines=tuple(self.cache.dropped),
            without_text=len(self.prompts.without_text),
        )


__all__ = ["ProfileConfig", "estimate", "run"]
