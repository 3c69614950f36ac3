from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgoat_jax.data.schema import RawTables
from recgoat_jax.data.sources import tfds
from recgoat_jax.errors import DataError, MissingExtraError

EXAMPLES = [
    {
        "user_id": b"u1",
        "item_id": 7,
        "stars": np.float32(4),
        "time": np.int64(100),
        "title": "Caf\xe9".encode(),
        "tags": [b"a", b"b"],
    },
    {
        "user_id": b"u2",
        "item_id": 7,
        "stars": np.float32(2),
        "time": np.int64(200),
        "title": b"",
        "tags": np.array([3, 5]),
    },
    {"user_id": "u1", "item_id": np.int64(8), "stars": 3.5, "time": 300.9, "title": b"Up", "tags": []},
]


def test_fields_become_columns_and_bytes_are_decoded():
    raw = tfds.read(
        EXAMPLES,
        name="tiny",
        rating="stars",
        timestamp="time",
        item_columns={"title": "title", "genres": "tags"},
        licence="for tests",
    )
    assert raw.source == "tfds:tiny"
    assert raw.interactions.rows() == [("u1", "7", 4.0, 100), ("u2", "7", 2.0, 200), ("u1", "8", 3.5, 300)]
    assert raw.interactions.schema["rating"] == pl.Float32
    assert raw.items is not None
    assert raw.items.rows() == [("7", "Café", "a|b"), ("8", "Up", None)]
    assert raw.users is None
    assert raw.licence == "for tests"


def test_only_the_ids_are_needed():
    assert tfds.read(EXAMPLES, name="tiny").interactions.columns == ["user", "item"]


class Batched(list):
    """A data source that gives many examples at a time, as tfds' own do."""

    calls = 0

    def __getitems__(self, rows):
        self.calls += 1
        return [list.__getitem__(self, row) for row in rows]

    def __getitem__(self, row):
        raise AssertionError("one at a time is slow")


def test_many_examples_are_read_at_a_time():
    source = Batched(EXAMPLES * 2000)
    assert len(tfds.read(source, name="tiny").interactions) == 6000
    assert source.calls == 2


@pytest.mark.parametrize(
    ("examples", "fields", "message"),
    [
        ([], {}, "tfds:tiny: found no examples"),
        (
            EXAMPLES,
            {"item": "movie_id"},
            "example 0, column 'movie_id': found no such field among 'user_id', 'item_id'",
        ),
        (EXAMPLES, {"rating": "title"}, "example 0, column 'title': found b'Caf"),
        (EXAMPLES, {"item": "title"}, "example 1, column 'title': found an empty id"),
        (EXAMPLES, {"user": "stars"}, "example 0, column 'stars': found .* of type float32"),
        ([{"user_id": b"\xff", "item_id": 1}], {}, "example 0, column 'user_id': found bytes that are not UTF-8"),
        ([{**EXAMPLES[0], "stars": np.nan}], {"rating": "stars"}, "example 0, column 'stars': found nan"),
    ],
)
def test_bad_examples_are_named(examples, fields, message):
    with pytest.raises(DataError, match=message):
        tfds.read(examples, name="tiny", **fields)


def small_example() -> RawTables:
    return RawTables(
        source="made up",
        interactions=pl.DataFrame(
            {
                "user": ["1", "2", "2"],
                "item": ["10", "10", "020"],
                "rating": pl.Series([5.0, 3.0, 1.5], dtype=pl.Float32),
                "timestamp": [881250949, 881250950, 881250951],
            }
        ),
        items=pl.DataFrame(
            {
                "item": ["10", "020"],
                "title": ["Café", None],
                "release_year": ["1995", "1996"],
                "genres": ["Drama", None],
            }
        ),
        users=pl.DataFrame({"user": ["1", "2"], "age": ["24", None], "gender": ["M", "F"], "occupation": ["a", "b"]}),
    )


def test_the_builder_of_the_example_set_returns_what_the_source_gave(tmp_path, monkeypatch):
    pytest.importorskip("array_record", reason="array_record (extra 'seq') is not installed")
    from recgoat_jax.data import tfds_builder

    expected = small_example()
    monkeypatch.setattr(tfds_builder, "read_example", lambda: expected)
    source = tfds_builder.example_data_source(tmp_path)
    raw = tfds.read(source, name="ml-100k", **tfds_builder.EXAMPLE_FIELDS)
    assert raw.interactions.sort("user", "item").equals(expected.interactions.sort("user", "item"))
    assert raw.items is not None
    assert raw.users is not None
    assert raw.items.sort("item").equals(expected.items.sort("item"))
    assert raw.users.sort("user").equals(expected.users.sort("user"))
    # A second call reads what is there.
    monkeypatch.setattr(tfds_builder, "read_example", lambda: replace(expected, interactions=None))
    assert len(tfds_builder.example_data_source(tmp_path)) == 3


def test_without_array_record_the_extra_is_named(tmp_path, monkeypatch):
    from recgoat_jax.data import tfds_builder

    monkeypatch.setattr(tfds_builder, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recgoat-jax\[seq\]'"):
        tfds_builder.example_data_source(tmp_path)
