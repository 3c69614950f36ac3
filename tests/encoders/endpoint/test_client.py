"""One client against a server that fails in chosen ways."""

import asyncio
import itertools
import logging
import os
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from recgoat_jax.encoders.endpoint import Endpoint, EndpointConfig, RequestFailed
from recgoat_jax.encoders.endpoint.http_rules import proxy_of, seconds_to_wait
from recgoat_jax.encoders.profiles.completions import CHAT, SamplingConfig, request_body
from recgoat_jax.encoders.profiles.prompts import Message
from recgoat_jax.errors import MissingExtraError, RunStoppedError, UsageError
from tests.encoders.profiles.chat_server import GOOD, KEY, MODEL, chat_server

BODY = request_body((Message("user", "who?"),), SamplingConfig(MODEL))


def ask(url: str, *, body=BODY, key: str = "", **options):
    """One answer, and the endpoint that got it."""

    async def once():
        config = EndpointConfig(url, **({"backoff_seconds": 0.001, "timeout_seconds": 5.0} | options))
        async with Endpoint(config, CHAT, environment={"OPENAI_API_KEY": key}) as endpoint:
            return await endpoint.ask(body), endpoint

    return asyncio.run(once())


def test_an_answer_comes_with_its_counts():
    with chat_server() as server:
        answer, endpoint = ask(server.url)
    assert answer == (GOOD, False, 10, 5)
    assert server.requests == [BODY]
    assert not endpoint.retries


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", "status 429"),
        ("500", "status 500"),
        ("half", "broken connection (ClientPayloadError)"),
        ("reset", "broken connection (ClientOSError)"),
        ("broken json", "no readable answer"),
        ("no choices", "no readable answer"),
        ("hang", "no answer in time"),
        ("drip", "no answer in time"),
    ],
)
def test_a_passing_fault_is_tried_again(fault, reason):
    with chat_server([fault]) as server:
        # A dripping answer takes some 6 s in all, and no pause between its bytes is long.
        answer, endpoint = ask(server.url, timeout_seconds=0.25)
    assert answer.text == GOOD
    assert endpoint.retries == {reason: 1}
    assert server.requests == [BODY, BODY]


@pytest.mark.parametrize("fault", ["429", "500", "half", "broken json"])
def test_a_fault_that_stays_fails_the_request_after_all_tries(fault):
    with chat_server([fault] * 9) as server, pytest.raises(RequestFailed, match="in each of 3 tries"):
        ask(server.url, attempts=3)
    assert len(server.requests) == 3


def test_the_pause_that_the_server_asks_for_is_kept():
    with chat_server(["429", "429"]) as server:
        ask(server.url, backoff_seconds=0.0)
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(server.times))


def test_pauses_double_up_to_a_limit_and_differ():
    endpoint = Endpoint(EndpointConfig(backoff_seconds=1.0, longest_pause_seconds=10.0), CHAT)
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (9, 10)):
        pauses = {endpoint._pause(attempt, None) for _ in range(50)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
        assert len(pauses) > 1
    assert endpoint._pause(1, 7.5) == 7.5


def test_a_retry_after_is_seconds_or_a_date():
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds_to_wait("1.5") == 1.5
    assert seconds_to_wait("-3") == 0
    assert 85 < seconds_to_wait(format_datetime(soon, usegmt=True)) <= 90
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_to_wait("") is None
    assert seconds_to_wait("soon") is None


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"body": BODY | {"model": "huge"}}, KEY, r"status 404 \(model_not_found The model `huge` .*name of the model"),
        ({}, "sk-another-key-0000", r"status 401.*the key in the environment variable OPENAI_API_KEY"),
        ({}, "", r"status 401.*no key, since it is unset: the environment variable OPENAI_API_KEY"),
    ],
)
def test_a_wrong_model_or_key_stops_at_once_and_says_what_to_do(options, key, message):
    with chat_server(key=KEY) as server, pytest.raises(RunStoppedError, match=message) as raised:
        ask(server.url, key=key, **options)
    assert len(server.requests) == 0
    assert "kept" in str(raised.value)
    for secret in filter(None, (KEY, key)):
        assert secret not in str(raised.value)


