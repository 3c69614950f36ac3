"""Embeddings from a server that fails in chosen ways."""

import json
import socket
import sys

import numpy as np
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import write_dataset
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.encoders.protocols import TextEncoder
from recgoat_jax.encoders.text.endpoint_text import EndpointTextConfig, EndpointTextEncoder, read_embeddings
from recgoat_jax.errors import DataError, MissingExtraError, RunStoppedError, UsageError
from tests.encoders.profiles.chat_server import KEY, MODEL, chat_server, vector
from tests.encoders.profiles.worlds import shop, texts

TEXTS = [f"{letter}{'x' * size}" for size, letter in enumerate("abcdefghijk")]


def encoder(url: str, *, key: str = "", **options) -> EndpointTextEncoder:
    usual = {"model": MODEL, "batch_size": 4, "backoff_seconds": 0.001, "timeout_seconds": 5.0, "attempts": 3}
    return EndpointTextEncoder(EndpointTextConfig(url, **(usual | options)), environment={"OPENAI_API_KEY": key})


def test_vectors_come_in_the_order_of_the_texts_whatever_the_servers():
    with chat_server(seconds=0.02) as server:
        made = encoder(server.url, concurrency=2)
        values = made.encode(TEXTS)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [vector(text) for text in TEXTS])
    assert sorted(len(body["input"]) for body in server.requests) == [3, 4, 4]
    assert all(body.keys() == {"model", "input", "encoding_format"} for body in server.requests)
    assert server.most_at_once == 2
    assert isinstance(made, TextEncoder)


@pytest.mark.parametrize("fault", ["429", "500", "half", "reset", "broken json", "no choices", "ragged"])
def test_a_passing_fault_is_tried_again(fault):
    with chat_server([fault]) as server:
        np.testing.assert_array_equal(encoder(server.url).encode(TEXTS[:3]), [vector(text) for text in TEXTS[:3]])
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "options", "message"),
    [
        ("too few", {}, "model 'tiny': found 3 vectors for 4 texts; expected one a text"),
        ("twice", {}, r"found vectors of the positions \[3, 3, 2, 1\]; expected each of 0 to 3 once"),
        ("wide", {}, "found vectors of 2 and of 3 numbers; expected one width"),
        ("ok", {"dimensions": 3}, "found vectors of 2 numbers; expected 3, as dimensions asks for; leave it out"),
    ],
)
def test_wrong_vectors_are_errors_at_once(fault, options, message):
    with chat_server([fault]) as server, pytest.raises(DataError, match=message):
        encoder(server.url, concurrency=1, **options).encode(TEXTS[:8])
    assert len(server.requests) <= 2


def test_a_wrong_key_and_a_wrong_model_stop_and_the_key_is_not_shown():
    with chat_server(key=KEY) as server:
        with pytest.raises(RunStoppedError, match="status 401.*OPENAI_API_KEY.*Finished chunks") as raised:
            encoder(server.url, key="sk-another-key-0000").encode(TEXTS)
        with pytest.raises(RunStoppedError, match="status 404.*name of the model"):
            encoder(server.url, key=KEY, model="huge").encode(TEXTS)
        assert server.requests == []
        assert len(encoder(server.url, key=KEY).encode(TEXTS)) == 11
    assert "sk-another" not in str(raised.value)
    assert KEY not in repr(encoder(server.url, key=KEY).config)


def test_a_request_that_is_refused_or_fails_in_all_tries_stops_and_says_how_long_its_texts_are():
    with (
        chat_server(["400"]) as server,
        pytest.raises(
            RunStoppedError, match=r"4 texts, of 4 characters at most, failed: refused .*lower max_characters"
        ),
    ):
        encoder(server.url, concurrency=1).encode(TEXTS)
    with chat_server(["500"] * 3) as server, pytest.raises(RunStoppedError, match="status 500, in each of 3 tries"):
        encoder(server.url, concurrency=1).encode(TEXTS)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(RunStoppedError, match="found no server"):
            encoder(f"http://127.0.0.1:{held.getsockname()[1]}/v1").encode(TEXTS)


def test_what_is_sent_is_whole_unicode_cut_and_never_empty():
    with chat_server() as server:
        encoder(server.url, prefix="q: ", max_characters=5, dimensions=2).encode(["abcdef", "\ud83d"])
        encoder(server.url).encode([""])
    assert server.requests[0]["input"] == ["q: ab", "q: \ufffd"]
    assert server.requests[0]["dimensions"] == 2
    assert server.requests[1]["input"] == [" "]


def test_the_revision_tells_settings_apart_that_change_the_values_and_no_others():
    url = "http://127.0.0.1:1/v1"
    plain = encoder(url)
    changed = [{"dimensions": 2}, {"prefix": "q"}, {"max_characters": 9}]
    assert len({plain.revision, *(encoder(url, **one).revision for one in changed)}) == 4
    assert encoder("http://127.0.0.1:2/v1", batch_size=9, concurrency=3).revision == plain.revision
    assert (plain.name, plain.pooling, plain.max_length) == (MODEL, "server", None)


@pytest.mark.parametrize(
    "body",
    [[], {}, {"data": 3}, {"data": []}, {"data": [{"index": 0}]}, {"data": [{"index": 0, "embedding": "AAAA"}]}],
)
def test_what_is_no_embeddings_is_a_value_error(body):
    with pytest.raises(ValueError, match="embeddings|could not convert"):
        read_embeddings(body)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": " "}, "found no model"),
        ({"batch_size": 0}, "found batch_size=0; expected 1"),
        ({"dimensions": 0}, "found dimensions=0"),
        ({"max_characters": 0}, "found max_characters=0"),
        ({"concurrency": 0}, "found concurrency=0"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        encoder("http://127.0.0.1:1/v1", **options)


def test_without_the_client_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtraError, match=r"recgoat-jax\[llm\]"):
        encoder("http://127.0.0.1:1/v1").encode(TEXTS)


def test_a_command_that_stopped_asks_for_the_missing_chunks_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_KEY", KEY)
    write_dataset(shop(), tmp_path / "mine")
    with chat_server(lambda body, number: "400" if number == 2 else "ok", key=KEY) as server:
        command = ["features", "text", "mine", "--encoder", "endpoint", "--encoder.base-url", server.url, "--quiet"]
        command += ["--encoder.model", MODEL, "--encoder.key-variable", "MY_KEY", "--chunk-size", "4"]
        command += ["--columns", "title", "--labels", "none", "--out", "text.npz"]
        assert main(command) == 5
        assert "failed: refused with status 400" in capsys.readouterr().err
        assert main([*command, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["encoded"], report["reused"]) == (8, 8)
        assert len(server.requests) == 3 + 2
        assert main(command) == 0
        assert len(server.requests) == 5
    raw = read_features(tmp_path / "text.npz")
    titles = texts(shop())
    assert raw.ids == shop().items.ids
    np.testing.assert_array_equal(raw.values, [vector(title or "") for title in titles])
    assert raw.card is not None
    assert (raw.card.encoder, raw.card.pooling) == (MODEL, "server")
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
