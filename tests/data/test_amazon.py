"""Reviews and metadata of three years, as their owners write them."""

import gzip
import json
import tracemalloc

import pytest

from recgoat_jax.cli.main import main
from recgoat_jax.data import read_dataset
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.records import LINE_LIMIT
from recgoat_jax.data.sources import amazon
from recgoat_jax.errors import DataError, UsageError

OLDER = {"reviewerID": "A1", "asin": "0001", "overall": 5.0, "unixReviewTime": 1_400_000_000}
REVIEW_2014 = OLDER | {"helpful": [1, 2], "reviewText": "It broke.", "summary": "no", "reviewerName": "Ann"}
REVIEW_2018 = OLDER | {"verified": True, "reviewTime": "05 13, 2014", "image": ["http://x/1.jpg"], "overall": 4}
REVIEW_2023 = {
    **{"rating": 3.0, "title": "so so", "text": "fine", "images": [], "asin": "B02", "parent_asin": "B01"},
    **{"user_id": "AF", "timestamp": 1_588_687_728_923, "helpful_vote": 0, "verified_purchase": True},
}
ITEM_2014 = {
    **{"asin": "0001", "title": "Relay &amp; Kit", "brand": "SUPCO", "price": 9.5, "imUrl": "http://x/a.jpg"},
    **{"categories": [["Tools", "Parts"], ["Tools", "Starters"]], "description": "Don't\tstop", "salesRank": {"T": 1}},
}
ITEM_2018 = {
    **{"asin": "0001", "title": "Bolt", "brand": "by\n\n  Stanley", "main_cat": "Tools", "also_view": ["0002"]},
    **{"category": ["Tools", "Bolts", "</span></span>"], "description": ["<b>Strong</b> &lt;steel&gt;", "<p>2 < 3"]},
    **{"imageURL": ["http://x/s.jpg"], "imageURLHighRes": ["http://x/L.jpg", "http://x/L2.jpg"]},
}
ITEM_2023 = {
    **{"parent_asin": "B01", "title": "Brush", "store": "Acme", "main_category": "All Beauty", "categories": []},
    **{"description": ["Soft."], "features": [], "price": None, "average_rating": 4.5, "details": {"Brand": "A"}},
    "images": [{"thumb": "http://x/t.jpg", "large": "http://x/l.jpg", "hi_res": None, "variant": "MAIN"}],
}


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_2014_reads_literals_and_unfolds_categories(tmp_path):
    reviews = lines(tmp_path / "reviews.json", [REVIEW_2014, REVIEW_2014 | {"asin": "0002", "overall": 1}])
    metadata = tmp_path / "meta.json"
    metadata.write_text(repr(ITEM_2014) + "\n\n{'asin': '0009', 'title': '\\d'}\n")
    raw = amazon.read(reviews, metadata=metadata)
    assert raw.interactions.rows() == [("A1", "0001", 5.0, 1_400_000_000), ("A1", "0002", 1.0, 1_400_000_000)]
    assert raw.items is not None
    assert raw.items.columns == ["item", *amazon.TEXT_COLUMNS, "image"]
    assert raw.items.rows() == [
        ("0001", "Relay & Kit", "SUPCO", "Tools|Parts|Starters", "Don't stop", "http://x/a.jpg")
    ]
    assert raw.source == "amazon-2014:reviews.json,meta.json"
    assert raw.counts["metadata_rows"] == 2
    assert raw.counts["metadata_of_other_items"] == 1
    assert raw.counts["items_without_metadata"] == 1


def test_2018_makes_markup_plain_and_reads_gzip(tmp_path):
    reviews, metadata = tmp_path / "reviews.json.gz", tmp_path / "meta.json.gz"
    without = {name: value for name, value in REVIEW_2018.items() if name != "verified"} | {"asin": "0002"}
    for path, records in ((reviews, [REVIEW_2018, without]), (metadata, [ITEM_2018, ITEM_2018 | {"title": "Again"}])):
        path.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))
    raw = amazon.read(reviews, metadata=metadata)
    assert raw.source.startswith("amazon-2018:")
    assert raw.interactions["rating"].to_list() == [4.0, 4.0]
    assert raw.items is not None
    assert raw.items.rows() == [("0001", "Bolt", "by Stanley", "Tools|Bolts", "Strong 2 < 3", "http://x/L.jpg")]
    assert raw.counts["metadata_repeated"] == 1
    thumb = amazon.read(reviews, metadata=metadata, picture="thumb").items
    assert thumb is not None
    assert thumb["image"].to_list() == ["http://x/s.jpg"]


