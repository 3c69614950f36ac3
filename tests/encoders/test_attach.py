"""Feature files beside a prepared directory, as a recipe names them."""

from pathlib import Path

import numpy as np
import pytest

from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.attach import attach_features
from recgoat_jax.encoders.recipes import PreparedData, load_data, with_root
from recgoat_jax.errors import DataError, UsageError
from tests.worlds import blocks


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    made = {}
    for name, ids in (("sound", [f"i{row}" for row in reversed(range(16))]), ("profile", ["u3", "u0"])):
        made[name] = rng.normal(size=(len(ids), 3)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", ids=np.array(ids), values=made[name])
    return tmp_path, made


def test_a_recipe_brings_its_files(files):
    folder, made = files
    write_dataset(blocks(), folder / "data")
    plain = load_data(PreparedData(folder / "data"))
    recipe = PreparedData(
        Path("elsewhere"),
        item_features=(("sound", folder / "sound.npz"), ("image", folder / "sound.npz")),
        user_features=(("profile", folder / "profile.npz"),),
    )
    loaded = load_data(with_root(recipe, folder / "data"))
    dataset = loaded.dataset
    assert plain.attached is None
    assert set(dataset.item_features) == {"text", "image", "sound"}
    for name in ("sound", "image"):  # the latter in place of the prepared one
        np.testing.assert_array_equal(dataset.item_features[name].values, made["sound"][::-1])
    np.testing.assert_array_equal(dataset.item_features["text"].values, plain.dataset.item_features["text"].values)
    assert np.flatnonzero(dataset.user_features["profile"].present).tolist() == [0, 3]
    np.testing.assert_array_equal(dataset.user_features["profile"].values[[3, 0]], made["profile"])
    assert dataset.manifest.hash == plain.dataset.manifest.hash
    assert loaded.attached is not None
    assert {key: told["dim"] for key, told in loaded.attached.identity.items()} == {
        "item/sound": 3,
        "item/image": 3,
        "user/profile": 3,
    }
    assert len({str(told["sha256"]) for told in loaded.attached.identity.values()}) == 2


def test_names_are_given_once_and_can_be_file_names(files):
    folder, _ = files
    pair = ("sound", folder / "sound.npz")
    with pytest.raises(UsageError, match="item features 'sound' were given twice"):
        attach_features(blocks(), item_features=(pair, pair))
    with pytest.raises(DataError, match="found the modality name '../sound'"):
        attach_features(blocks(), item_features=(("../sound", pair[1]),))
    with pytest.raises(DataError, match="found no id of the data set"):
        attach_features(blocks(), user_features=(pair,))
