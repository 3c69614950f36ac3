"""The encoder on a tiny model in the layout of the hub, made here; the real one is in tests/parity."""

import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from recgoat_jax.encoders.text import BertTextConfig, BertTextEncoder
from recgoat_jax.encoders.text.bert_weights import read_config
from recgoat_jax.errors import DataError, MissingExtraError, UsageError
from recgoat_jax.nn.transformer import TransformerConfig

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "blue", "guitar", "lamp", "ß"]
WIDTH, FFN, LAYERS, POSITIONS = 8, 12, 2, 32
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": FFN,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def weights() -> dict[str, np.ndarray]:
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes |= {f"{name}.attention.self.{part}.weight": (WIDTH, WIDTH)}
            shapes |= {f"{name}.attention.self.{part}.bias": (WIDTH,)}
        for part, outputs, inputs in (
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", FFN, WIDTH),
            ("output.dense", WIDTH, FFN),
        ):
            shapes |= {f"{name}.{part}.weight": (outputs, inputs), f"{name}.{part}.bias": (outputs,)}
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    for norm in norms:
        shapes |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hub") / "tiny-bert"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights(), directory / "model.safetensors")
    tokenizer = Tokenizer(models.WordPiece({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # What a published tokenizer may carry, and must not count.
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(5)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


@pytest.fixture
def directory(made, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(made, tmp_path / "tiny-bert")


@pytest.fixture(scope="module")
def encoder(made):
    return BertTextEncoder(BertTextConfig(made, tokens_per_batch=32, max_length=16))


def test_texts_become_ids_with_marks_cut_to_the_length(encoder):
    found = encoder.token_ids(["Red  GUITAR!", "", "\ud83d", "lamp " * 2000])
    assert found == [[2, 4, 6, 1, 3], [2, 3], [2, 3], [2, *[7] * 14, 3]]


def test_a_row_is_that_of_its_text_alone(encoder):
    texts = ["red lamp", "", "🎸🔥", "blue " * 2000, "red lamp", "guitar", "lamp ß red"]
    together = encoder.encode(texts)
    assert together.shape == (7, WIDTH)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for row, text in enumerate(texts):
        np.testing.assert_allclose(encoder.encode([text])[0], together[row], atol=1e-5)
    assert np.abs(together[0] - together[5]).max() > 1e-3
    assert encoder.encode([]).shape == (0, WIDTH)


def test_it_says_what_it_is(encoder, made):
    assert encoder.name == "tiny-bert"
    assert (encoder.pooling, encoder.max_length) == ("mean", 16)
    assert BertTextEncoder(BertTextConfig(made)).max_length == POSITIONS


@pytest.mark.parametrize(
    "change", [{"normalize": True}, {"precision": "bfloat16"}, {"prefix": "query: "}], ids=lambda change: str(change)
)
def test_what_changes_the_values_changes_the_revision(encoder, made, change):
    other = BertTextEncoder(BertTextConfig(made, tokens_per_batch=32, max_length=16, **change))
    assert other.revision != encoder.revision
    assert not np.array_equal(other.encode(["red lamp"]), encoder.encode(["red lamp"]))
    if change == {"normalize": True}:
        row = encoder.encode(["red lamp"])
        np.testing.assert_allclose(other.encode(["red lamp"]), row / np.linalg.norm(row), atol=1e-6)


def test_other_weights_have_another_revision(encoder, directory):
    save_file({name: 2 * weight for name, weight in weights().items()}, directory / "model.safetensors")
    assert BertTextEncoder(BertTextConfig(directory, max_length=16)).revision != encoder.revision


def test_names_of_other_checkpoints_are_known(encoder, directory):
    """A head's prefix, and the names of normalisations that were converted from TensorFlow."""
    renamed = {}
    for name, weight in weights().items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        renamed["bert." + old] = weight
    save_file(renamed, directory / "model.safetensors")
    other = BertTextEncoder(BertTextConfig(directory, tokens_per_batch=32, max_length=16))
    np.testing.assert_array_equal(other.encode(["red lamp"]), encoder.encode(["red lamp"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, r"config\.json: found model_type = 'roberta'; expected 'bert'"),
        ({"hidden_act": "mish"}, "hidden_act = 'mish'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_size": None}, "no whole number for hidden_size"),
        (
            {"vocab_size": 10},
            r"'embeddings.word_embeddings.weight' with shape \(9, 8\); expected one of shape \(10, 8\)",
        ),
        ({"num_hidden_layers": 3}, r"no weight 'encoder\.layer\.2\.attention\.self\.query\.weight'"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(directory, change, message):
    (directory / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(DataError, match=message):
        BertTextEncoder(BertTextConfig(directory))


def test_every_size_of_the_configuration_is_read(directory):
    stated = {"layer_norm_eps": 1e-5, "hidden_act": "gelu_new", "hidden_dropout_prob": 0.25, "type_vocab_size": 3}
    (directory / "config.json").write_text(json.dumps(CONFIG | stated))
    assert read_config(directory / "config.json", precision="bfloat16") == TransformerConfig(
        vocabulary=9,
        width=8,
        layers=2,
        heads=2,
        ffn_width=12,
        positions=32,
        types=3,
        eps=1e-5,
        activation="gelu_tanh",
        dropout_rate=0.25,
        precision="bfloat16",
    )


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0.0, 0.6])
def test_a_file_cut_short_is_named(directory, name, kept):
    whole = (directory / name).read_bytes()
    (directory / name).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DataError, match=f"tiny-bert/{name}: .*Copy it again"):
        BertTextEncoder(BertTextConfig(directory))


@pytest.mark.parametrize("length", [2, 33])
def test_a_length_outside_the_model_is_named(made, length):
    with pytest.raises(UsageError, match=f"found max_length={length}; expected 3 to 32"):
        BertTextEncoder(BertTextConfig(made, max_length=length))


@pytest.mark.parametrize("package", ["safetensors", "tokenizers"])
def test_without_the_extra_the_message_names_it(made, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}' is not installed.*recgoat-jax\[text\]"):
        BertTextEncoder(BertTextConfig(made))
