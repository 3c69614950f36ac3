"""Texts to vectors by torch: any model of sentence-transformers or transformers, by id or directory.

Qwen3-Embedding (Zhang et al., 2025), the text encoder of the RecGOAT paper, reads the last token of a text, so that its
padding must stand on the left; a query carries an instruction, a document does not:

    TransformersTextConfig("Qwen/Qwen3-Embedding-8B", pooling="last_token", padding_side="left", max_length=8192,
                           precision="bfloat16", prefix=qwen3_instruction("Describe what the user likes"))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from recgoat_jax.encoders.features_extra import features_package, model_loading, model_name
from recgoat_jax.nn.pooling import Pooling
from recgoat_jax.nn.transformer import Precision


def qwen3_instruction(task: str) -> str:
    """The prefix of a query to Qwen3-Embedding, in the form it was trained with."""
    return f"Instruct: {task}\nQuery:"


@dataclass(frozen=True)
class SentenceTransformersConfig:
    """A model with the pooling that its directory states.

    Attributes:
        model: id of the hub, or a directory.
        hub_revision: branch, tag or commit; None: the main branch.
        prefix: put before every text.
        max_length: tokens that are read of a text; None: as the model states.
        normalize: whether vectors are scaled to length 1, on top of what the model does.
        precision: number format of weights and products.
        device: such as ``"cuda"``; None: the fastest that is there.
        batch_size: texts that are computed at once.
    """

    model: str | Path
    hub_revision: str | None = None
    prefix: str = ""
    max_length: int | None = None
    normalize: bool = True
    precision: Precision = "float32"
    device: str | None = None
    batch_size: int = 32


class SentenceTransformersEncoder:
    """A `recgoat_jax.encoders.protocols.TextEncoder` on the package sentence-transformers.

    Args:
        config: what to load.

    Raises:
        MissingExtraError: the extra ``features`` is not installed.
        DataError: no such model.
    """

    def __init__(self, config: SentenceTransformersConfig) -> None:
        package, torch = features_package("sentence_transformers"), features_package("torch")
        self.config = config
        with model_loading(config.model, kind="text"):
            self._model: Any = package.SentenceTransformer(
                str(config.model),
                revision=config.hub_revision,
                device=config.device,
                model_kwargs={"torch_dtype": getattr(torch, config.precision)},
            )
        if config.max_length is not None:
            self._model.max_seq_length = config.max_length

    @property
    def name(self) -> str:
        """The id, or the name of the directory."""
        return model_name(self.config.model)

    @property
    def revision(self) -> str:
        """Revision on the hub, and what else changes the values."""
        c = self.config
        return f"{c.hub_revision or 'main'}; normalize={c.normalize}; precision={c.precision}; prefix={c.prefix!r}"

    @property
    def pooling(self) -> str:
        """As the model states."""
        stated = [module.get_pooling_mode_str() for module in self._model if hasattr(module, "get_pooling_mode_str")]
        return "" if not stated else "last_token" if stated[0] == "lasttoken" else stated[0]

    @property
    def max_length(self) -> int | None:
        """Tokens that are read of a text."""
        return self._model.max_seq_length

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """One row a text."""
        c = self.config
        if not texts:
            return np.zeros((0, self._model.get_sentence_embedding_dimension()), np.float32)
        vectors = self._model.encode(
            [c.prefix + text for text in texts],
            batch_size=c.batch_size,
            normalize_embeddings=c.normalize,
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        return vectors.float().cpu().numpy()


@dataclass(frozen=True)
class TransformersTextConfig:
    """A model whose pooling is chosen here.

    Attributes:
        model: id of the hub, or a directory.
        hub_revision: branch, tag or commit; None: the main branch.
        pooling: how token vectors become one.
        padding_side: where a batch is filled up. A model that reads from left to right and is pooled at its last token
            is trained with padding on the left.
        prefix: put before every text, such as an instruction.
        max_length: tokens that are read of a text.
        normalize: whether vectors are scaled to length 1.
        precision: number format of weights and products.
        device: such as ``"cuda"``.
        batch_size: texts that are computed at once.
    """

    model: str | Path
    hub_revision: str | None = None
    pooling: Pooling = "mean"
    padding_side: Literal["left", "right"] = "right"
    prefix: str = ""
    max_length: int = 512
    normalize: bool = True
    precision: Precision = "float32"
    device: str = "cpu"
    batch_size: int = 8


class TransformersTextEncoder:
    """A `recgoat_jax.encoders.protocols.TextEncoder` on the package transformers.

    Args:
        config: what to load.

    Raises:
        MissingExtraError: the extra ``features`` is not installed.
        DataError: no such model.
    """

    def __init__(self, config: TransformersTextConfig) -> None:
        package, self._torch = features_package("transformers"), features_package("torch")
        self.config = config
        source, revision = str(config.model), config.hub_revision or "main"
        with model_loading(config.model, kind="text"):
            self._tokenizer: Any = package.AutoTokenizer.from_pretrained(
                source, revision=revision, padding_side=config.padding_side
            )
            dtype = getattr(self._torch, config.precision)
            self._model: Any = package.AutoModel.from_pretrained(source, revision=revision, torch_dtype=dtype)
        self._model.eval().to(config.device)

    @property
    def name(self) -> str:
        """The id, or the name of the directory."""
        return model_name(self.config.model)

    @property
    def revision(self) -> str:
        """Revision on the hub, and what else changes the values."""
        c = self.config
        settings = f"normalize={c.normalize}; precision={c.precision}; padding={c.padding_side}; prefix={c.prefix!r}"
        return f"{c.hub_revision or 'main'}; {settings}"

    @property
    def pooling(self) -> str:
        """As chosen."""
        return self.config.pooling

    @property
    def max_length(self) -> int | None:
        """As chosen."""
        return self.config.max_length

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """One row a text; texts of like length are computed together."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        vectors = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        for start in range(0, len(order), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            vectors[rows] = self._embed([self.config.prefix + texts[row] for row in rows])
        return vectors

    def _embed(self, texts: list[str]) -> np.ndarray:
        torch, c = self._torch, self.config
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=c.max_length, return_tensors="pt").to(
            c.device
        )
        mask = tokens["attention_mask"]
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state.float()
            match c.pooling:
                case "mean":
                    pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
                case "cls":
                    # The first token, wherever padding puts it.
                    pooled = hidden[torch.arange(len(texts)), mask.argmax(1)]
                case "last_token":
                    last = mask.shape[1] - 1 - mask.flip(1).argmax(1)
                    pooled = hidden[torch.arange(len(texts)), last]
            if c.normalize:
                pooled = torch.nn.functional.normalize(pooled, dim=-1)
        return pooled.cpu().numpy()


__all__ = [
    "SentenceTransformersConfig",
    "SentenceTransformersEncoder",
    "TransformersTextConfig",
    "TransformersTextEncoder",
    "qwen3_instruction",
]
