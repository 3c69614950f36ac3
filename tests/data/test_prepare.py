from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgoat_jax.data import (
    Dataset,
    FeatureTable,
    Interactions,
    RawFeatures,
    RawNeighbors,
    RawTables,
    describe,
    with_features,
)
from recgoat_jax.data.filters import k_core_mask
from recgoat_jax.data.prepare import prepare
from recgoat_jax.errors import DataError, RecgoatError, UsageError

COLUMNS = ("user", "item", "rating", "timestamp", "split")


def tables(rows: list[tuple[Any, ...]], columns: tuple[str, ...] = COLUMNS, **others: Any) -> RawTables:
    return RawTables("test", pl.DataFrame(rows, schema=list(columns), orient="row"), **others)


def random_tables(seed: int, *, users: int = 20, items: int = 15, pairs: int = 160) -> RawTables:
    rng = np.random.default_rng(seed)
    drawn = {(f"u{rng.integers(users)}", f"i{rng.integers(items)}") for _ in range(pairs)}
    return tables([(u, i, float(rng.integers(1, 6)), int(rng.integers(1000))) for u, i in sorted(drawn)], COLUMNS[:4])


def named(dataset: Dataset, pairs: Interactions) -> list[tuple[str, str]]:
    return [(dataset.users.ids[u], dataset.items.ids[i]) for u, i in zip(pairs.users, pairs.items, strict=True)]


GIVEN = [
    ("10", "b", 5.0, 7, "train"),
    ("2", "b", 4.0, 1, "train"),
    ("2", "a", 1.0, 1, "train"),  # below the minimum
    ("2", "c", 1.0, 1, "valid"),  # repeated: the later rating stays
    ("2", "c", 4.0, 2, "valid"),
    ("10", "c", 3.0, 9, "test"),
    ("10", "b", 5.0, 9, "test"),  # a train pair held out again
    ("10", "d", 5.0, 9, "test"),
    ("3", "b", 5.0, 9, "test"),  # a user without train
    ("7", "b", 5.0, 9, "train"),  # one interaction
]


def test_every_step_on_a_hand_written_set() -> None:
    raw = tables(
        GIVEN,
        items=pl.DataFrame({"item": ["z", "c", "b"], "title": ["Zed", "See", None]}),
        users=pl.DataFrame({"user": ["2"]}),
        counts={"ignored_columns": 2},
        licence="free",
    )
    dataset = prepare(raw, name="hand", protocol="given", min_rating=3.0)
    assert dataset.users.ids == ("2", "7", "10")
    assert dataset.items.ids == ("b", "c", "d")
    assert named(dataset, dataset.train) == [("2", "b"), ("7", "b"), ("10", "b")]
    assert named(dataset, dataset.valid) == [("2", "c")]
    assert named(dataset, dataset.test) == [("10", "c"), ("10", "d")]
    assert dataset.train.ratings is not None
    assert dataset.train.ratings.tolist() == [4, 5, 5]
    assert dataset.valid.timestamps is not None
    assert dataset.valid.timestamps.tolist() == [2]
    assert dataset.item_table is not None
    assert dataset.item_table.to_pydict() == {"title": [None, "See", None]}
    assert dataset.user_table is None
    assert dict(dataset.manifest.counts) == {
        "users": 3,
        "items": 3,
        "train": 3,
        "valid": 1,
        "test": 2,
        "source.ignored_columns": 2,
        "interactions_read": 10,
        "duplicates_across_splits": 1,
        "duplicate_interactions": 1,
        "below_min_rating": 1,
        "k_core_pairs": 0,
        "k_core_users": 0,
        "k_core_items": 0,
        "held_out_without_train": 1,
        "users_without_train": 1,
        "items_not_in_train": 2,
        "users_not_evaluated": 2,
        "items_without_row": 1,
        "item_rows_unused": 1,
        "users_without_row": 2,
        "user_rows_unused": 0,
    }
    text = describe(dataset)
    assert "3 users, 3 items; 3 train / 1 valid / 2 test pairs" in text
    assert "1 rows of the item table without interactions, dropped" in text
    assert "licence: free" in text


