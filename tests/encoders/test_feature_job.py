"""Long encodes: resumed, not repeated, and never half written."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.data.feature_card import FeatureCard
from recgoat_jax.data.feature_files import read_features
from recgoat_jax.encoders.chunks import JobInputs
from recgoat_jax.encoders.feature_job import JobReport, missing_file, run_feature_job
from recgoat_jax.encoders.protocols import Encoded
from recgoat_jax.errors import DataError, RunStoppedError, UsageError
from recgoat_jax.progress import ProgressLine

CARD = FeatureCard(kind="item", encoder="letters", revision="1", dataset_name="shop", dataset_hash="ab")


def vector(text: str) -> list[float]:
    """Length and first letter: what a row should be, whatever the chunk."""
    return [float(len(text)), float(ord(text[0]))]


class Letters:
    """An encoder that remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Encoded:
        self.seen += texts
        rows = np.array([vector(text) for text in texts], np.float32)
        return Encoded(rows, [None if text != "broken" else "unreadable" for text in texts])


def inputs_of(texts: Sequence[str | None]) -> JobInputs[str]:
    return JobInputs(
        tuple(f"i{row}" for row in range(len(texts))),
        tuple(texts),
        tuple(hashlib.sha256(text.encode()).hexdigest() if text else "" for text in texts),
        tuple(None if text else "no text" for text in texts),
    )


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


TEXTS = [None, "one", "three", None, "broken", "seven", "eleven", None]


def job(
    out: Path, encode=None, texts: Sequence[str | None] = TEXTS, card: FeatureCard = CARD, chunk_size: int | None = 2
) -> JobReport:
    return run_feature_job(inputs_of(texts), encode or Letters(), out=out, card=card, chunk_size=chunk_size)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("chunk_size", [1, 2, 3, None])
def test_rows_go_to_their_ids_whatever_the_chunks(tmp_path, suffix, chunk_size):
    out = tmp_path / "new" / f"text{suffix}"
    report = job(out, chunk_size=chunk_size)
    assert report == JobReport(out, "item", 8, 4, {"no text": 3, "unreadable": 1}, encoded=5, reused=0, damaged=0)
    raw = read_features(out)
    assert raw.ids == tuple(f"i{row}" for row in range(8))
    expected = [vector(text) if text and text != "broken" else [0.0, 0.0] for text in TEXTS]
    np.testing.assert_array_equal(raw.values, expected)
    assert raw.present is not None
    assert raw.present.tolist() == [bool(text) and text != "broken" for text in TEXTS]
    assert raw.card is not None
    assert (raw.card.present, raw.card.missing) == (4, {"no text": 3, "unreadable": 1})
    assert raw.card.inputs == inputs_of(TEXTS).digest
    assert raw.card.made
    assert raw.card.version
    assert names(out.parent) == ["text.missing.jsonl", out.name]
    named = [json.loads(line) for line in missing_file(out).read_text().splitlines()]
    assert {row["item"]: row["reason"] for row in named} == {
        **dict.fromkeys(("i0", "i3", "i7"), "no text"),
        "i4": "unreadable",
    }


def test_a_second_run_does_no_work(tmp_path):
    out = tmp_path / "text.npz"
    job(out)
    before = out.stat()
    encode = Letters()
    report = job(out, encode)
    assert encode.seen == []
    assert (report.encoded, report.reused, report.present) == (0, 8, 4)
    after = out.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("change", "texts", "named"),
    [
        ({"revision": "2"}, TEXTS, "other revision"),
        ({"precision": "float16"}, TEXTS, "other precision"),
        ({"template_hash": "cd"}, TEXTS, "other template_hash"),
        ({}, [*TEXTS[:-1], "new"], "other inputs"),
    ],
)
def test_another_table_is_left_as_it_is(tmp_path, change, texts, named):
    out = tmp_path / "text.npz"
    job(out)
    before = out.read_bytes()
    encode = Letters()
    with pytest.raises(UsageError, match=named):
        job(out, encode, texts=texts, card=replace(CARD, **change))
    assert encode.seen == []
    assert out.read_bytes() == before


def test_a_file_that_is_no_table_of_ours_is_left_as_it_is(tmp_path):
    out = tmp_path / "text.npz"
    np.savez(out, ids=np.array(["a"]), values=np.ones((1, 2)))
    with pytest.raises(UsageError, match="found features without a card"):
        job(out)
    out.write_text("something else")
    with pytest.raises(DataError, match="cannot be read"):
        job(out)
    assert out.read_text() == "something else"


class StopsAt(Letters):
    """Stops before it would encode a text."""

    def __init__(self, text: str, error: BaseException) -> None:
        super().__init__()
        self.text, self.error = text, error

    def __call__(self, texts: Sequence[str]) -> Encoded:
        if self.text in texts:
            raise self.error
        return super().__call__(texts)


