"""Whole runs against a server that fails in chosen ways."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from recgoat_jax.data import write_dataset
from recgoat_jax.encoders.profiles import (
    EndpointConfig,
    PriceConfig,
    ProfileConfig,
    PromptSet,
    SamplingConfig,
    estimate,
    profile_table,
    read_profiles,
    run,
    table_of_run,
    user_prompts,
    write_profiles,
)
from recgoat_jax.encoders.profiles.cache import FILE, AnswerCache
from recgoat_jax.errors import DataError, RunStoppedError, SavedAndStopped, UsageError
from recgoat_jax.lock import run_lock
from tests.encoders.profiles.chat_server import KEY, MODEL, chat_server
from tests.encoders.profiles.worlds import prompts_of, shop, texts

DATASET = shop()
PROMPTS = prompts_of(DATASET, 12)


def config(url: str, cache: Path, **options) -> ProfileConfig:
    endpoint = {"backoff_seconds": 0.001, "timeout_seconds": 5.0, "concurrency": 4, "attempts": 4}
    own = {name: options.pop(name) for name in list(options) if name in ProfileConfig.__dataclass_fields__}
    return ProfileConfig(
        SamplingConfig(MODEL), **({"cache": cache} | own), endpoint=EndpointConfig(url, **(endpoint | options))
    )


def user_of(body) -> str:
    """Which user a request is about."""
    return "u" + re.findall(r"Person: user (\d+)\n", body["messages"][1]["content"])[0]


def reply(body) -> str:
    return f"<think>Hm.</think><answer>Profile of {user_of(body)}.</answer>"


def test_every_user_gets_the_profile_of_their_own_prompt_in_order(tmp_path):
    seen = []
    with chat_server(reply=reply, seconds=0.01) as server:
        done = run(PROMPTS, config(server.url, tmp_path), yes=True, on_progress=lambda *now: seen.append(now))
    assert done.texts == {user: f"Profile of {user}." for user in PROMPTS.messages}
    assert list(done.texts) == list(PROMPTS.messages)
    assert done.failed == {}
    assert seen == [(n, 12) for n in range(1, 13)]
    assert 1 < server.most_at_once <= 4
    assert done.report[:4] == (12, 0, 0, 0)
    assert (done.report.prompt_tokens, done.report.answer_tokens) == (120, 60)


def test_faults_are_overcome_and_counted_and_no_prompt_is_answered_twice(tmp_path):
    faults = ["429", "500", "ok", "half", "broken json", "reset", "ok", "429"]
    # Which prompt meets which fault is chance: one may meet all six, and needs a seventh try.
    with chat_server(faults, reply=reply) as server:
        done = run(PROMPTS, config(server.url, tmp_path, attempts=7), yes=True)
    assert len(done.texts) == 12
    assert set(server.answered.values()) == {1}
    assert done.report.retries == {
        "status 429": 2,
        "status 500": 1,
        "broken connection (ClientPayloadError)": 1,
        "broken connection (ClientOSError)": 1,
        "no readable answer": 1,
    }
    assert "repeated: 2 x status 429" in done.text


def test_nothing_is_sent_without_consent_and_the_estimate_is_shown(tmp_path):
    with chat_server() as server:
        one = replace(config(server.url, tmp_path), price=PriceConfig(2.0, 10.0))
        with pytest.raises(UsageError, match=r"(?s)nothing was sent.*12 requests to send.*USD.*--yes"):
            run(PROMPTS, one, yes=False)
        assert server.requests == []
        run(PROMPTS, one, yes=True)
        # Nothing is left to consent to.
        assert len(run(PROMPTS, one, yes=False).texts) == 12
    assert len(server.requests) == 12


def test_a_second_run_sends_nothing_and_gives_the_same(tmp_path, monkeypatch):
    with chat_server(reply=reply) as server:
        first = run(PROMPTS, config(server.url, tmp_path), yes=True)
    # No server is there any more, nor a client library.
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    second = run(PROMPTS, config(server.url, tmp_path), yes=True)
    assert second.texts == first.texts
    assert (second.report.sent, second.report.stored) == (0, 12)


def test_another_model_or_prompt_is_asked_anew(tmp_path):
    with chat_server(reply=reply) as server:
        run(PROMPTS, config(server.url, tmp_path), yes=True)
        warmer = replace(config(server.url, tmp_path), sampling=SamplingConfig(MODEL, temperature=0.5))
        assert estimate(PROMPTS, warmer).requests == 12
        other = user_prompts(DATASET, [f"{text}!" for text in texts(DATASET)])
        assert estimate(other, config(server.url, tmp_path)).requests == 12


def test_an_unreadable_answer_is_followed_by_one_request_for_the_profile_alone(tmp_path):
    asked = []

    def odd(body):
        asked.append(body)
        if len(body["messages"]) == 2:
            return {"u0": "No.", "u1": None, "u2": "<think>so long"}.get(user_of(body), reply(body))
        assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
        return {"u0": "Likes tea.", "u1": "<answer>Likes jam.</answer>", "u2": "<think>and so on"}[user_of(body)]

    with chat_server(reply=odd) as server:
        done = run(PROMPTS, config(server.url, tmp_path), yes=True)
        assert done.texts["u0"] == "Likes tea."
        assert done.texts["u1"] == "Likes jam."
        assert done.failed == {"u2": "no profile could be read from two answers"}
        assert "u2" not in done.texts
        assert done.report.repaired == 2
        assert "failed: 'u2'" in done.text
        assert [b["messages"][2]["content"] for b in asked if len(b["messages"]) == 4 and user_of(b) == "u0"] == ["No."]
        # The next run pays for u2 alone, or for nobody.
        kept = config(server.url, tmp_path, unreadable="keep")
        assert estimate(PROMPTS, kept).requests == 0
        assert run(PROMPTS, kept, yes=False).failed == done.failed
        assert estimate(PROMPTS, config(server.url, tmp_path)).requests == 1
        before = len(server.requests)
        again = run(PROMPTS, config(server.url, tmp_path), yes=True)
        assert len(server.requests) == before + 2
        assert again.failed == done.failed


def test_a_run_stopped_between_an_unreadable_answer_and_its_repair_asks_for_the_repair_only(tmp_path):
    def odd(body):
        return "No." if len(body["messages"]) == 2 else "Likes tea."

    stop = iter([False, True])
    one = prompts_of(DATASET, 1)
    with chat_server(reply=odd) as server:
        with pytest.raises(SavedAndStopped, match="0 of 1 profiles"):
            run(one, config(server.url, tmp_path), yes=True, should_stop=lambda: next(stop))
        assert run(one, config(server.url, tmp_path), yes=True).texts == {"u0": "Likes tea."}
    assert [len(body["messages"]) for body in server.requests] == [2, 4]


def test_an_answer_cut_at_the_limit_of_tokens_is_counted(tmp_path, monkeypatch):
    from recgoat_jax.encoders.profiles import generate

    chat = generate.CHAT
    monkeypatch.setattr(generate, "CHAT", replace(chat, read=lambda body: chat.read(body)._replace(cut=True)))
    with chat_server(reply=reply) as server:
        assert run(prompts_of(DATASET, 3), config(server.url, tmp_path), yes=True).report.cut == 3


def test_a_failed_request_is_the_failure_of_one_user(tmp_path):
    def fault(body, number):
        return "400" if user_of(body) == "u3" else "ok"

    with chat_server(fault, reply=reply) as server:
        done = run(PROMPTS, config(server.url, tmp_path), yes=True)
    assert set(done.texts) == set(PROMPTS.messages) - {"u3"}
    assert "status 400" in done.failed["u3"]


def test_failures_in_a_row_end_the_run_and_what_was_answered_stays(tmp_path):
    def fault(body, number):
        return "ok" if number < 5 else "400"

    with chat_server(fault, reply=reply) as server:
        one = config(server.url, tmp_path, stop_after=3, concurrency=1)
        with pytest.raises(RunStoppedError, match=r"3 requests that failed in a row, the last: .*400"):
            run(PROMPTS, one, yes=True)
        assert len(server.requests) == 8
    assert len(AnswerCache(tmp_path)) == 5


@pytest.mark.parametrize(("model", "key", "match"), [("huge", KEY, "404"), (MODEL, "sk-wrong-wrong", "401")])
def test_a_wrong_model_or_key_ends_the_run_after_few_requests(tmp_path, monkeypatch, model, key, match):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with chat_server(key=KEY) as server:
        one = replace(config(server.url, tmp_path), sampling=SamplingConfig(model))
        with pytest.raises(RunStoppedError, match=f"status {match}"):
            run(PROMPTS, one, yes=True)
    assert len(AnswerCache(tmp_path)) == 0


def test_a_stop_awaits_what_is_on_its_way_and_the_next_run_asks_the_rest(tmp_path):
    with chat_server(reply=reply, seconds=0.02) as server:
        with pytest.raises(SavedAndStopped, match=r"of 12 profiles; all answers are kept"):
            run(PROMPTS, config(server.url, tmp_path), yes=True, should_stop=lambda: len(server.requests) > 4)
        first = sum(server.answered.values())
        assert 5 <= first < 12
        assert len(AnswerCache(tmp_path)) == first
        assert len(run(PROMPTS, config(server.url, tmp_path), yes=True).texts) == 12
    assert server.answered == dict.fromkeys(server.answered, 1)


def test_a_stop_does_not_wait_for_all_tries_of_a_server_that_fails(tmp_path):
    with chat_server(["500"] * 1000) as server:
        one = config(server.url, tmp_path, concurrency=2, attempts=100, backoff_seconds=0.02)
        with pytest.raises(SavedAndStopped, match="0 of 12 profiles"):
            run(PROMPTS, one, yes=True, should_stop=lambda: len(server.requests) > 3)
    assert 4 <= len(server.requests) <= 6


# No import of the tests: half of the time would go into it.
KILLED = """
import json, sys
from pathlib import Path
from recgoat_jax.encoders.profiles import EndpointConfig, ProfileConfig, PromptSet, SamplingConfig, run
from recgoat_jax.encoders.profiles.prompts import Message
url, cache, messages = sys.argv[1:]
messages = {user: tuple(Message(*one) for one in some) for user, some in json.loads(messages).items()}
config = ProfileConfig(SamplingConfig("tiny"), cache=Path(cache), endpoint=EndpointConfig(url, concurrency=2))
run(PromptSet("user", messages, (), "", "", "", ""), config, yes=True)
"""


def test_a_killed_run_loses_no_answer_that_it_had(tmp_path):
    killed = threading.Event()

    def fault(body, number):
        return "ok" if number < 6 or killed.is_set() else "hang"

    with chat_server(fault, reply=reply) as server:
        command = [sys.executable, "-c", KILLED, server.url, str(tmp_path), json.dumps(dict(PROMPTS.messages))]
        child = subprocess.Popen(command, cwd=Path(__file__).parents[3])
        try:
            # Six are answered, two on their way.
            while child.poll() is None and len(server.requests) < 8:
                time.sleep(0.01)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            killed.set()
        assert len(AnswerCache(tmp_path)) == 6
        done = run(PROMPTS, config(server.url, tmp_path), yes=True)
    assert list(done.texts) == list(PROMPTS.messages)
    assert (done.report.stored, done.report.sent) == (6, 6)
    assert server.answered == dict.fromkeys(server.answered, 1)
    assert len(server.answered) == 12


def test_a_damaged_cache_is_reported_and_asked_again(tmp_path):
    with chat_server(reply=reply) as server:
        run(PROMPTS, config(server.url, tmp_path), yes=True)
        lines = (tmp_path / FILE).read_bytes().splitlines()
        lines[6] = lines[6].replace(b"Profile", b"profile")
        (tmp_path / FILE).write_bytes(b"\n".join(lines) + b"\n")
        done = run(PROMPTS, config(server.url, tmp_path), yes=True)
    assert done.texts == {user: f"Profile of {user}." for user in PROMPTS.messages}
    assert done.report.damaged_lines == (7,)
    assert done.report.sent == 1
    assert "warning: 1 damaged lines of the cache dropped: 7" in done.text


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(tmp_path, monkeypatch):
    from recgoat_jax.encoders.profiles import cache

    whole, written = cache._write_whole, []

    def full(file, data):
        if len(written) == 5:
            raise OSError(28, os.strerror(28))
        written.append(data)
        whole(file, data)

    with chat_server(reply=reply) as server:
        with monkeypatch.context() as patched:
            patched.setattr(cache, "_write_whole", full)
            with pytest.raises(RunStoppedError, match="No space left on device.*5 answers"):
                run(PROMPTS, config(server.url, tmp_path), yes=True)
        assert run(PROMPTS, config(server.url, tmp_path), yes=True).report.stored == 5


def test_a_cache_serves_one_run_at_a_time(tmp_path):
    with run_lock(tmp_path), pytest.raises(RunStoppedError, match=f"process {os.getpid()}"):
        run(PROMPTS, config("http://127.0.0.1:1/v1", tmp_path), yes=True)


def test_a_run_works_where_a_loop_runs_already_and_can_be_interrupted_there(tmp_path):
    async def cell(url, **options):
        return run(PROMPTS, config(url, tmp_path), yes=True, **options)

    # Where the tests were started with the signal ignored, as a shell does in the background, nothing would come.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with chat_server(reply=reply, seconds=0.02) as server:
        interrupt = threading.Timer(0.2, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
        with chat_server(["hang"] * 12) as stuck:
            interrupt.start()
            began = time.monotonic()
            # As in a notebook, whose loop does not catch the signal.
            with pytest.raises(KeyboardInterrupt), closing(asyncio.new_event_loop()) as loop:
                loop.run_until_complete(cell(stuck.url))
            assert time.monotonic() - began < 4
        assert len(asyncio.run(cell(server.url)).texts) == 12
    signal.signal(signal.SIGINT, before)


def test_a_key_stands_in_no_file_and_no_result(tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def leaky(body):
        return f"<answer>The key is {KEY}.</answer>" if user_of(body) != "u1" else f"no tags {KEY}"

    with chat_server(["500", "400"], reply=leaky, key=KEY) as server:
        done = run(PROMPTS, config(server.url, tmp_path / "cache"), yes=True)
    write_profiles(table_of_run(DATASET, PROMPTS, SamplingConfig(MODEL), done), tmp_path / "users.jsonl")
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 3
    assert any("The key is [key]." in text for text in written)
    assert KEY not in "\n".join([*written, str(done), done.text, caplog.text, repr(config(server.url, tmp_path))])


def test_the_table_of_a_run_says_where_it_came_from(tmp_path):
    def fault(body, number):
        return "400" if user_of(body) == "u3" else "ok"

    with chat_server(fault, reply=reply) as server:
        done = run(PROMPTS, config(server.url, tmp_path), yes=True)
    table = table_of_run(DATASET, PROMPTS, SamplingConfig(MODEL), done)
    assert table.encoder == "llm:tiny"
    assert PROMPTS.fingerprint[:16] in table.revision
    assert (table.counts["rows"], table.counts["present"], table.counts["failed"]) == (12, 11, 1)
    with pytest.raises(DataError, match="other|expected those of"):
        table_of_run(shop(seed=1), PROMPTS, SamplingConfig(MODEL), done)
    with pytest.raises(UsageError, match="no profile of user 'u3'"):
        table.of(["u0", "u3"])


def test_an_estimate_counts_what_is_to_be_sent(tmp_path):
    prompt = "abcd" * 10 + "é" * 3  # 10 tokens and 3
    from recgoat_jax.encoders.profiles.prompts import Message

    prompts = PromptSet(
        "user", {f"u{i}": (Message("user", prompt + str(i)),) for i in range(3)}, ("u3",), "", "", "", ""
    )
    one = replace(
        config("http://127.0.0.1:1/v1", tmp_path),
        sampling=SamplingConfig(MODEL, max_tokens=1000),
        price=PriceConfig(2.0, 10.0, "EUR"),
    )
    found = estimate(prompts, one)
    assert (found.requests, found.stored, found.without_text) == (3, 0, 1)
    assert found.prompt_tokens == 3 * (11 + 3)
    assert found.answer_tokens == (300, 3000)
    assert found.price == pytest.approx((42 * 2e-6 + 300 * 1e-5, 42 * 2e-6 + 3000 * 1e-5))
    assert "0.00 to 0.03 EUR" in found.text
    assert "price unknown" in estimate(prompts, config("http://127.0.0.1:1/v1", tmp_path)).text
    with pytest.raises(UsageError, match="one of the two prices"):
        PriceConfig(input_per_million=1.0)


def test_answers_are_text_and_nothing_in_them_is_followed(tmp_path):
    evil = "__import__('os').system('touch pwned') $(touch pwned) {0.__class__} %s http://127.0.0.1:1/x"
    with chat_server(reply=lambda body: f"<answer>{evil}</answer>") as server:
        done = run(prompts_of(DATASET, 1), config(server.url, tmp_path), yes=True)
    assert done.texts == {"u0": evil}
    assert len(server.requests) == 1
    assert profile_table(DATASET, done.texts, kind="user", encoder="x").texts == {"u0": evil}
    assert json.loads((tmp_path / FILE).read_text())["text"] == f"<answer>{evil}</answer>"


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[3] / "docs" / "profiles.md"
    code = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    write_dataset(DATASET, Path("prepared/mine"))
    with chat_server(reply=reply) as server, redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("http://127.0.0.1:8000/v1", server.url).replace("QwQ-32B", MODEL), {})
    for part in ("12 requests to send", "USD", "12 profiles, 0 failed", "no leak found"):
        assert part in printed.getvalue()
    assert read_profiles(Path("profiles/users.jsonl")).aligned(DATASET)[3] == "Profile of u3."
    assert read_profiles(Path("profiles/statistical.jsonl")).encoder == "statistical"
