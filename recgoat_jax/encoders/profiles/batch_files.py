"""Files for servers that answer in bulk: requests out, responses in, matched by id in any order.

Both are JSON lines in the shape of OpenAI's batch service, which vLLM's ``run-batch`` reads and writes as well. The
``custom_id`` of a request is its key in the cache, so that a response finds its prompt by itself, and one to a prompt
that has changed since finds none. What is read goes into the cache; `recgoat_jax.encoders.profiles.generate.run` then
makes the profiles of it, and asks only for what is missing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recgoat_jax.data.files import read_text
from recgoat_jax.encoders.as_data import as_data
from recgoat_jax.encoders.profiles.cache import AnswerCache
from recgoat_jax.encoders.profiles.completions import Completion, read_completion, request_body, request_key
from recgoat_jax.encoders.profiles.exchange import repair_messages, stored_exchange
from recgoat_jax.encoders.profiles.generate import ProfileConfig
from recgoat_jax.encoders.profiles.prompts import PromptSet
from recgoat_jax.files import write_atomically
from recgoat_jax.lock import run_lock

_URL = "/v1/chat/completions"
_NAMED = 5


class BatchReport(NamedTuple):
    """What a file of responses held.

    Attributes:
        stored: responses that are now in the cache.
        failed: external id to what the server said of its request.
        missing: external ids that are still without an answer and of which the file says nothing.
        unknown: ``custom_id`` of responses that belong to no prompt of the set.
        broken_lines: numbers of the lines that are no response.
    """

    stored: int
    failed: Mapping[str, str]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    broken_lines: tuple[int, ...]

    @property
    def text(self) -> str:
        """The report in words, for people."""
        lines = [
            f"{self.stored:,} answers taken, {len(self.failed):,} failed, {len(self.missing):,} missing, "
            f"{len(self.unknown):,} unknown, {len(self.broken_lines):,} broken lines"
        ]
        lines += [f"failed: {external!r}: {reason}" for external, reason in list(self.failed.items())[:_NAMED]]
        for name, found in self._asdict().items():
            if found and isinstance(found, tuple):
                others = " and others" if len(found) > _NAMED else ""
                lines.append(f"{name.replace('_', ' ')}: {', '.join(map(repr, found[:_NAMED]))}{others}")
        return "\n".join(lines)


def write_batch(prompts: PromptSet, config: ProfileConfig, path: Path) -> int:
    """Writes a request for every prompt without a readable answer.

    Where an answer came and could not be read, the request is the one for the profile alone.

    Args:
        prompts: the prompts.
        config: model, sampling and cache.
        path: file to write, replaced where it exists; services limit its size (OpenAI: 50,000 requests, 200 MB), so
            `PromptSet.only` may have to part the prompts.

    Returns:
        Requests written.

    Raises:
        OSError: it cannot be written; an older file is untouched.
    """
    lines = [
        json.dumps({"custom_id": key, "method": "POST", "url": _URL, "body": body}, ensure_ascii=False)
        for key, (_, body) in _open_requests(prompts, config, AnswerCache(config.cache)).items()
    ]
    write_atomically(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def read_batch(path: Path, prompts: PromptSet, config: ProfileConfig) -> BatchReport:
    """Takes the answers of a file of responses into the cache.

    Args:
        path: the file; a request that is answered twice keeps the last answer.
        prompts: the prompts that requests were written for.
        config: model, sampling and cache, as for `write_batch`.

    Returns:
        What the file held.

    Raises:
        DataError: no such file, or not text.
        RunStoppedError: the cache cannot be written, or another run holds it.
    """
    config.cache.mkdir(parents=True, exist_ok=True)
    with run_lock(config.cache):
        cache = AnswerCache(config.cache)
        requests = _open_requests(prompts, config, cache)
        answers: dict[str, Completion] = {}
        failed: dict[str, str] = {}
        unknown, broken = [], []
        for number, line in enumerate(read_text(path).split("\n"), 1):
            if not line.strip():
                continue
            try:
                key, answer = _read_response(line)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                broken.append(number)
                continue
            if key not in requests:
                if key not in cache:
                    unknown.append(key)
            elif isinstance(answer, str):
                failed[requests[key][0]] = answer
            else:
                answers[key] = answer
        for key, answer in answers.items():
            cache.put(key, answer)
    answered = {requests[key][0] for key in answers}
    failed = {external: reason for external, reason in failed.items() if external not in answered}
    missing = [external for external, _ in requests.values() if external not in answered and external not in failed]
    return BatchReport(len(answers), failed, tuple(missing), tuple(unknown), tuple(broken))


def _open_requests(
    prompts: PromptSet, config: ProfileConfig, cache: AnswerCache
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Key to external id and body of the next request of each prompt without a readable answer."""
    found = {}
    for external, messages in prompts.messages.items():
        stored = stored_exchange(messages, sampling=config.sampling, cache=cache)
        if stored.profile is not None or (stored.is_unreadable and config.unreadable == "keep"):
            continue
        asks_again = stored.first is None or stored.is_unreadable
        asked = messages if asks_again or stored.first is None else repair_messages(messages, stored.first)
        body = request_body(asked, config.sampling)
        found[request_key(body)] = (external, body)
    return found


def _read_response(line: str) -> tuple[str, Completion | str]:
    """Id and answer of a response; a text where the server failed."""
    entry = json.loads(line)
    key, response, error = entry["custom_id"], entry.get("response"), entry.get("error")
    if not isinstance(key, str):
        raise ValueError("a custom_id that is no text")
    if error or response is None:
        return key, as_data(json.dumps(error or "no response", ensure_ascii=False), limit=200)
    if response.get("status_code", 200) != 200:
        said = json.dumps(response.get("body"), ensure_ascii=False)
        return key, as_data(f"status {response['status_code']}: {said}", limit=200)
    return key, read_completion(response["body"])


__all__ = ["BatchReport", "read_batch", "write_batch"]
