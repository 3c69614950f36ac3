import numpy as np
import polars as pl
import pytest

from recgoat_jax.data.vocabulary import Vocabulary
from recgoat_jax.encoders.relations import encode_relations
from recgoat_jax.errors import DataError

RELATIONS = pl.DataFrame(
    [
        ("i1", "directed_by", "p1"),
        ("i2", "directed_by", "p1"),
        ("i3", "acted_by", "p1"),
        ("i4", "acted_by", "p1"),
        ("unknown", "directed_by", "p1"),
    ],
    schema=["item", "relation", "value"],
    orient="row",
)


def test_items_are_close_by_the_relations_they_share():
    table = encode_relations(RELATIONS, Vocabulary(["i3", "i1", "lonely", "i2", "i4"], kind="item"), dim=4)
    assert table.present.tolist() == [True, True, False, True, True]
    similarity = table.values @ table.values.T
    # The same value in another relation is another thing.
    np.testing.assert_allclose([similarity[1, 3], similarity[0, 4], similarity[0, 1]], [1, 1, 0], atol=1e-3)


def test_relations_of_other_items_are_an_error():
    with pytest.raises(DataError, match="found 5 rows, none of an item of the data set"):
        encode_relations(RELATIONS, Vocabulary(["x"], kind="item"))
