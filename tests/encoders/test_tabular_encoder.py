import numpy as np
import pytest

from recgoat_jax.encoders.tabular import multi_hot, one_hot, split_tags
from recgoat_jax.errors import DataError


def test_tags_are_separated_by_signs_where_the_column_has_any_else_by_spaces():
    assert split_tags(["Drama War", None, "", "Sci-Fi"]) == [["Drama", "War"], [], [], ["Sci-Fi"]]
    assert split_tags([" ", "Drama|War", ",", " | "]) == [[], ["Drama", "War"], [], []]
    assert split_tags(["Home Audio | TV", "Toys;Games", "Books"]) == [
        ["Home Audio", "TV"],
        ["Toys", "Games"],
        ["Books"],
    ]


def test_multi_hot_marks_tags_and_masks_rows_without():
    table = multi_hot(["b|a", None, "b|b", "c|a"], max_tags=2)
    np.testing.assert_array_equal(table.values, [[1, 1], [0, 0], [0, 1], [1, 0]])
    assert table.present.tolist() == [True, False, True, True]
    with pytest.raises(DataError, match="found no tag"):
        multi_hot([None, " "])


def test_one_hot_of_categories_and_numbers_with_missing_cells():
    ages = [str(age) for age in range(10, 50, 4)]
    columns = {
        "gender": ["M", "F", None, "M", "F", "M", "F", "M", "F", None],
        "age": [*ages[:9], None],
        "postcode": [f"A{row}" for row in range(10)],
        "country": ["NL"] * 10,
    }
    table = one_hot(columns, num_bins=4, max_categories=5)
    # Two genders, then four bins of nine ages; the postcode is too wide and the country says nothing.
    assert table.values.shape == (10, 6)
    np.testing.assert_array_equal(table.values[:, :2].argmax(axis=1)[:2], [1, 0])
    np.testing.assert_array_equal(table.values[2, :2], [0, 0])
    bins = table.values[:9, 2:].argmax(axis=1)
    assert (np.diff(bins) >= 0).all()
    assert set(bins) == {0, 1, 2, 3}
    assert (table.values[:, 2:].sum(axis=1) == [1] * 9 + [0]).all()
    assert table.present.tolist() == [True] * 9 + [False]
    assert table.revision.startswith("columns=gender,age;")


def test_few_distinct_numbers_are_categories():
    table = one_hot({"stars": ["1", "2", "2", ""]})
    np.testing.assert_array_equal(table.values, [[1, 0], [0, 1], [0, 1], [0, 0]])


def test_columns_that_say_nothing_are_an_error():
    with pytest.raises(DataError, match="table columns 'name': found none"):
        one_hot({"name": [f"n{row}" for row in range(100)]})
    with pytest.raises(DataError, match="expected one length"):
        one_hot({"a": ["x", "y"], "b": ["x", "y", "x"]})