def test_2023_items_are_parents_and_times_are_milliseconds(tmp_path):
    reviews = lines(tmp_path / "reviews.jsonl", [REVIEW_2023])
    by_size = {"hi_res": [None, "http://x/h2.jpg"], "large": ["http://x/l.jpg"], "thumb": []}
    other = ITEM_2023 | {"parent_asin": "B07", "images": by_size}
    seen = lines(tmp_path / "both.jsonl", [REVIEW_2023, REVIEW_2023 | {"parent_asin": "B07"}])
    metadata = lines(tmp_path / "meta.jsonl", [ITEM_2023, other])
    raw = amazon.read(reviews, metadata=metadata)
    assert raw.interactions.rows() == [("AF", "B01", 3.0, 1_588_687_728)]
    assert raw.items is not None
    assert raw.items.rows() == [("B01", "Brush", "Acme", "All Beauty", "Soft.", "http://x/l.jpg")]
    sized = amazon.read(seen, metadata=metadata, picture="hi_res").items
    assert sized is not None
    assert sized["image"].to_list() == ["http://x/l.jpg", "http://x/h2.jpg"]


def test_long_texts_are_cut_and_page_code_is_no_title(tmp_path):
    reviews = lines(tmp_path / "reviews.json", [REVIEW_2018])
    code = "var aPageStart = (new Date()).getTime();"
    item = ITEM_2018 | {"title": code, "description": ["word " * 20_000], "brand": "<script>" * 9_999}
    raw = amazon.read(reviews, metadata=lines(tmp_path / "meta.json", [item]), max_characters=100)
    assert raw.items is not None
    row = raw.items.row(0, named=True)
    assert row["title"] is row["brand"] is None
    assert row["description"] == ("word " * 20).strip()
    assert raw.counts["texts_cut"] == 2
    assert raw.counts["titles_of_page_code"] == 1
    with pytest.raises(UsageError, match="max_characters is 0"):
        amazon.read(reviews, max_characters=0)


def test_half_of_a_character_in_a_text_is_replaced(tmp_path):
    reviews = lines(tmp_path / "reviews.json", [REVIEW_2018])
    item = ITEM_2018 | {"title": "cut \ud83d here"}
    raw = amazon.read(reviews, metadata=lines(tmp_path / "meta.json", [item]))
    assert raw.items is not None
    assert raw.items["title"].to_list() == ["cut \ufffd here"]


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


NEWER = REVIEW_2023["timestamp"]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"a": 1}], "line 1: found the fields a; expected a review of 2014 or 2018 .* Give the file of reviews"),
        ([ITEM_2014], "line 1: found the fields asin, title"),
        ([REVIEW_2018, REVIEW_2023], "line 2: found a record of 2023; expected records of 2018"),
        ([REVIEW_2014, REVIEW_2018], "line 2: found a record of 2018; expected records of 2014"),
        ([REVIEW_2018, REVIEW_2014], "line 2: found a record of 2014; expected records of 2018"),
        ([REVIEW_2023, REVIEW_2018], "line 2: found a record of 2018; expected records of 2023"),
        ([REVIEW_2018, REVIEW_2018 | {"asin": " "}], "line 2, column 'asin': found ' '; expected an id, as text"),
        ([REVIEW_2018 | {"asin": "0\ud83d"}], "line 1, column 'asin': found .*; expected an id, as text"),
        ([REVIEW_2018 | {"reviewerID": 7}], "line 1, column 'reviewerID': found 7; expected an id"),
        ([without(REVIEW_2023, "user_id")], "line 1, column 'user_id': found no such field"),
        ([REVIEW_2018 | {"overall": "5"}], "column 'overall': found '5'; expected a number from 0 to 5"),
        ([REVIEW_2018 | {"overall": True}], "column 'overall': found True"),
        ([REVIEW_2018 | {"overall": 6}], "column 'overall': found 6"),
        ([REVIEW_2018 | {"overall": float("nan")}], "column 'overall': found nan"),
        ([REVIEW_2018 | {"unixReviewTime": NEWER}], "column 'unixReviewTime': found 1588687728923; expected seconds"),
        ([REVIEW_2023 | {"timestamp": 1_588_687_728}], "column 'timestamp': found 1588687728; expected milliseconds"),
        ([REVIEW_2023 | {"timestamp": None}], "column 'timestamp': found None"),
    ],
)
def test_bad_reviews_are_named(tmp_path, records, message):
    with pytest.raises(DataError, match=message):
        amazon.read(lines(tmp_path / "reviews.json", records))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (ITEM_2014, "meta.json, line 2: found a record of 2014; expected records of 2018"),
        (ITEM_2023, "line 2: found a record of 2023"),
        (without(ITEM_2018, "asin"), "line 2, column 'asin': found no such field"),
        (ITEM_2018 | {"title": 7}, "line 2, column 'title': found 7; expected text"),
        (ITEM_2018 | {"category": [["a"], 3]}, "line 2, column 'category'"),
    ],
)
def test_bad_metadata_is_named(tmp_path, item, message):
    reviews = lines(tmp_path / "reviews.json", [REVIEW_2018])
    with pytest.raises(DataError, match=message):
        amazon.read(reviews, metadata=lines(tmp_path / "meta.json", [ITEM_2018 | {"asin": "0003"}, item]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", json.dumps(REVIEW_2018).encode() + b'\n{"asin": ', "line 2: found text that is not JSON"),
        ("a.json", json.dumps(REVIEW_2018).encode() + b"\n{'a': open('/etc/passwd')}", "line 2: found text that is"),
        ("a.json", b"[1]\n", "line 1: found a list; expected one JSON object"),
        ("a.json", b'{"a": "\xff"}\n', "line 1: found the byte 0xff, which is not UTF-8"),
        ("a.json", b"\n \n", "found no record"),
        ("a.json.gz", gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9], "broken gzip data"),
        ("a.json.gz", b'{"a": 1}\n', "broken gzip data"),
        ("a.json", b"[" * 100_000, "line 1: found text that is not JSON"),
        ("a.json", b"x" * (LINE_LIMIT + 2), "line 1: found more than 64 MiB without a line end"),
    ],
    ids=range(9),
)
def test_broken_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        amazon.read(tmp_path / name)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.json: found no such file"):
        amazon.read(tmp_path / "none.json")


