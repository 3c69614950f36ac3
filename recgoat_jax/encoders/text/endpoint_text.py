"""Texts to vectors by any server that speaks the embeddings protocol of OpenAI: hosted, vLLM, llama.cpp and others.

The texts leave the machine, to the address that is named and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from recgoat_jax.data.unicode import valid_unicode
from recgoat_jax.encoders.endpoint import Endpoint, EndpointConfig, RequestFailed, Service, in_own_loop, together
from recgoat_jax.errors import DataError, RunStoppedError, UsageError


@dataclass(frozen=True)
class EndpointTextConfig(EndpointConfig):
    """Which model of which server, and what it is sent."""

    model: str = ""
    """Name of the model, as the server knows it."""
    dimensions: int | None = None
    """Width to ask for, of models that can shorten their vectors; None: as the model has it."""
    prefix: str = ""
    """Put before every text, such as an instruction."""
    max_characters: int | None = None
    """Longest text; a longer one is cut. None: whole texts, which servers refuse where they are too long."""
    batch_size: int = 32
    """Texts of a request."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model.strip():
            raise UsageError(
                "text encoder 'endpoint': found no model; expected the name under which the server knows it."
            )
        for name, value in (
            ("batch_size", self.batch_size),
            ("dimensions", self.dimensions),
            ("max_characters", self.max_characters),
        ):
            if value is not None and value < 1:
                raise UsageError(f"text encoder 'endpoint': found {name}={value}; expected 1 or more.")


class Embeddings(NamedTuple):
    """The vectors of a response.

    Attributes:
        positions: of the text that each belongs to.
        vectors: ``vectors x dim``, float32.
    """

    positions: list[int]
    vectors: np.ndarray


def read_embeddings(body: object) -> Embeddings:
    """The vectors in the body of a response, in the order of the body.

    Args:
        body: decoded JSON.

    Returns:
        The vectors.

    Raises:
        ValueError: no embeddings, or vectors of several widths.
    """
    try:
        data = body["data"]  # pyright: ignore[reportIndexIssue]
        vectors = np.array([entry["embedding"] for entry in data], np.float32)
        positions = [int(entry["index"]) for entry in data]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"no embeddings ({type(error).__name__}: {error})") from error
    if vectors.ndim != 2:
        raise ValueError(f"embeddings of shape {vectors.shape}")
    return Embeddings(positions, vectors)


EMBEDDINGS = Service("/embeddings", read_embeddings, kept="Finished chunks of the table are kept.")
"""The embeddings service of a server."""


class EndpointTextEncoder:
    """A `recgoat_jax.encoders.protocols.TextEncoder` on a server.

    What the server does with texts that are too long for its model, and how it pools tokens, is its own affair.

    Args:
        config: server and model.
        environment: variables to look the key up in; None: those of this process.
    """

    def __init__(self, config: EndpointTextConfig, *, environment: Mapping[str, str] | None = None) -> None:
        self.config, self._environment = config, environment

    @property
    def name(self) -> str:
        """The model."""
        return self.config.model

    @property
    def revision(self) -> str:
        """What else changes the values, as far as it is known; the same model on another server is the same encoder."""
        config = self.config
        return (
            f"endpoint; dimensions={config.dimensions}; prefix={config.prefix!r}; "
            f"max_characters={config.max_characters}"
        )

    @property
    def pooling(self) -> str:
        """The server's own."""
        return "server"

    @property
    def max_length(self) -> int | None:
        """None: the server's own."""
        return None

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """Vectors of texts, as the server gives them.

        Args:
            texts: any number but none.

        Returns:
            float32 ``texts x dim``.

        Raises:
            RunStoppedError: wrong key or model, no server, or a request that failed in all its tries.
            DataError: vectors that are too few, too many or of another width.
            MissingExtraError: the extra ``llm`` is not installed.
        """
        return in_own_loop(self._encode(texts))

    async def _encode(self, texts: Sequence[str]) -> np.ndarray:
        size = self.config.batch_size
        vectors: list[np.ndarray] = [np.empty(0)] * -(-len(texts) // size)
        queue = ((number, texts[number * size : (number + 1) * size]) for number in range(len(vectors)))
        async with Endpoint(self.config, EMBEDDINGS, environment=self._environment) as endpoint:
            count = min(self.config.concurrency, len(vectors))
            await together(lambda: self._work(queue, vectors, endpoint), count=count)
        widths = sorted({part.shape[1] for part in vectors})
        if len(widths) > 1:
            raise self._broken(f"vectors of {' and of '.join(map(str, widths))} numbers", "one width")
        return np.concatenate(vectors)

    async def _work(
        self,
        queue: Iterator[tuple[int, Sequence[str]]],
        vectors: list[np.ndarray],
        endpoint: Endpoint[Embeddings],
    ) -> None:
        """One of the workers that share the queue."""
        for number, texts in queue:
            try:
                answer = await endpoint.ask(self._body(texts))
            except RequestFailed as error:
                raise RunStoppedError(
                    f"{self.config.base_url}: found that a request of {len(texts)} texts, of "
                    f"{max(map(len, texts)):,} characters at most, failed: {error}; expected their vectors. Where "
                    "texts are too long or too many for the server, lower max_characters or batch_size. "
                    f"{EMBEDDINGS.kept}"
                ) from error
            vectors[number] = self._in_order(answer, len(texts))

    def _body(self, texts: Sequence[str]) -> dict[str, Any]:
        config = self.config
        # Servers refuse an empty text.
        sent = [valid_unicode((config.prefix + text)[: config.max_characters]) or " " for text in texts]
        body: dict[str, Any] = {"model": config.model, "input": sent, "encoding_format": "float"}
        return body if config.dimensions is None else body | {"dimensions": config.dimensions}

    def _in_order(self, answer: Embeddings, count: int) -> np.ndarray:
        """The vectors of one request in the order of its texts: servers may answer in another."""
        if len(answer.positions) != count:
            raise self._broken(f"{len(answer.positions)} vectors for {count} texts", "one a text")
        if sorted(answer.positions) != list(range(count)):
            raise self._broken(f"vectors of the positions {answer.positions[:5]}", f"each of 0 to {count - 1} once")
        width, asked = answer.vectors.shape[1], self.config.dimensions
        if asked is not None and width != asked:
            raise self._broken(f"vectors of {width} numbers", f"{asked}, as dimensions asks for; leave it out")
        return answer.vectors[np.argsort(answer.positions)]

    def _broken(self, found: str, expected: str) -> DataError:
        return DataError(
            f"{self.config.base_url}, model '{self.config.model}': found {found}; expected {expected}. "
            f"Look at the server. {EMBEDDINGS.kept}"
        )


__all__ = ["EMBEDDINGS", "Embeddings", "EndpointTextConfig", "EndpointTextEncoder", "read_embeddings"]
