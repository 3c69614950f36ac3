from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgoat_jax.data.content import content_hash
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.schema import RawFeatures, RawTables
from recgoat_jax.data.sources import synthetic, table
from recgoat_jax.encoders.standard import add_standard_features
from recgoat_jax.errors import DataError

GENRES = ["Drama", "Comedy", "War"]


def make_raw(**changes) -> RawTables:
    rng = np.random.default_rng(0)
    taken = [(f"u{u}", f"i{i}") for u in range(12) for i in rng.choice(10, 5, replace=False)]
    raw = RawTables(
        source="made up",
        interactions=pl.DataFrame(taken, schema=["user", "item"], orient="row"),
        items=pl.DataFrame(
            {
                "item": [f"i{i}" for i in range(10)],
                "title": [f"film {'long' if i % 2 else 'short'}" for i in range(10)],
                "genres": [GENRES[i % 3] if i else None for i in range(10)],
            }
        ),
        users=pl.DataFrame({"user": [f"u{u}" for u in range(12)], "gender": ["F", "M", None] * 4}),
        item_relations=pl.DataFrame(
            {"item": ["i1", "i2", "i3"], "relation": ["by"] * 3, "value": ["p", "p", "q"]}, schema_overrides={}
        ),
    )
    return replace(raw, **changes)


def enrich(raw, **options):
    dataset = prepare(raw, name="tiny", protocol="per_user_811")
    return dataset, add_standard_features(dataset, raw, **options)


def test_text_knowledge_and_profile_are_made_and_the_hash_follows():
    before, after = enrich(make_raw())
    assert set(after.item_features) == {"text", "knowledge"}
    assert after.item_features["knowledge"].present.sum() == 3
    assert after.manifest.hash == content_hash(after) != before.manifest.hash
    profile = after.user_features["profile"]
    # Two genders beside three genres, each block of unit length.
    assert profile.dim == 5
    assert profile.present.all()
    blocks = np.linalg.norm(profile.values[:, :2], axis=1), np.linalg.norm(profile.values[:, 2:], axis=1)
    told = [int(user[1:]) % 3 != 2 for user in after.users.ids]
    np.testing.assert_allclose(blocks[0], told, atol=1e-6)
    np.testing.assert_allclose(blocks[1], 1, atol=1e-6)


def test_the_profile_is_blind_to_held_out_items():
    raw = make_raw(users=None)
    dataset = prepare(raw, name="tiny", protocol="per_user_811")
    profile = add_standard_features(dataset, raw).user_features["profile"]
    # Other held-out items, in validation and in test, change nothing; another train item does.
    other = replace(
        dataset,
        valid=replace(dataset.valid, items=(dataset.valid.items + 1) % 10),
        test=replace(dataset.test, items=(dataset.test.items + 3) % 10),
    )
    np.testing.assert_array_equal(add_standard_features(other, raw).user_features["profile"].values, profile.values)
    moved = replace(dataset, train=replace(dataset.train, items=(dataset.train.items + 1) % 10))
    assert not np.array_equal(add_standard_features(moved, raw).user_features["profile"].values, profile.values)
    # Genre counts of the train items by hand; the item "i0" has no genre.
    user, expected = dataset.users.ids[4], np.zeros(3)
    for item in dataset.train.items[dataset.train.users == 4]:
        if (number := int(dataset.items.ids[item][1:])) > 0:
            expected[sorted(GENRES).index(GENRES[number % 3])] += 1
    np.testing.assert_allclose(profile.values[4], expected / np.linalg.norm(expected), rtol=1e-6, err_msg=user)


def test_features_that_were_given_win():
    given = RawFeatures(tuple(f"i{i}" for i in range(10)), np.eye(10, 4, dtype=np.float32) + 1, encoder="mine")
    raw = make_raw(item_features={"text": given, "image": given}, user_features={})
    dataset, after = enrich(raw)
    assert {name: features.encoder for name, features in after.item_features.items()} == {
        "text": "mine",
        "image": "mine",
        "knowledge": "relations-tfidf-svd",
    }
    assert after.item_features["image"] is dataset.item_features["image"]


def test_columns_can_be_named_and_a_wrong_name_is_told():
    titles = enrich(make_raw(), text_columns=["title"])[1].item_features["text"]
    assert titles.dim == 2
    by_title = enrich(make_raw(users=None), history_column="title")[1].user_features["profile"]
    assert by_title.dim == 3
    with pytest.raises(DataError, match="item table of 'tiny': found columns title, genres; expected 'plot'"):
        enrich(make_raw(), text_columns=["plot"])


def test_data_without_any_content_stays_as_it_is():
    before, after = enrich(make_raw(items=None, users=None, item_relations=None))
    assert not after.item_features
    assert not after.user_features
    assert after.manifest.hash == before.manifest.hash


def test_cells_without_a_word_or_a_tag_are_as_good_as_empty_ones():
    ids = [f"i{i}" for i in range(10)]
    stars = pl.DataFrame(
        {"item": ids, "title": ["★★★", "!?", " ", None, "—"] * 2, "genres": [",", " | ", ";,", None, " "] * 2}
    )
    _, after = enrich(make_raw(items=stars))
    assert set(after.item_features) == {"knowledge"}
    assert after.user_features["profile"].encoder == "one-hot"
    _, after = enrich(make_raw(items=stars, users=None, item_relations=None))
    assert not after.item_features
    assert not after.user_features
    # Without a tag the history is told in text features, as where the column is empty.
    _, after = enrich(make_raw(items=stars.with_columns(title=pl.Series(ids)), users=None))
    assert after.user_features["profile"].encoder == "train-history:tfidf-svd"


def test_a_user_table_without_usable_columns_is_no_error():
    users = pl.DataFrame({"user": [f"u{u}" for u in range(12)], "country": ["NL"] * 12})
    assert enrich(make_raw(users=users))[1].user_features["profile"].dim == 3


def test_synthetic_data_keeps_its_planted_modalities():
    data = synthetic.generate(30, 20, interactions_per_user=8)
    _, after = enrich(data.raw)
    assert {name: features.encoder for name, features in after.item_features.items()} == {
        "text": "synthetic",
        "image": "synthetic",
    }
    assert after.user_features["profile"].encoder == "synthetic"


def test_two_tables_of_ones_own_get_a_text_modality(tmp_path):
    pairs = [f"{u},{i}" for u in "abcd" for i in ("x1", "x2", "x3", "x4")]
    (tmp_path / "pairs.csv").write_text("user,item\n" + "\n".join(pairs) + "\n")
    (tmp_path / "items.csv").write_text("item,title\nx1,Red Lamp\nx2,red chair\nx3,\nx4,Blue Chair\n")
    raw = table.read(tmp_path / "pairs.csv", items=tmp_path / "items.csv")
    _, after = enrich(raw)
    assert after.item_features["text"].present.tolist() == [True, True, False, True]
    # Without a column of tags, a user's history is told in text features.
    assert after.user_features["profile"].encoder == "train-history:tfidf-svd"
