import pyarrow as pa
import pytest

from recgoat_jax.encoders.templates import ItemTemplate, TextField, usual_columns
from recgoat_jax.errors import DataError, UsageError

TABLE = pa.table(
    {
        "description": ["Soft  and\nmild.", None, "x" * 100_000],
        "title": ["Soap", None, "Brush"],
        "brand": ["Acme", "  ", None],
    }
)


def test_fields_stand_in_their_order_and_empty_ones_are_left_out():
    template = ItemTemplate(
        (TextField("title", "Title"), TextField("brand", ""), TextField("description", "About", 12))
    )
    assert template.render(TABLE, source="shop") == [
        "Title: Soap\nAcme\nAbout: Soft and mil",
        None,
        "Title: Brush\nAbout: xxxxxxxxxxxx",
    ]
    assert template.description == "Title: {title:.2000} / {brand:.2000} / About: {description:.12}"


def test_names_of_columns_are_the_usual_labels():
    assert ItemTemplate.of_columns(["brand", "title"]).render(TABLE, source="shop")[0] == "brand: Acme\ntitle: Soap"
    assert ItemTemplate.of_columns(["title"], labelled=False).render(TABLE, source="shop")[0] == "Soap"


def test_whatever_changes_a_text_changes_the_hash():
    templates = [
        ItemTemplate.of_columns(["title", "brand"]),
        ItemTemplate.of_columns(["brand", "title"]),
        ItemTemplate.of_columns(["title", "brand"], labelled=False),
        ItemTemplate.of_columns(["title", "brand"], max_characters=9),
        ItemTemplate.of_columns(["title"]),
    ]
    assert len({template.hash for template in templates}) == len(templates)
    assert templates[0].hash == ItemTemplate.of_columns(["title", "brand"]).hash


def test_a_missing_column_is_named_with_those_that_are_there():
    template = ItemTemplate.of_columns(["title", "category", "price"])
    message = "shop, column 'category': found no such item column; there are 'description', 'title', 'brand'; expected"
    with pytest.raises(DataError, match=message):
        template.render(TABLE, source="shop")
    with pytest.raises(DataError, match="column 'title': found no such item column; there are none"):
        template.render(None, source="shop")


def test_templates_that_say_nothing_or_something_twice_are_refused():
    for columns in ([], ["title", "title"]):
        with pytest.raises(UsageError, match="expected one or more, each once"):
            ItemTemplate.of_columns(columns)
    with pytest.raises(UsageError, match="max_characters is 0"):
        ItemTemplate.of_columns(["title"], max_characters=0)


def test_the_usual_columns_are_those_that_are_there():
    assert usual_columns(TABLE, source="shop") == ("title", "brand", "description")
    for table in (None, pa.table({"name": ["a"]})):
        with pytest.raises(DataError, match="expected one of 'title', 'brand', 'category', 'description'"):
            usual_columns(table, source="shop")
