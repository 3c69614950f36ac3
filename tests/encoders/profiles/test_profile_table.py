import dataclasses
import errno
import json
import os

import numpy as np
import pytest

from recgoat_jax.data import Vocabulary
from recgoat_jax.data.dataset import Interactions
from recgoat_jax.encoders.profiles import profile_table, read_profiles, split_hash, write_profiles
from recgoat_jax.encoders.profiles.profile_table import stored_profiles
from recgoat_jax.errors import DataError, UsageError
from tests.encoders.profiles.worlds import shop

DATASET = shop()
TEXTS = {"u3": "Likes tea.\u2028 Né.\nKey takeaway: tea.", "u0": "Likes jam.", "u1": "  "}


def table(dataset=DATASET, texts=TEXTS, **options):
    return profile_table(dataset, texts, **({"kind": "user", "encoder": "test", "revision": "r1"} | options))


def test_a_table_is_read_as_it_was_written_in_the_order_of_the_vocabulary(tmp_path):
    made = table(counts={"failed": 2})
    assert list(made.texts) == ["u0", "u3"]
    write_profiles(made, tmp_path / "deep" / "users.jsonl")
    assert read_profiles(tmp_path / "deep" / "users.jsonl") == made
    card = json.loads((tmp_path / "deep" / "users.card.json").read_text())
    assert card["encoder"] == "test"
    assert card["dataset_hash"] == DATASET.manifest.hash
    assert card["split"] == split_hash(DATASET)
    assert card["counts"] == {"rows": 12, "present": 2, "failed": 2}
    line = json.loads((tmp_path / "deep" / "users.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert line == {"user": "u0", "profile": "Likes jam."}


def test_rows_are_matched_by_id_and_those_without_a_profile_are_none():
    aligned = table().aligned(DATASET)
    assert len(aligned) == 12
    assert aligned[3].startswith("Likes tea.")
    assert [row for row, text in enumerate(aligned) if text is not None] == [0, 3]
    shuffled = dataclasses.replace(
        DATASET,
        users=Vocabulary(DATASET.users.ids[::-1], kind="user"),
        train=Interactions(11 - DATASET.train.users[::-1], DATASET.train.items[::-1]),
    )
    assert split_hash(shuffled) == split_hash(DATASET)
    assert [row for row, text in enumerate(table().aligned(shuffled)) if text is not None] == [8, 11]


def test_a_table_of_another_split_is_refused(tmp_path):
    write_profiles(table(), tmp_path / "users.jsonl")
    other = shop(seed=1)
    with pytest.raises(DataError, match="training pairs .*; expected those of 'blocks'.*make them anew"):
        read_profiles(tmp_path / "users.jsonl").aligned(other)
    grown = dataclasses.replace(DATASET, manifest=dataclasses.replace(DATASET.manifest, hash="with more features"))
    table().check(grown)
    for train in (
        Interactions(DATASET.train.users[1:], DATASET.train.items[1:]),
        Interactions(DATASET.train.users, (DATASET.train.items + 1) % 16),
    ):
        with pytest.raises(DataError, match="expected those of"):
            table().check(dataclasses.replace(DATASET, train=train))


def test_the_hash_of_a_split_tells_ids_apart_that_only_together_are_alike():
    def one_pair(user, item):
        pair = Interactions(np.zeros(1, np.int32), np.zeros(1, np.int32))
        return dataclasses.replace(
            DATASET, users=Vocabulary([user], kind="user"), items=Vocabulary([item], kind="item"), train=pair
        )

    hashes = {split_hash(one_pair(*pair)) for pair in (("a", "bc"), ("ab", "c"), ("a", "b"), ("1:a", "bc"))}
    assert len(hashes) == 4


def test_item_profiles_hang_on_no_split():
    made = table(texts={"i2": "A lamp."}, kind="item")
    assert made.split == ""
    made.check(shop(seed=1))
    assert made.aligned(DATASET)[2] == "A lamp."


def test_unknown_ids_are_named():
    with pytest.raises(DataError, match="found 2 ids that 'blocks' does not have, for example 'nobody', 'x'"):
        table(texts=TEXTS | {"nobody": "Hm.", "x": "Hm."})
    with pytest.raises(UsageError, match="found no profile of users 'u1', 'nobody'; expected ids.*'u0', 'u3'"):
        table().of(["u0", "u1", "nobody"])
    assert table().of(["u3", "u0"]) == [table().texts["u3"], "Likes jam."]
    with pytest.raises(DataError, match="found none; expected at least one text"):
        table(texts={"u1": " "})


@pytest.mark.parametrize("name", ["users.jsonl", "users.card.json"])
def test_a_file_that_is_missing_changed_or_something_else_is_refused(tmp_path, name):
    path = tmp_path / "users.jsonl"
    for damage in (
        lambda file: file.unlink(),
        lambda file: file.write_text(file.read_text().replace("Likes jam", "Likes ham")),
        lambda file: file.write_text(file.read_text()[:-30]),
        lambda file: file.write_text('{"format": 7}'),
        lambda file: file.write_text("[]"),
    ):
        write_profiles(table(), path)
        if name == "users.card.json" and "ham" in str(damage.__code__.co_consts):
            continue
        damage(tmp_path / name)
        with pytest.raises(DataError, match="users"):
            read_profiles(path)


def test_a_full_disk_leaves_the_old_table(tmp_path, monkeypatch):
    write_profiles(table(), tmp_path / "users.jsonl")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_profiles(table(texts={"u5": "new"}), tmp_path / "users.jsonl")
    assert read_profiles(tmp_path / "users.jsonl") == table()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["users.card.json", "users.jsonl"]


@pytest.mark.parametrize("first", [None, {"u5": "old"}])
def test_a_job_that_was_killed_between_card_and_texts_is_done_again(tmp_path, monkeypatch, first):
    path = tmp_path / "users.jsonl"
    if first is not None:
        write_profiles(table(texts=first), path)
    replace = os.replace

    def killed(source, target):
        if str(target).endswith(".jsonl"):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_profiles(table(), path)
    assert stored_profiles(path, table().origin) is None
    write_profiles(table(), path)
    assert stored_profiles(path, table().origin) == table()
    # What somebody has changed is not taken for it.
    path.write_text(path.read_text().replace("jam", "ham"))
    with pytest.raises(DataError, match="another hash"):
        stored_profiles(path, table().origin)
