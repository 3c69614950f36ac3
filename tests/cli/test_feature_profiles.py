"""``recgoat features profile``: nothing sent unasked, nothing paid twice, and what stands beside the table."""

import json
import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import write_dataset
from recgoat_jax.encoders.profiles import profile_table, read_profiles, split_hash, write_profiles
from tests.encoders.profiles.chat_server import KEY, MODEL, chat_server
from tests.encoders.profiles.worlds import shop

DATASET = shop()
STATISTICAL = ("features", "profile", "mine", "--encoder", "statistical", "--out", "made/users.jsonl")


@pytest.fixture(autouse=True)
def prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write_dataset(DATASET, Path("mine"))


def llm(url: str, *more: str, out: str = "made/users.jsonl") -> list[str]:
    server = [
        "--encoder.base-url",
        url,
        "--encoder.model",
        MODEL,
        "--encoder.concurrency",
        "2",
        "--encoder.attempts",
        "2",
    ]
    server += ["--encoder.backoff-seconds", "0.001"]
    return ["features", "profile", "mine", "--encoder", "llm", "--out", out, *server, *more]


def files() -> list[str]:
    return sorted(str(path.relative_to("made")) for path in Path("made").rglob("*") if path.is_file())


def test_statistical_profiles_are_made_once_with_their_leak_report(capsys):
    assert main(STATISTICAL) == 0
    shown = capsys.readouterr()
    assert "12 of 12 users have profiles" in shown.out
    assert "no leak found" in shown.out
    assert files() == ["users.card.json", "users.jsonl", "users.leaks.json"]
    made = read_profiles(Path("made/users.jsonl"))
    assert (made.encoder, made.split) == ("statistical", split_hash(DATASET))
    kept = json.loads(Path("made/users.leaks.json").read_text())
    assert (kept["profiles"], kept["leaking"]) == (made.hash, [])
    assert kept["splits"]["test"]["pairs"] == 12
    before = {name: (Path("made") / name).stat().st_mtime_ns for name in files()}
    assert main(STATISTICAL) == 0
    shown = capsys.readouterr().out
    assert "made before; nothing to do" in shown
    assert "no leak found" in shown
    assert {name: (Path("made") / name).stat().st_mtime_ns for name in files()} == before
    assert main([*STATISTICAL, "--encoder.most-tags", "1"]) == 2
    assert "found other profiles (other revision)" in capsys.readouterr().err
    write_dataset(
        replace(DATASET, item_table=pa.table({"title": ["tea"] * 16, "genres": ["war"] * 16})), Path("retold")
    )
    assert main(["retold" if part == "mine" else part for part in STATISTICAL]) == 2
    assert "found other profiles (other texts of items)" in capsys.readouterr().err
    assert main([*STATISTICAL, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["present"], told["made_before"]) == (12, 12, True)
    assert told["leaks"] == {"path": "made/users.leaks.json", "leaking": []}


def test_a_column_that_is_not_there_makes_no_profiles(capsys):
    for option in ("tag-columns", "word-column"):
        assert main([*STATISTICAL, f"--encoder.{option}", "nope"]) == 3
        assert "column 'nope': found no such item column; there are 'title'" in capsys.readouterr().err
    assert files() == []


def test_a_leak_is_said_and_kept(capsys):
    table = DATASET.item_table
    assert table is not None
    titles = table["title"].to_pylist()
    # What a model would write that was told of the test items.
    held_out = {f"u{user}": titles[item] for user, item in zip(DATASET.test.users, DATASET.test.items, strict=True)}
    with chat_server(reply=lambda body: f"<answer>Longs for {held_out[user_of(body)]}.</answer>") as server:
        assert main(llm(server.url, "--yes", "--quiet")) == 0
    assert "LEAK: profiles name items of 'test'" in capsys.readouterr().out
    assert json.loads(Path("made/users.leaks.json").read_text())["leaking"] == ["test"]


def user_of(body) -> str:
    return "u" + body["messages"][1]["content"].partition("Person: user ")[2].partition("\n")[0]


def test_the_estimate_is_shown_and_nothing_sent_without_consent(capsys):
    price = ("--encoder.price.input-per-million", "2", "--encoder.price.output-per-million", "1000000")
    with chat_server() as server:
        assert main(llm(server.url, *price)) == 2
        shown = capsys.readouterr()
        assert "12 requests to send, 0 answered before" in shown.out
        assert "1,200 to 24,576 answer tokens" in shown.out
        assert "1,200.01 to 24,576.01 USD" in shown.out
        assert shown.err.count("\n") == 1
        assert "nothing was sent; expected consent to the estimate above: --yes." in shown.err
        assert main(llm(server.url, "--json")) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "12 requests to send" in shown.err
        assert server.requests == []
    assert not Path("made").exists()


def test_with_consent_all_are_asked_once_and_a_second_call_sends_nothing(capsys, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    more = ("--encoder.key-variable", "MY_KEY", "--yes", "--encoder.redact")
    with chat_server(key=KEY) as server:
        assert main(llm(server.url, *more)) == 0
        shown = capsys.readouterr()
        assert "12 requests to send" in shown.out
        assert "12 profiles, 0 failed" in shown.out
        assert "users.jsonl: 12 of 12 users" in shown.err
        assert len(server.requests) == 12
        assert files() == ["cache/.lock", "cache/answers.jsonl", "users.card.json", "users.jsonl", "users.leaks.json"]
        Path("made/cache/answers.jsonl").unlink()
        assert main(llm(server.url, *more, "--json")) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["made_before"], told["sent"], told["present"]) == (True, 0, 12)
        assert len(server.requests) == 12
        for other in (("--encoder.words", "9"), ("--labels", "none")):
            assert main(llm(server.url, *more, *other)) == 2
            assert "made/users.jsonl: found other profiles (other revision)" in capsys.readouterr().err
    assert read_profiles(Path("made/users.jsonl")).encoder == f"llm:{MODEL}"
    assert not any(KEY in path.read_text() for path in Path("made").rglob("*") if path.is_file())


def test_users_that_failed_are_asked_again(capsys):
    with chat_server(lambda body, number: "400" if number == 3 else "ok") as server:
        assert main(llm(server.url, "--yes", "--quiet")) == 0
        assert "11 of 12 users have profiles" in capsys.readouterr().out
        assert main(llm(server.url)) == 2
        shown = capsys.readouterr()
        assert "1 requests to send, 11 answered before" in shown.out
        assert "made/users.jsonl stays as it is, without those that failed" in shown.err
        assert main(llm(server.url, "--yes", "--quiet", "--json")) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["made_before"], told["sent"], told["present"]) == (False, 1, 12)
    assert len(server.requests) == 13


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_75_and_the_next_asks_the_rest(capsys, number):
    signals = iter([number])

    def reply(body):
        # Once: a second Ctrl-C would end the run where it is.
        if len(server.requests) >= 4 and (one := next(signals, None)) is not None:
            os.kill(os.getpid(), one)
        return "<answer>Likes tea.</answer>"

    with chat_server(reply=reply, seconds=0.01) as server:
        assert main(llm(server.url, "--yes", "--quiet")) == 75
        assert "of 12 profiles; all answers are kept" in capsys.readouterr().err
        assert not Path("made/users.jsonl").exists()
        first = len(server.requests)
        assert 4 < first < 12
        assert main(llm(server.url, "--yes", "--quiet")) == 0
        assert f"{12 - first} requests to send, {first} answered before" in capsys.readouterr().out
    assert set(server.answered.values()) == {1}
    assert len(read_profiles(Path("made/users.jsonl")).texts) == 12


