"""What torch encoders share, without torch."""

from pathlib import Path

import pytest

from recgoat_jax.encoders.features_extra import features_package, model_loading, model_name
from recgoat_jax.errors import DataError, MissingExtraError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("nobody/nothing is no model\nof the hub"), "nobody/nothing is no model"),
        (ValueError("unknown type"), "unknown type"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_what_cannot_be_loaded_is_explained(error: Exception, reason: str) -> None:
    with (
        pytest.raises(DataError, match=rf"image encoder 'a/b': found no model \({reason}\); expected an id of the hub"),
        model_loading("a/b", kind="image"),
    ):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), model_loading("a/b", kind="image"):
        raise ZeroDivisionError


def test_models_are_named_by_id_or_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert model_name(tmp_path / "mine" / ".." / "mine") == "mine"
    assert model_name("openai/clip-vit-large-patch14") == "openai/clip-vit-large-patch14"


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"'no_such_package' is not installed.*recgoat-jax\[features\]"):
        features_package("no_such_package")