@pytest.mark.parametrize(
    ("columns", "rows", "kept"),
    [
        (("user", "item", "rating"), [("u", "i", 1.0), ("u", "i", 2.0)], 2.0),
        (("user", "item", "rating", "timestamp"), [("u", "i", 1.0, 9), ("u", "i", 2.0, 8)], 1.0),
        (("user", "item", "rating", "timestamp"), [("u", "i", 1.0, 9), ("u", "i", 2.0, 9)], 2.0),
    ],
)
def test_the_latest_of_repeated_rows_stays(columns: tuple[str, ...], rows: list[tuple[Any, ...]], kept: float) -> None:
    others = [("u", item, 5.0, 0)[: len(columns)] for item in ("a", "b", "c")]
    dataset = prepare(tables(others + rows, columns), name="x", protocol="per_user_811")
    ratings = {}
    for pairs in (dataset.train, dataset.valid, dataset.test):
        assert pairs.ratings is not None
        ratings |= dict(zip(named(dataset, pairs), pairs.ratings.tolist(), strict=True))
    assert ratings["u", "i"] == kept
    assert dataset.manifest.counts["duplicate_interactions"] == 1


@pytest.mark.parametrize(
    ("ids", "ordered"),
    [
        (["10", "9", "0", "123456789012345678901"], ["0", "9", "10", "123456789012345678901"]),
        (["10", "9", "09"], ["09", "10", "9"]),
        (["b", "B", "é", "a b", "10"], ["10", "B", "a b", "b", "é"]),
    ],
)
def test_vocabularies_are_in_a_defined_order(ids: list[str], ordered: list[str]) -> None:
    rows = [(f"u{user}", item) for user in range(3) for item in ids]
    dataset = prepare(tables(rows, COLUMNS[:2]), name="x", protocol="per_user_811")
    assert list(dataset.items.ids) == ordered


@settings(max_examples=60, deadline=None)
@given(pairs=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40), k=st.integers(0, 4))
def test_the_k_core_is_the_largest_fixed_point(pairs: set[tuple[int, int]], k: int) -> None:
    ordered = sorted(pairs)
    users, items = np.array(ordered, np.int32).T
    core = {pair for pair, kept in zip(ordered, k_core_mask(users, items, k=k), strict=True) if kept}
    alive = set(ordered)
    while True:  # one pair at a time: any order ends at the same core
        by_user, by_item = Counter(u for u, _ in alive), Counter(i for _, i in alive)
        weak = next((p for p in sorted(alive) if by_user[p[0]] < k or by_item[p[1]] < k), None)
        if weak is None:
            break
        alive.remove(weak)
    assert core == alive


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 50),
    k=st.integers(0, 3),
    protocol=st.sampled_from(["per_user_811", "leave_last_out", "global_time", "cold_items"]),
)
def test_splits_part_the_pairs_and_stay_in_order(seed: int, k: int, protocol: Any) -> None:
    raw = random_tables(seed)
    dataset = prepare(raw, name="x", protocol=protocol, seed=seed, k_core=k)
    parts = [named(dataset, pairs) for pairs in (dataset.train, dataset.valid, dataset.test)]
    together = [pair for part in parts for pair in part]
    assert len(set(together)) == len(together)
    counts = dataset.manifest.counts
    dropped = counts["k_core_pairs"] + counts["held_out_without_train"]
    assert len(together) + dropped == raw.interactions.height
    assert set(together) <= set(raw.interactions.select("user", "item").rows())
    for pairs in (dataset.train, dataset.valid, dataset.test):
        flat = pairs.users.astype(int) * dataset.num_items + pairs.items
        assert (np.diff(flat) > 0).all()
    evaluated = {user for part in parts[1:] for user, _ in part}
    assert evaluated <= {user for user, _ in parts[0]}