def test_a_batch_is_written_read_and_made_a_table_without_a_server(capsys):
    nowhere = "http://127.0.0.1:9/v1"
    assert main(llm(nowhere, "--write-batch", "requests.jsonl")) == 0
    assert "requests.jsonl: 12 requests written, nothing sent" in capsys.readouterr().out
    requests = [json.loads(line) for line in Path("requests.jsonl").read_text().splitlines()]
    body = {"choices": [{"message": {"content": "<answer>Likes tea.</answer>"}, "finish_reason": "stop"}]}
    responses = [
        json.dumps({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}})
        for request in requests
    ]
    Path("some.jsonl").write_text("\n".join([*responses[:5], "{"]) + "\n")
    Path("rest.jsonl").write_text("\n".join(responses) + "\n")
    assert main(llm(nowhere, "--read-batch", "some.jsonl")) == 2
    shown = capsys.readouterr()
    assert "some.jsonl: 5 answers taken, 0 failed, 7 missing, 0 unknown, 1 broken lines" in shown.out
    assert "broken lines: 6" in shown.out
    assert "7 requests to send, 5 answered before" in shown.out
    assert "nothing was sent" in shown.err
    # Read and write: what is still open.
    assert main(llm(nowhere, "--read-batch", "some.jsonl", "--write-batch", "open.jsonl")) == 0
    assert "open.jsonl: 7 requests written" in capsys.readouterr().out
    assert main(llm(nowhere, "--write-batch", "open.jsonl", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == {"batch": "open.jsonl", "requests": 7}
    assert main(llm(nowhere, "--read-batch", "rest.jsonl")) == 0
    assert "12 of 12 users have profiles" in capsys.readouterr().out
    assert main(llm(nowhere, "--read-batch", "absent.jsonl")) == 0
    assert "made before; nothing to do" in capsys.readouterr().out
    assert main(llm(nowhere, "--read-batch", "absent.jsonl", "--encoder.words", "9", out="made/other.jsonl")) == 3


def test_profiles_of_items_stand_in_the_prompts_of_users(capsys):
    assert main(llm("http://127.0.0.1:9/v1", "--of", "items")) == 2
    assert "16 requests to send" in capsys.readouterr().out
    write_profiles(profile_table(DATASET, {"i0": "A lamp."}, kind="item", encoder="test"), Path("items.jsonl"))
    with chat_server() as server:
        of_items = llm(server.url, "--of", "items", "--limit", "3", "--yes", "--quiet", out="made/items.jsonl")
        assert main(of_items) == 0
        shown = capsys.readouterr().out
        assert "3 of 16 items have profiles" in shown
        assert "leak" not in shown
        server.requests.clear()
        assert main(llm(server.url, "--item-profiles", "items.jsonl", "--yes", "--quiet")) == 0
        whom = set(DATASET.train.users[DATASET.train.items == 0].tolist())
        assert len(server.requests) == len(whom) > 0
        assert all('{"id": "i0", "text": "A lamp."}' in body["messages"][1]["content"] for body in server.requests)
        users = ("--item-profiles", "made/users.jsonl", "--yes")
        assert main(llm(server.url, *users, out="made/more.jsonl")) == 2
    assert "found profiles of users; expected profiles of items" in capsys.readouterr().err


def test_columns_and_labels_are_chosen_and_a_number_at_the_cut_is_redacted_whole(capsys):
    more = ("--columns", "genres", "title", "--labels", "none", "--limit", "1", "--yes", "--quiet")
    with chat_server() as server:
        assert main(llm(server.url, *more)) == 0
        (body,) = server.requests
    assert '"text": "drama|war amber' in body["messages"][1]["content"]

    item_table = DATASET.item_table
    assert item_table is not None
    phoned = ["call me: +49 170 1234567"] * 16
    write_dataset(replace(DATASET, item_table=pa.table({"title": phoned})), Path("phoned"))
    with chat_server() as server:
        more = ("--encoder.redact", "--encoder.max-characters", "18", "--labels", "none", "--limit", "1", "--yes")
        command = ["phoned" if part == "mine" else part for part in llm(server.url, *more, out="made/b.jsonl")]
        assert main(command) == 0
        (body,) = server.requests
    assert "+49" not in body["messages"][1]["content"]
    assert "call me: [phone]" in body["messages"][1]["content"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.jsonl"], "found no --encoder; expected --encoder with one of statistical, llm"),
        (["--out", "a.jsonl", "--encoder", "bert"], "found the encoder 'bert'"),
        (["--out", "a.npz", "--encoder", "statistical"], "found the suffix '.npz'; expected .jsonl"),
        (["--out", "a.jsonl", "--encoder", "llm"], "found no model"),
        (["--out", "a.jsonl", "--encoder", "llm", "--encoder.model", "m", "--limit", "0"], "found --limit 0"),
        (["--out", "a.jsonl", "--encoder", "statistical", "--of", "items"], "by --encoder llm"),
        (
            ["--out=a.jsonl", "--encoder=llm", "--encoder.model=m", "--of=items", "--item-profiles=b.jsonl"],
            "found --item-profiles and --of items",
        ),
        (
            ["--out=a.jsonl", "--encoder=llm", "--encoder.model=m", "--item-profiles=b.jsonl", "--columns", "title"],
            "found --item-profiles and --columns",
        ),
        (
            ["--out=a.jsonl", "--encoder=llm", "--encoder.model=m", "--item-profiles=b.jsonl", "--labels", "none"],
            "found --item-profiles and --labels",
        ),
        (
            ["--out=a.jsonl", "--encoder=llm", "--encoder.model=m", "--encoder.base-url=https://me:pw@host/v1"],
            "found a user, password or query in the address",
        ),
    ],
)
def test_wrong_calls_say_why_and_leave_nothing(capsys, arguments, message):
    assert main(["features", "profile", "mine", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["mine"]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("name", "column 'name': found no such item column; there are 'title', 'genres'"),
        ("genres", "found 0 titles of 3 letters or more"),
    ],
)
def test_items_without_titles_have_no_leak_guard_and_the_report_says_so(capsys, column, why):
    bare = replace(DATASET, item_table=pa.table({"title": ["tea"] * 16, "genres": [""] * 16}))
    write_dataset(bare, Path("bare"))
    command = ["bare" if part == "mine" else part for part in STATISTICAL]
    assert main([*command, "--title-column", column]) == 0
    shown = capsys.readouterr().out
    assert "12 of 12 users have profiles" in shown
    assert "no leak guard (--title-column): " in shown
    assert why in shown
    assert main([*command, "--title-column", column, "--json"]) == 0
    assert why in json.loads(capsys.readouterr().out)["unguarded"]


def test_profiles_become_features_that_a_training_takes(capsys):
    assert main(STATISTICAL) == 0
    encode = ["features", "text", "mine", "--encoder", "tfidf", "--encoder.dim", "3", "--quiet"]
    of_users = [*encode, "--profiles", "made/users.jsonl", "--out", "user.npz"]
    assert main(of_users) == 0
    assert "user.npz: 12 of 12 users have features" in capsys.readouterr().out
    assert main(of_users) == 0
    assert "made before; nothing to do" in capsys.readouterr().out
    train = ["train", "most-popular", "--data", "mine", "--workdir", "run", "--quiet"]
    assert main([*train, "--data.user-features", "text", "user.npz"]) == 0
    stored = json.loads(Path("run/config.json").read_text())
    assert stored["features"]["user/text"]["encoder"] == "tfidf-svd"
    assert stored["features"]["user/text"]["dim"] == 3

    write_dataset(shop(seed=1), Path("other"))
    capsys.readouterr()
    assert main(["other" if part == "mine" else part for part in of_users[:-1]] + ["no.npz"]) == 3
    assert "Profiles of another split may tell what this one holds out" in capsys.readouterr().err
    assert main([*encode, "--profiles", "absent.jsonl", "--out", "no.npz"]) == 3
    assert "absent.card.json" in capsys.readouterr().err
    for option, value in (("--columns", "title"), ("--labels", "columns"), ("--max-characters", "2000")):
        assert main([*of_users[:-1], "no.npz", option, value]) == 2
        assert f"found --profiles and {option}; expected one of them" in capsys.readouterr().err
    assert not Path("no.npz").exists()


def test_the_commands_of_the_docs_run(capsys):
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("recgoat features")]
    with chat_server() as server:
        here = {"prepared/mine": "mine", "http://127.0.0.1:8000/v1": server.url, "bert": "tfidf"}
        here |= dict.fromkeys(("QwQ-32B", "Qwen/Qwen3-Embedding-8B"), MODEL)
        codes = []
        for command in commands:
            known = [here.get(part, part) for part in command]
            codes.append(main(known))
            if codes[-1] == 2:
                assert "--yes" in capsys.readouterr().err
                assert main([*known, "--yes"]) == 0
            Path("user_text.npz").unlink(missing_ok=True)
    assert codes == [0, 2, 0, 0]
    assert len(server.requests) == 12 + 1
