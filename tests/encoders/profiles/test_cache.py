import errno
import io
import os
from pathlib import Path

import pytest

from recgoat_jax.encoders.profiles.cache import FILE, AnswerCache
from recgoat_jax.encoders.profiles.completions import Completion, read_completion, request_body, request_key
from recgoat_jax.encoders.profiles.completions import SamplingConfig as Sampling
from recgoat_jax.encoders.profiles.prompts import Message
from recgoat_jax.errors import RunStoppedError, UsageError

MESSAGES = (Message("system", "be brief"), Message("user", "who?"))
ANSWERS = {f"key{i}": Completion(f"<answer>tè {i}\n\u2028</answer>", i == 1, 10 + i, i) for i in range(4)}


def filled(directory) -> AnswerCache:
    cache = AnswerCache(directory)
    for key, answer in ANSWERS.items():
        cache.put(key, answer)
    return cache


def test_answers_come_back_in_this_process_and_in_the_next(tmp_path):
    first = filled(tmp_path / "new" / "cache")
    second = AnswerCache(tmp_path / "new" / "cache")
    for cache in (first, second):
        assert {key: cache.get(key) for key in ANSWERS} == ANSWERS
        assert cache.get("other") is None
        assert "other" not in cache
        assert len(cache) == 4
        assert cache.dropped == []


def test_the_last_answer_to_a_request_counts(tmp_path):
    filled(tmp_path).put("key2", Completion("new"))
    assert AnswerCache(tmp_path).get("key2") == Completion("new")
    assert AnswerCache(tmp_path).get("key3") == ANSWERS["key3"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b"10", b"90").replace(b"12", b"92"),  # valid JSON, other content
        lambda line: line[:20] + b"\xff\x00" + line[22:],
        lambda line: line[:-30],
        lambda line: b"null",
        lambda line: b"{}",
        lambda line: b"[1]",
    ],
)
def test_a_damaged_line_is_dropped_and_named_and_the_others_stay(tmp_path, damage):
    filled(tmp_path)
    lines = (tmp_path / FILE).read_bytes().split(b"\n")
    lines[2] = damage(lines[2])
    (tmp_path / FILE).write_bytes(b"\n".join(lines))
    cache = AnswerCache(tmp_path)
    assert cache.dropped == [3]
    assert {key: cache.get(key) for key in ANSWERS} == ANSWERS | {"key2": None}
    cache.put("key2", ANSWERS["key2"])
    assert AnswerCache(tmp_path).get("key2") == ANSWERS["key2"]


@pytest.mark.parametrize("cut", [1, 2, 50])
def test_the_line_that_a_kill_left_open_costs_no_other(tmp_path, cut):
    filled(tmp_path)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-cut])
    cache = AnswerCache(tmp_path)
    assert ("key3" in cache) == (cut == 1)  # without its line end the line is whole
    cache.put("later", Completion("more"))
    again = AnswerCache(tmp_path)
    assert again.get("later") == cache.get("later") == Completion("more")
    assert {key: again.get(key) for key in ("key0", "key1", "key2")} == {
        key: ANSWERS[key] for key in ("key0", "key1", "key2")
    }


def test_a_full_disk_ends_in_a_message_and_leaves_what_was_stored(tmp_path, monkeypatch):
    cache = filled(tmp_path)

    class Full(io.FileIO):
        """The disk has room for ten bytes."""

        room = 10

        def write(self, data):
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written, self.room = super().write(data[: self.room]), 0
            return written

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda self, mode, buffering: Full(self, mode))
        with pytest.raises(RunStoppedError, match=r"No space left.*4 answers before it are stored.*free some space"):
            cache.put("key9", Completion("does not fit"))
    assert cache.get("key9") is None
    cache.put("key9", Completion("fits now"))
    again = AnswerCache(tmp_path)
    assert again.get("key9") == Completion("fits now")
    assert len(again.dropped) == 1
    assert {key: again.get(key) for key in ANSWERS} == ANSWERS


def test_the_key_follows_all_that_an_answer_depends_on():
    bodies = [
        request_body(MESSAGES, Sampling("m")),
        request_body(MESSAGES, Sampling("n")),
        request_body(MESSAGES, Sampling("m", temperature=0.5)),
        request_body(MESSAGES, Sampling("m", max_tokens=7)),
        request_body(MESSAGES, Sampling("m", seed=1)),
        request_body(MESSAGES, Sampling("m", seed=None)),
        request_body(MESSAGES[:1], Sampling("m")),
        request_body(MESSAGES[::-1], Sampling("m")),
    ]
    assert len({request_key(body) for body in bodies}) == len(bodies)
    assert request_key(bodies[0]) == request_key(request_body(MESSAGES, Sampling("m")))
    assert bodies[0]["messages"][1] == {"role": "user", "content": "who?"}
    assert "seed" not in bodies[5]


@pytest.mark.parametrize(
    "options", [{"model": " "}, {"model": "m", "max_tokens": 0}, {"model": "m", "temperature": 3.0}]
)
def test_sampling_that_no_server_takes_is_refused(options):
    with pytest.raises(UsageError, match="expected"):
        Sampling(**options)


def test_what_a_response_holds():
    choice = {"message": {"content": "text"}, "finish_reason": "length"}
    assert read_completion({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}) == (
        "text",
        True,
        3,
        2,
    )
    assert read_completion({"choices": [{"message": {"content": None}}], "usage": None}) == ("", False, 0, 0)
    assert read_completion({"choices": [{"message": {"content": "half \ud800"}}]}).text == "half ?"


@pytest.mark.parametrize(
    "body", [None, [], "text", {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": {"content": 3}}]}]
)
def test_what_is_no_completion_is_an_error(body):
    with pytest.raises(ValueError, match="no chat completion|content of type"):
        read_completion(body)