def test_a_wrong_path_an_empty_account_a_long_wait_and_a_redirection_stop_too():
    with chat_server(["quota", "wait long", "302"]) as server:
        with pytest.raises(RunStoppedError, match="status 404"):
            ask(server.url + "/chat")
        with pytest.raises(RunStoppedError, match="insufficient_quota.*credit"):
            ask(server.url)
        with pytest.raises(RunStoppedError, match="asks to wait 3,600 s.*again later"):
            ask(server.url)
        with pytest.raises(RunStoppedError, match="status 302.*Check the address"):
            ask(server.url)
    assert len(server.requests) == 3


def test_a_refused_request_is_the_failure_of_that_request():
    with chat_server(["400"]) as server, pytest.raises(RequestFailed, match="status 400.*context_length") as raised:
        ask(server.url, key=KEY)
    assert KEY not in str(raised.value)
    assert "[key]" in str(raised.value)


def test_no_server_stops_after_all_tries():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(RunStoppedError, match=r"found no server .* in 2 tries.*Start it, or mend the address"):
            ask(url, attempts=2)


def test_the_key_comes_from_the_variable_that_is_named_and_stays_out_of_logs_and_answers(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-key-0000")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # loopback goes by no proxy

    async def once(url):
        async with Endpoint(EndpointConfig(url, key_variable="MY_KEY"), CHAT) as endpoint:
            return await endpoint.ask(BODY)

    with chat_server(key=KEY, reply=lambda body: f"<answer>your key is {KEY}</answer>") as server:
        answer = asyncio.run(once(server.url))
    assert answer.text == "<answer>your key is [key]</answer>"
    assert KEY not in caplog.text
    assert os.environ["MY_KEY"].strip() == KEY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "127.0.0.1:8000"}, "such as http://"),
        ({"base_url": "ftp://host/v1"}, "such as http://"),
        ({"base_url": "http://host:99999/v1"}, "such as http://"),
        ({"base_url": "https://me:hunter22@host/v1"}, "a user, password or query in the address of host"),
        ({"base_url": "https://host/v1?key=hunter22"}, "a user, password or query in the address of host"),
        ({"concurrency": 0}, "concurrency=0; expected 1"),
        ({"attempts": 0}, "attempts=0; expected 1"),
        ({"backoff_seconds": -1.0}, "backoff_seconds=-1"),
        ({"timeout_seconds": 0.0}, "seconds above 0"),
    ],
)
def test_wrong_settings_are_named_and_secrets_in_them_are_not_shown(options, message):
    with pytest.raises(UsageError, match=message) as raised:
        EndpointConfig(**options)
    assert "hunter22" not in str(raised.value)


def test_a_key_that_no_header_can_carry_is_refused_unseen():
    for key in ("sk-1234\nX-Other: 5678", "sk-ключ-5678"):
        with pytest.raises(UsageError, match="OPENAI_API_KEY: found a key with spaces or") as raised:
            Endpoint(EndpointConfig(), CHAT, environment={"OPENAI_API_KEY": key})
        assert "5678" not in str(raised.value)


def test_a_proxy_is_the_one_of_the_environment_and_none_on_this_machine(monkeypatch):
    for name, value in (("https_proxy", "http://proxy:3128"), ("http_proxy", ""), ("no_proxy", "inside.example")):
        monkeypatch.setenv(name, value)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_of("https://host/v1") == "http://proxy:3128"
    for url in ("http://host/v1", "https://inside.example/v1", "https://127.0.0.2/v1", "https://localhost:1/v1"):
        assert proxy_of(url) is None


def test_without_the_client_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtraError, match=r"'aiohttp' is not installed.*recgoat-jax\[llm\]"):
        ask("http://127.0.0.1:1/v1")


def test_a_time_limit_is_over_the_whole_request():
    began = time.monotonic()
    with chat_server(["drip"]) as server, pytest.raises(RequestFailed, match="no answer in time"):
        ask(server.url, timeout_seconds=0.2, attempts=1)
    assert time.monotonic() - began < 3
