import numpy as np
import pytest

from recgoat_jax.data.sources import recbole
from recgoat_jax.errors import DataError

FILES = {
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t4\t881250949\n2\t20\t3.5\t1e9\n",
    "item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\temb:float_seq\n"
    '10\tThe "M"\tDrama War\t1 2.5\n20\tUp\t\t\n',
    "user": "user_id:token\tage:token\n1\t24\n2\t\n",
    "kg": "head_id:token\trelation_id:token\ttail_id:token\n"
    "m.a\tdirected_by\tm.p\nm.q\tacted_in\tm.a\nm.x\tknows\tm.y\n",
    "link": "item_id:token\tentity_id:token\n10\tm.a\n",
}


def write(directory, name="tiny", **changes):
    for suffix, text in {**FILES, **changes}.items():
        if text is not None:
            (directory / f"{name}.{suffix}").write_text(text)
    return directory


def test_all_atomic_files_are_read(tmp_path):
    raw = recbole.read(write(tmp_path), licence="for tests")
    assert raw.source == "recbole:tiny"
    assert raw.licence == "for tests"
    assert raw.interactions.rows() == [("1", "10", 4.0, 881250949), ("2", "20", 3.5, 1_000_000_000)]
    assert raw.items is not None
    assert raw.users is not None
    assert raw.items.to_dict(as_series=False) == {
        "item": ["10", "20"],
        "title": ['The "M"', "Up"],
        "genres": ["Drama War", None],
    }
    assert raw.users.to_dict(as_series=False) == {"user": ["1", "2"], "age": ["24", None]}
    vectors = raw.item_features["emb"]
    assert vectors.ids == ("10", "20")
    np.testing.assert_array_equal(vectors.values, [[1, 2.5], [np.nan, np.nan]])


def test_relations_hold_both_directions(tmp_path):
    raw = recbole.read(write(tmp_path))
    assert raw.item_relations is not None
    assert raw.item_relations.rows() == [("10", "directed_by", "m.p"), ("10", "inverse of acted_in", "m.q")]
    assert dict(raw.counts) == {"kg_triples": 3, "kg_triples_without_item": 1}


def test_interactions_alone_are_enough_and_fields_can_be_named(tmp_path):
    text = "uid:token\tartist:token\tweight:float\nu1\ta1\t17\n"
    write(tmp_path, inter=text, item=None, user=None, kg=None, link=None)
    raw = recbole.read(tmp_path, user="uid", item="artist", rating="weight")
    assert raw.interactions.rows() == [("u1", "a1", 17.0)]
    assert raw.items is None
    assert raw.item_relations is None


def test_one_of_several_data_sets_is_chosen_by_name(tmp_path):
    write(tmp_path, name="a")
    write(tmp_path, name="b")
    with pytest.raises(DataError, match=r"found 2 files \*\.inter \(a, b\)"):
        recbole.read(tmp_path)
    assert recbole.read(tmp_path, name="b").source == "recbole:b"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inter": None}, r"found 0 files \*\.inter"),
        ({"inter": "user_id\titem_id:token\n1\t2\n"}, r"line 1, column 'user_id': found a header cell without a type"),
        ({"inter": "user_id:id\titem_id:token\n1\t2\n"}, "header cell without a type"),
        ({"inter": "user_id:token\tuser_id:float\n1\t2\n"}, "found the field 'user_id' twice"),
        ({"inter": "user_id:token\trating:float\n1\t2\n"}, "column 'item_id': found no such column"),
        ({"inter": "user_id:token\titem_id:token\trating:float\n1\t2\tx\n"}, "line 2, column 'rating': found 'x'"),
        ({"inter": "user_id:token\titem_id:token\n1\t2\n3\n"}, "line 3: found 1 cells"),
        ({"item": "item_id:token\ttitle:token_seq\n1\ta\n1\tb\n"}, "line 3, column 'item_id': found '1' again"),
        (
            {"item": "item_id:token\temb:float_seq\n1\t1 2\n2\t3\n"},
            r"line 3, column 'emb': found '3'; expected 2 numbers",
        ),
        ({"item": "item_id:token\temb:float_seq\n1\t1 2\n2\t3 x\n"}, "line 3, column 'emb': found '3 x'"),
        ({"link": None}, r"tiny\.kg: found no file 'tiny\.link' beside it"),
        ({"kg": "head_id:token\ttail_id:token\na\tb\n"}, "column 'relation_id': found no such column"),
    ],
)
def test_bad_files_are_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        recbole.read(write(tmp_path, **changes))