@pytest.mark.parametrize("protocol", ["per_user_811", "global_time", "cold_items"])
def test_the_order_of_rows_does_not_matter(protocol: Any) -> None:
    raw = random_tables(3)
    shuffled = replace(raw, interactions=raw.interactions.sample(fraction=1, shuffle=True, seed=1))
    hashes = {prepare(each, name="x", protocol=protocol).manifest.hash for each in (raw, shuffled)}
    assert len(hashes) == 1


def test_the_hash_tells_contents_apart() -> None:
    raw = random_tables(4)
    titles = pl.DataFrame({"item": ["i0"], "title": ["A"]})
    features = RawFeatures(("i0", "i1"), np.array([[1.0], [2.0]], np.float32), "e")
    variants = [
        prepare(raw, name="x", protocol="per_user_811"),
        prepare(raw, name="x", protocol="per_user_811", seed=1),
        prepare(raw, name="x", protocol="leave_last_out"),
        prepare(raw, name="x", protocol="per_user_811", k_core=5),
        prepare(replace(raw, items=titles), name="x", protocol="per_user_811"),
        prepare(replace(raw, items=titles.with_columns(title=pl.lit("B"))), name="x", protocol="per_user_811"),
        prepare(replace(raw, item_features={"f": features}), name="x", protocol="per_user_811"),
        prepare(replace(raw, item_features={"g": features}), name="x", protocol="per_user_811"),
        prepare(replace(raw, item_features={"f": replace(features, revision="2")}), name="x", protocol="per_user_811"),
    ]
    later = raw.interactions.with_columns(pl.col("timestamp") + 1)
    variants.append(prepare(replace(raw, interactions=later), name="x", protocol="per_user_811"))
    zeros = np.array([[1.0], [0.0]], np.float32)  # two rows present, then one: the values are the same
    for mask in ([True, True], [True, False]):
        masked = replace(features, values=zeros, present=np.array(mask))
        variants.append(prepare(replace(raw, item_features={"f": masked}), name="x", protocol="per_user_811"))
    assert len({dataset.manifest.hash for dataset in variants}) == len(variants)
    assert prepare(raw, name="other", protocol="per_user_811").manifest.hash == variants[0].manifest.hash


def test_features_and_neighbours_are_aligned_by_id() -> None:
    rows = [("u", item) for item in ("a", "b", "c", "d")] + [("v", "a"), ("v", "b"), ("v", "c")]
    values = np.array([[3, 3], [np.nan, np.nan], [9, 9], [0, 0]], np.float16)
    raw = tables(
        rows,
        COLUMNS[:2],
        item_features={"image": RawFeatures(("c", "b", "unknown", "a"), values, "net", "1")},
        user_features={
            "age": RawFeatures(("v", "u"), np.array([[1.0], [2.0]]), "net", present=np.array([True, False]))
        },
        item_neighbors={
            "text": RawNeighbors(
                ("c", "a", "zz", "a", "a"), ("a", "c", "a", "b", "b"), np.array([0.5, 0.25, 1, 0.75, 0.1]), "knn"
            )
        },
    )
    dataset = prepare(raw, name="x", protocol="per_user_811")
    assert dataset.manifest.name == "x"
    image, age = dataset.item_features["image"], dataset.user_features["age"]
    assert image.values.tolist() == [[0, 0], [0, 0], [3, 3], [0, 0]]
    assert image.present.tolist() == [True, False, True, False]
    assert (image.encoder, image.revision, image.values.dtype) == ("net", "1", np.float32)
    assert (age.values.tolist(), age.present.tolist()) == ([[0], [1]], [False, True])
    listed = dataset.item_neighbors["text"]
    assert (listed.receivers.tolist(), listed.senders.tolist()) == ([0, 0, 2], [1, 2, 0])
    assert (listed.weights.tolist(), listed.num_nodes, listed.origin) == ([0.75, 0.25, 0.5], 4, "knn")
    counts = dataset.manifest.counts
    assert {key: counts[key] for key in counts if "." in key} == {
        "item_features.image.present": 2,
        "item_features.image.unknown_ids": 1,
        "item_features.image.zero_rows": 1,
        "user_features.age.present": 1,
        "user_features.age.unknown_ids": 0,
        "user_features.age.zero_rows": 0,
        "item_neighbors.text.edges": 3,
        "item_neighbors.text.dropped_edges": 2,
    }


