import json

import pytest

from recgoat_jax.encoders.profiles import ProfileConfig, SamplingConfig, estimate, read_batch, run, write_batch
from recgoat_jax.encoders.profiles.cache import AnswerCache
from recgoat_jax.errors import DataError
from tests.encoders.profiles.worlds import prompts_of, shop

PROMPTS = prompts_of(shop(), 5)


@pytest.fixture
def config(tmp_path) -> ProfileConfig:
    return ProfileConfig(SamplingConfig("tiny", max_tokens=99), cache=tmp_path / "cache")


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def response(key: str, text: str) -> dict:
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return {
        "id": "r",
        "custom_id": key,
        "response": {"status_code": 200, "request_id": "q", "body": body},
        "error": None,
    }


def write(path, entries) -> None:
    path.write_text("\n".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in entries))


def test_requests_have_the_shape_of_the_batch_service(config, tmp_path):
    assert write_batch(PROMPTS, config, tmp_path / "requests.jsonl") == 5
    lines = lines_of(tmp_path / "requests.jsonl")
    assert len({line["custom_id"] for line in lines}) == 5
    for line, messages in zip(lines, PROMPTS.messages.values(), strict=True):
        assert set(line) == {"custom_id", "method", "url", "body"}
        assert (line["method"], line["url"], len(line["custom_id"])) == ("POST", "/v1/chat/completions", 64)
        assert line["body"] == {
            "model": "tiny",
            "temperature": 0.0,
            "max_tokens": 99,
            "seed": 0,
            "messages": [{"role": role, "content": content} for role, content in messages],
        }


def test_responses_in_any_order_become_profiles_without_a_request(config, tmp_path):
    write_batch(PROMPTS, config, tmp_path / "requests.jsonl")
    keys = [line["custom_id"] for line in lines_of(tmp_path / "requests.jsonl")]
    write(tmp_path / "responses.jsonl", [response(key, f"<answer>P{n}</answer>") for n, key in enumerate(keys)][::-1])
    assert read_batch(tmp_path / "responses.jsonl", PROMPTS, config) == (5, {}, (), (), ())
    # The default address has no server; nothing is sent, so none is needed and no consent.
    assert run(PROMPTS, config, yes=False).texts == {f"u{n}": f"P{n}" for n in range(5)}
    assert write_batch(PROMPTS, config, tmp_path / "requests.jsonl") == 0
    # A second reading finds nothing new and complains of nothing.
    assert read_batch(tmp_path / "responses.jsonl", PROMPTS, config) == (0, {}, (), (), ())
    assert len((tmp_path / "cache" / "answers.jsonl").read_text().splitlines()) == 5


def test_failed_missing_unknown_and_broken_responses_are_reported_and_asked_again(config, tmp_path):
    write_batch(PROMPTS, config, tmp_path / "requests.jsonl")
    keys = [line["custom_id"] for line in lines_of(tmp_path / "requests.jsonl")]
    write(
        tmp_path / "responses.jsonl",
        [
            {"custom_id": keys[2], "response": {"status_code": 400, "body": {"error": {"message": "too long"}}}},
            response("stranger", "<answer>x</answer>"),
            json.dumps(response(keys[0], "<answer>old</answer>")),
            "",
            "{broken",
            {"custom_id": keys[1], "response": None, "error": {"code": "batch_expired"}},
            response(keys[0], "<answer>new</answer>"),
            {"custom_id": keys[3], "response": {"status_code": 200, "body": {"choices": []}}},
            "[]",
        ],
    )
    report = read_batch(tmp_path / "responses.jsonl", PROMPTS, config)
    assert report.stored == 1
    assert set(report.failed) == {"u1", "u2"}
    assert "batch_expired" in report.failed["u1"]
    assert "status 400" in report.failed["u2"]
    assert "too long" in report.failed["u2"]
    assert report.missing == ("u3", "u4")
    assert report.unknown == ("stranger",)
    assert report.broken_lines == (5, 8, 9)
    assert estimate(PROMPTS, config).requests == 4
    assert write_batch(PROMPTS, config, tmp_path / "again.jsonl") == 4
    assert [line["custom_id"] for line in lines_of(tmp_path / "again.jsonl")] == keys[1:]


def test_an_unreadable_response_leads_to_the_request_for_the_profile_alone(config, tmp_path):
    path = tmp_path / "file.jsonl"
    write_batch(PROMPTS, config, path)
    keys = [line["custom_id"] for line in lines_of(path)]
    write(path, [response(key, "No." if n == 3 else "<answer>P</answer>") for n, key in enumerate(keys)])
    assert read_batch(path, PROMPTS, config).stored == 5
    assert write_batch(PROMPTS, config, path) == 1
    repair = lines_of(path)[0]
    assert [message["role"] for message in repair["body"]["messages"]] == ["system", "user", "assistant", "user"]
    write(path, [response(repair["custom_id"], "Likes tea.")])
    assert read_batch(path, PROMPTS, config).stored == 1
    assert run(PROMPTS, config, yes=False).texts["u3"] == "Likes tea."


def test_a_failed_response_beside_a_good_one_of_the_same_request_is_no_failure(config, tmp_path):
    path = tmp_path / "file.jsonl"
    write_batch(PROMPTS, config, path)
    key = lines_of(path)[0]["custom_id"]
    write(path, [response(key, "<answer>P</answer>"), {"custom_id": key, "error": {"code": "later"}}])
    report = read_batch(path, PROMPTS, config)
    assert (report.stored, report.failed) == (1, {})
    assert AnswerCache(config.cache).get(key) is not None


def test_a_missing_file_is_named(config, tmp_path):
    with pytest.raises(DataError, match="none.jsonl: found no such file"):
        read_batch(tmp_path / "none.jsonl", PROMPTS, config)