def test_memory_holds_columns_and_not_the_file(tmp_path):
    path = tmp_path / "reviews.json"
    with path.open("w") as file:
        for row in range(800):
            file.write(json.dumps(REVIEW_2018 | {"asin": str(row), "reviewText": "x" * 25_000}) + "\n")
    tracemalloc.start()
    try:
        assert amazon.read(path).interactions.height == 800
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 10


def test_the_latest_of_two_reviews_counts(tmp_path):
    times = [1_400_000_300, 1_400_000_100]
    pairs = [REVIEW_2018 | {"asin": f"{item:04}"} for item in range(10)]
    twice = [REVIEW_2018 | {"unixReviewTime": time, "overall": place} for place, time in enumerate(times)]
    dataset = prepare(
        amazon.read(lines(tmp_path / "reviews.json", [*twice, *pairs[2:]])), name="a", protocol="per_user_811"
    )
    assert dataset.manifest.counts["duplicate_interactions"] == 1
    ratings = {
        dataset.items.ids[item]: rating
        for part in (dataset.train, dataset.valid, dataset.test)
        for item, rating in zip(part.items, part.ratings if part.ratings is not None else (), strict=True)
    }
    assert ratings["0001"] == 0  # of the later time, though it stands first


def test_the_command_prepares_and_an_item_without_metadata_is_masked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    reviews = [
        REVIEW_2023 | {"user_id": f"U{user}", "parent_asin": f"B{item}", "timestamp": NEWER + 1000 * item}
        for user in range(6)
        for item in range(6)
    ]
    lines(tmp_path / "reviews.jsonl", [*reviews, REVIEW_2023 | {"user_id": "rare"}])
    kinds = ["red brush", "blue comb", "green soap", "grey cream", "white towel"]
    metadata = [ITEM_2023 | {"parent_asin": f"B{item}", "title": kind} for item, kind in enumerate(kinds)]
    lines(tmp_path / "meta.jsonl", metadata)
    command = ["prepare", "amazon", "--reviews", "reviews.jsonl", "--metadata", "meta.jsonl", "--out", "mine"]
    assert main([*command, "--protocol", "leave_last_out"]) == 0
    assert amazon.LICENCE in capsys.readouterr().out
    dataset = read_dataset(tmp_path / "mine")
    assert (dataset.num_users, dataset.num_items) == (6, 6)
    assert dataset.manifest.counts["items_without_row"] == 1
    text = dataset.item_features["text"]
    assert text.present.tolist() == [True] * 5 + [False]
    assert dataset.item_table is not None
    assert dataset.item_table["image"].to_pylist()[0] == "http://x/l.jpg"
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--picture", "none"])
    assert main(["prepare", "amazon", "--reviews", "meta.jsonl", "--out", "other"]) == 3
    assert not (tmp_path / "other").exists()