def test_features_added_later_change_hash_and_counts() -> None:
    dataset = prepare(random_tables(5), name="x", protocol="per_user_811")
    table = FeatureTable(np.ones((dataset.num_items, 2), np.float32), np.ones(dataset.num_items, bool), "e")
    grown = with_features(dataset, item_features={"text": table})
    assert set(grown.item_features) == {"text"}
    assert grown.manifest.hash != dataset.manifest.hash
    assert grown.manifest.counts["item_features.text.present"] == dataset.num_items
    assert not dataset.item_features
    with pytest.raises(DataError, match=f"have {dataset.num_items} rows; expected {dataset.num_users}"):
        with_features(dataset, user_features={"text": table})


@pytest.mark.parametrize("settings", [{}, {"valid_fraction": 0.3, "test_fraction": 0.2, "cold_fraction": 0.4}])
@pytest.mark.parametrize(
    ("protocol", "parts", "read"),
    [
        ("per_user_811", None, ()),
        ("leave_last_out", None, ()),
        ("global_time", None, ("valid_fraction", "test_fraction")),
        ("cold_items", None, ("cold_fraction",)),
        ("given", ("train", "train", "test"), ("valid_fraction",)),
        ("given", ("train", "valid", "test"), ()),
    ],
)
def test_the_manifest_holds_the_fractions_that_were_read(
    protocol: Any, parts: tuple[str, ...] | None, read: tuple[str, ...], settings: dict[str, float]
) -> None:
    raw = random_tables(7)
    if parts is not None:
        labels = pl.Series("split", [parts[row % 3] for row in range(raw.interactions.height)])
        raw = replace(raw, interactions=raw.interactions.with_columns(labels))
    chosen = {name: value for name, value in settings.items() if name in read}
    options = prepare(raw, name="x", protocol=protocol, **chosen).manifest.options
    assert dict(options) == {"k_core": "0", "min_rating": "none"} | {name: str(chosen.get(name, 0.1)) for name in read}


def test_a_validation_part_that_is_given_leaves_no_choice_of_its_size() -> None:
    raw = tables(GIVEN)
    with pytest.raises(UsageError, match="found valid_fraction 0.1, but test has a validation part"):
        prepare(raw, name="x", protocol="given", valid_fraction=0.1)
    unlabelled = replace(raw, interactions=raw.interactions.filter(pl.col("split") != "valid"))
    more = [("2", item, 5.0, 1, "train") for item in "efg"]
    longer = pl.concat([unlabelled.interactions, tables(more).interactions])
    # Five train pairs of the user "2": the published two and three more.
    dataset = prepare(replace(raw, interactions=longer), name="x", protocol="given", valid_fraction=0.95)
    assert len(dataset.valid) == 4


def features(values: Any, ids: tuple[str, ...] = ("i0", "i1")) -> dict[str, Any]:
    return {"item_features": {"f": RawFeatures(ids, np.array(values, np.float32), "e")}}


