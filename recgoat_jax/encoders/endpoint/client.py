"""A client of servers that speak the protocol of OpenAI: hosted ones, vLLM, llama.cpp and others.

What is tried again, after a pause that doubles and is drawn at random between half and all of it: too many requests
(429), errors of the server (408, 409, 425, 5xx), a connection that is refused, reset or closed early, an answer that is
cut off or cannot be read, and no answer in time. A pause that the server asks for (``Retry-After``) is kept. What
no second try can mend ends the run: a wrong key, a wrong model or address, an empty account, a server that is not
there. The rest is the failure of one request.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from recgoat_jax.encoders.as_data import as_data
from recgoat_jax.encoders.endpoint.http_rules import proxy_of, seconds_to_wait, without_secret
from recgoat_jax.errors import MissingExtraError, RunStoppedError, UsageError

if TYPE_CHECKING:
    import aiohttp

Answer = TypeVar("Answer")

_AGAIN = (408, 409, 425, 429)
_OF_THIS_REQUEST = (400, 413, 422)


@dataclass(frozen=True)
class EndpointConfig:
    """Where requests go, and how patiently."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Address up to and with the version; the path of the service, such as ``/chat/completions``, is added."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; unset or empty: no key is sent."""
    concurrency: int = 16
    """Requests at a time."""
    timeout_seconds: float = 300.0
    """Longest a request may take from its start to the last byte of its answer."""
    connect_seconds: float = 10.0
    """Longest that connecting may take."""
    attempts: int = 6
    """Most tries of one request."""
    backoff_seconds: float = 1.0
    """Pause after the first failed try."""
    longest_pause_seconds: float = 120.0
    """Longest pause; a server that asks for a longer one ends the run."""

    def __post_init__(self) -> None:
        try:
            address = urlsplit(self.base_url)
            known = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
        except ValueError:
            known, address = False, urlsplit("")
        if not known:
            raise UsageError(
                f"base_url: found {self.base_url!r}; expected an address such as http://127.0.0.1:8000/v1."
            )
        if "@" in address.netloc or address.query or address.fragment:
            # Not shown: what stands there is likely a secret.
            raise UsageError(
                f"base_url: found a user, password or query in the address of {address.hostname}; expected none. "
                f"Put the key into the environment variable {self.key_variable}."
            )
        for name, least in (("concurrency", 1), ("attempts", 1), ("backoff_seconds", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"endpoint: found {name}={getattr(self, name)}; expected {least} or more.")
        if min(self.timeout_seconds, self.connect_seconds) <= 0:
            raise UsageError("endpoint: found a time limit of 0 or less; expected seconds above 0.")


@dataclass(frozen=True)
class Service(Generic[Answer]):
    """What is asked of a server.

    Attributes:
        path: of the service, below the address.
        read: makes an answer of the decoded JSON of a response; a ValueError is an answer that cannot be read.
        kept: what remains of a run that ends early, a sentence for messages.
    """

    path: str
    read: Callable[[object], Answer]
    kept: str


class RequestFailed(Exception):
    """One request came to nothing; others may fare better."""


class Stopped(Exception):
    """Nothing more is to be sent."""


class _Response(NamedTuple):
    status: int
    data: bytes
    retry_after: str


class Endpoint(Generic[Answer]):
    """An open client; an asynchronous context manager.

    Args:
        config: where and how.
        service: what is asked.
        should_stop: asked before each try.
        environment: variables to look the key up in; None: those of this process.

    Attributes:
        retries: tries that failed and were repeated, by reason.

    Raises:
        UsageError: the key holds characters that no header can carry; it is not shown.
        MissingExtraError: with the first request: the client library is not installed.
    """

    def __init__(
        self,
        config: EndpointConfig,
        service: Service[Answer],
        *,
        should_stop: Callable[[], bool] = lambda: False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.config, self.service, self.should_stop = config, service, should_stop
        self.retries: Counter[str] = Counter()
        self._url = config.base_url.rstrip("/") + service.path
        self._key = (os.environ if environment is None else environment).get(config.key_variable, "").strip()
        # A stand-in such as "EMPTY", for servers that want any key, is a word that answers may hold.
        self._secret = self._key if len(self._key) >= 8 else ""
        if not all("!" <= character <= "~" for character in self._key):
            raise UsageError(
                f"environment variable {config.key_variable}: found a key with spaces or characters outside ASCII; "
                "expected one word. Copy the key anew."
            )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Endpoint[Answer]":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, body: dict[str, Any]) -> Answer:
        """Sends one request until it is answered.

        Args:
            body: of the request.

        Returns:
            The answer.

        Raises:
            RequestFailed: this request is refused, or every try of it failed.
            Stopped: ``should_stop`` became true.
            RunStoppedError: no request can succeed; the message says what to do.
        """
        client = _client()
        reason = unreachable = ""
        asked: float | None = None
        for attempt in range(self.config.attempts):
            if attempt:
                self.retries[reason] += 1
                # Not into a pause of minutes, where a stop is asked for.
                if not self.should_stop():
                    await asyncio.sleep(self._pause(attempt, asked))
                asked = None
            if self.should_stop():
                raise Stopped
            try:
                response = await self._post(body)
            except (client.ClientConnectorError, client.ConnectionTimeoutError) as error:
                reason, unreachable = "no connection", self._safe(str(error))
                continue
            except TimeoutError:
                reason = "no answer in time"
                continue
            except client.ClientError as error:
                # Reset, closed early, cut off, not HTTP. Their texts may quote what was sent.
                reason = f"broken connection ({type(error).__name__})"
                continue
            if response.status == 200:
                try:
                    return self.service.read(without_secret(json.loads(response.data), self._secret))
                except (ValueError, RecursionError):
                    reason = "no readable answer"
                    continue
            self._raise_unless_temporary(response)
            reason, asked = f"status {response.status}", self._asked_pause(response)
        if reason == "no connection":
            raise RunStoppedError(
                f"{self.config.base_url}: found no server ({unreachable}) in {self.config.attempts} tries; expected "
                f"one that speaks the protocol of OpenAI. Start it, or mend the address. {self.service.kept}"
            )
        raise RequestFailed(f"{reason}, in each of {self.config.attempts} tries")

    async def _post(self, body: dict[str, Any]) -> _Response:
        session = self._opened()
        async with (
            asyncio.timeout(self.config.timeout_seconds),
            # A redirection would take the key to another address.
            session.post(self._url, json=body, allow_redirects=False, proxy=proxy_of(self._url)) as response,
        ):
            return _Response(response.status, await response.read(), response.headers.get("Retry-After", ""))

    def _opened(self) -> "aiohttp.ClientSession":
        """The session, opened with the first request: a run that has all its answers needs no client library."""
        if self._session is not None:
            return self._session
        client = _client()
        self._session = session = client.ClientSession(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=client.ClientTimeout(total=None, sock_connect=self.config.connect_seconds),
            connector=client.TCPConnector(limit=self.config.concurrency),
        )
        return session

    def _pause(self, attempt: int, asked: float | None) -> float:
        if asked is not None:
            return asked
        longest = min(self.config.backoff_seconds * 2 ** (attempt - 1), self.config.longest_pause_seconds)
        return random.uniform(longest / 2, longest)

    def _asked_pause(self, response: _Response) -> float | None:
        """Seconds that the server asks to wait, or None where it does not say."""
        seconds = seconds_to_wait(response.retry_after)
        if seconds is not None and seconds > self.config.longest_pause_seconds:
            raise RunStoppedError(
                f"{self.config.base_url}: found that the server asks to wait {seconds:,.0f} s; expected at most "
                f"{self.config.longest_pause_seconds:,.0f} s. Start the same command again later, or raise "
                f"longest_pause_seconds. {self.service.kept}"
            )
        return seconds

    def _raise_unless_temporary(self, response: _Response) -> None:
        """Raises for a status that a second try would not change."""
        status, said = response.status, self._said(response)
        where = f"{self.config.base_url}: found status {status}{said}"
        kept = self.service.kept
        if status in _OF_THIS_REQUEST:
            raise RequestFailed(f"refused with status {status}{said}")
        if status in (401, 403):
            sent = "the key in" if self._key else "no key, since it is unset:"
            raise RunStoppedError(
                f"{where}; expected a key that the server takes. Sent was {sent} the environment variable "
                f"{self.config.key_variable}. Set it to a valid key. {kept}"
            )
        if status == 404:
            raise RunStoppedError(
                f"{where}; expected a model that the server has, under '{self._url}'. "
                f"Check the name of the model and the address. {kept}"
            )
        if status == 402 or (status == 429 and "insufficient_quota" in said):
            raise RunStoppedError(f"{where}; expected an account with credit. Top it up. {kept}")
        if status not in _AGAIN and status < 500:
            raise RunStoppedError(f"{where}; expected 200. Check the address. {kept}")

    def _said(self, response: _Response) -> str:
        """What the server says of an error, short and without the key."""
        try:
            error = json.loads(response.data)["error"]
            said = f"{error.get('code') or ''} {error.get('message') or ''}" if isinstance(error, dict) else str(error)
        except (ValueError, KeyError, TypeError, RecursionError):
            said = response.data.decode("utf-8", "replace")
        said = self._safe(said)
        return f" ({said})" if said else ""

    def _safe(self, text: str) -> str:
        return as_data(without_secret(text, self._secret), limit=200)


def _client() -> ModuleType:
    try:
        import aiohttp
    except ImportError as error:
        raise MissingExtraError.of("aiohttp", extra="llm") from error
    return aiohttp


__all__ = ["Endpoint", "EndpointConfig", "RequestFailed", "Service", "Stopped"]