def test_a_stopped_job_goes_on_and_encodes_no_row_twice(tmp_path):
    out = tmp_path / "text.npz"
    with pytest.raises(KeyboardInterrupt):
        job(out, StopsAt("seven", KeyboardInterrupt()))
    assert not out.exists()
    encode = Letters()
    report = job(out, encode)
    assert encode.seen == ["broken", "seven", "eleven"]
    assert (report.encoded, report.reused) == (3, 2)
    job(tmp_path / "whole.npz")
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_job_with_other_texts_or_another_encoder_takes_nothing_of_a_stopped_one(tmp_path):
    out = tmp_path / "text.npz"
    for card, texts, fresh in (
        (replace(CARD, encoder="other"), TEXTS, ["one", "three", "broken", "seven", "eleven"]),
        (CARD, [None, "one", "four", *TEXTS[3:]], ["one", "four", "broken", "seven", "eleven"]),
    ):
        with pytest.raises(KeyboardInterrupt):
            job(out, StopsAt("seven", KeyboardInterrupt()))
        encode = Letters()
        job(out, encode, texts=texts, card=card)
        assert encode.seen == fresh
        out.unlink()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"x" + data[41:]]
)
def test_a_damaged_chunk_is_made_again(tmp_path, damage):
    out = tmp_path / "text.npz"
    with pytest.raises(KeyboardInterrupt):
        job(out, StopsAt("seven", KeyboardInterrupt()))
    (chunk,) = (tmp_path / ".text.npz.partial").glob("*.chunk")
    chunk.write_bytes(damage(chunk.read_bytes()))
    encode = Letters()
    report = job(out, encode)
    assert report.damaged == 1
    assert encode.seen == ["one", "three", "broken", "seven", "eleven"]
    np.testing.assert_array_equal(read_features(out).values[1], vector("one"))


@pytest.mark.parametrize("writes", [0, 1, 2, 3, 4])
def test_a_full_disk_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, monkeypatch, writes):
    out = tmp_path / "text.npz"
    left = [writes]
    real = os.fsync

    def fsync(handle: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RunStoppedError, match=f"no room on the disk .* {min(2 * writes, 5)} of 5 rows are kept in"):
        job(out)
    assert ".text.npz.partial" in names(tmp_path)
    assert not out.exists()
    monkeypatch.undo()
    assert job(out).reused == min(2 * writes, 5)
    assert names(tmp_path) == ["text.missing.jsonl", "text.npz"]


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.encoders.test_feature_job import Letters, job

class Slow(Letters):
    def __call__(self, texts):
        if "seven" in texts:
            print("waiting", flush=True)
            time.sleep(60)
        return super().__call__(texts)

job(Path({out!r}), Slow())
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path):
    out = tmp_path / "text.npz"
    code = CHILD.format(tests=str(Path(__file__).parents[2]), out=str(out))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "waiting\n"
        # While it runs nobody else does its work.
        with pytest.raises(RunStoppedError, match=f"process {child.pid}"):
            job(out)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert not out.exists()
    encode = Letters()
    report = job(out, encode)
    assert encode.seen == ["broken", "seven", "eleven"]
    assert report.reused == 2
    assert names(tmp_path) == ["text.missing.jsonl", "text.npz"]


def test_what_a_kill_leaves_behind_beside_a_finished_table_goes(tmp_path):
    out = tmp_path / "text.npz"
    job(out)
    partial = tmp_path / ".text.npz.partial"
    partial.mkdir()
    (partial / "rest").write_text("x")
    job(out)
    assert names(tmp_path) == ["text.missing.jsonl", "text.npz"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((1, 2), np.float32), r"found values of shape \(1, 2\) .* for 2 inputs"),
        (np.ones((2, 2), np.int64), "int64"),
        (np.array([[1.0, 2.0], [np.nan, 0.0]], np.float32), "NaN, infinity .* for the item 'i2'"),
        (np.array([[1.0, 2.0], [1e6, 0.0]], np.float32), "numbers beyond float16 for the item 'i2'"),
    ],
)
def test_an_encoder_that_gives_nonsense_is_named(tmp_path, values, message):
    def encode(texts: Sequence[str]) -> Encoded:
        return Encoded(values, [None, None])

    with pytest.raises(DataError, match=message):
        job(tmp_path / "a.npz", encode, card=replace(CARD, precision="float16"))
    assert not (tmp_path / "a.npz").exists()


def test_a_width_that_changes_is_named(tmp_path):
    def encode(texts: Sequence[str]) -> Encoded:
        width = 3 if "broken" in texts else 2
        return Encoded(np.ones((len(texts), width), np.float32), [None] * len(texts))

    with pytest.raises(DataError, match="found rows of width 3 after rows of width 2"):
        job(tmp_path / "a.npz", encode)


def test_nothing_to_encode_is_an_error_and_so_is_nothing_encoded(tmp_path):
    with pytest.raises(DataError, match="found nothing to encode .*'no text': 2"):
        job(tmp_path / "a.npz", texts=[None, None])
    with pytest.raises(DataError, match="no row that could be encoded .*'unreadable': 1"):
        job(tmp_path / "a.npz", texts=[None, "broken"])
    with pytest.raises(UsageError, match="chunk_size is 0"):
        job(tmp_path / "a.npz", chunk_size=0)
    with pytest.raises(UsageError, match="expected .npz or .parquet"):
        job(tmp_path / "a.csv")
    assert not (tmp_path / "a.npz").exists()


def test_the_progress_line_tells_rows_and_what_is_from_before(tmp_path, capsys):
    out = tmp_path / "text.npz"
    with pytest.raises(KeyboardInterrupt):
        job(out, StopsAt("seven", KeyboardInterrupt()))
    line = ProgressLine("text", every=0.0)
    run_feature_job(inputs_of(TEXTS), Letters(), out=out, card=CARD, chunk_size=2, line=line)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("text: 2 of 5 rows")
    assert last == "text: 5 of 5 rows, 2 of them from before"