@pytest.mark.parametrize(
    ("changes", "settings", "kind", "message"),
    [
        ({}, {"protocol": "given"}, DataError, "column 'split': found no such column.*the protocol 'given' needs it"),
        ({"drop": "timestamp"}, {"protocol": "leave_last_out"}, DataError, "column 'timestamp': found no such column"),
        ({"drop": "timestamp"}, {"protocol": "global_time"}, DataError, "column 'timestamp': found no such column"),
        ({"drop": "rating"}, {"min_rating": 3.0}, DataError, "column 'rating': found no ratings"),
        ({}, {"min_rating": 9.0}, DataError, r"found ratings up to 5.0; expected some of 9 or more"),
        ({}, {"k_core": 50}, DataError, "found no pair after the 50-core"),
        ({"head": 1}, {}, DataError, "leaves the valid part empty"),
        ({"head": 0}, {}, DataError, "found no interactions"),
        ({}, {"k_core": -1}, UsageError, "k_core is -1; expected 0 or more"),
        ({}, {"seed": -1}, UsageError, "seed is -1; expected 0 or more"),
        ({}, {"seed": -1, "protocol": "cold_items"}, UsageError, "seed is -1; expected 0 or more"),
        (
            {},
            {"protocol": "global_time", "valid_fraction": 0.5, "test_fraction": 0.5},
            UsageError,
            r"valid_fraction \+ test_fraction is 1",
        ),
        (
            {},
            {"protocol": "global_time", "valid_fraction": 0.95},
            UsageError,
            r"valid_fraction \+ test_fraction is 1.05",
        ),
        ({}, {"protocol": "cold_items", "cold_fraction": 1.0}, UsageError, "cold_fraction is 1; expected"),
        (
            {},
            {"valid_fraction": 0.1},
            UsageError,
            "found valid_fraction 0.1, which the protocol 'per_user_811' does not read; "
            "expected it with the protocol 'given' or 'global_time' only",
        ),
        ({}, {"protocol": "leave_last_out", "test_fraction": 0.2}, UsageError, "found test_fraction 0.2, which"),
        ({}, {"protocol": "cold_items", "test_fraction": 0.2}, UsageError, "found test_fraction 0.2, which"),
        ({}, {"protocol": "global_time", "cold_fraction": 0.2}, UsageError, "with the protocol 'cold_items' only"),
        ({}, {"protocol": "given", "test_fraction": 0.2}, UsageError, "found test_fraction 0.2, which"),
        (features([[1], [2], [3]]), {}, DataError, r"features 'f' \(e\): found values of shape \(3, 1\) for 2 ids"),
        (features([[1], [2]], ("i0", "i0")), {}, DataError, "found an id twice"),
        (features([[1, 2], [1, np.nan]]), {}, DataError, "found NaN or infinity for the item 'i1'"),
        (features([[1, 2], [1, np.inf]]), {}, DataError, "found NaN or infinity for the item 'i1'"),
        (features([[np.nan], [np.nan]]), {}, DataError, "missing for every row"),
        (features([[0], [0]]), {}, DataError, "zero everywhere"),
        (features([[1], [2]], ("x", "y")), {}, DataError, r"found no id of the data set among 2 \(such as \('x',\)\)"),
        (
            {"item_features": {"a/b": RawFeatures(("i0",), np.ones((1, 1)), "e")}},
            {},
            DataError,
            "found the modality name 'a/b'",
        ),
        ({"items": pl.DataFrame({"item": ["a", "a"]})}, {}, DataError, "row 1, column 'item': found 'a' twice"),
        (
            {"items": pl.DataFrame({"item": ["00", "01", "02", "03"], "title": ["A"] * 4})},
            {},
            DataError,
            r"item table of test, column 'item': found no id of the data set among 4 \(such as \('00', '01', '02'\)\); "
            r"expected item ids such as \('i0', 'i1', 'i10'\)\. Give the item table the ids",
        ),
        (
            {"users": pl.DataFrame({"user": ["7"], "age": ["30"]})},
            {},
            DataError,
            r"user table of test, column 'user': found no id of the data set among 1 \(such as \('7',\)\); "
            r"expected user ids such as \('u0', 'u1', 'u10'\)",
        ),
        ({"user": None}, {}, DataError, "row 3, column 'user': found a missing value"),
        ({"rating": float("nan")}, {}, DataError, "row 3, column 'rating': found a missing value"),
    ],
)
def test_what_cannot_be_prepared_says_why(
    changes: dict[str, Any], settings: dict[str, Any], kind: type[RecgoatError], message: str
) -> None:
    raw = random_tables(6)
    frame = raw.interactions.drop(changes.pop("drop", ()))
    frame = frame.head(changes.pop("head", frame.height))
    for column in ("user", "rating"):
        if column in changes:
            frame[2, column] = changes.pop(column)
    with pytest.raises(kind, match=message):
        prepare(replace(raw, interactions=frame, **changes), **{"name": "x", "protocol": "per_user_811", **settings})
