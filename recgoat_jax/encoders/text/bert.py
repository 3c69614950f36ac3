"""Texts to vectors by a BERT-type language model in JAX: neither torch nor a network is needed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.data.unicode import valid_unicode
from recgoat_jax.encoders.text.bert_weights import read_bert
from recgoat_jax.encoders.text.buckets import length_batches
from recgoat_jax.encoders.text.model_directory import MINILM, TOKENIZER, WEIGHTS, locate_model, read_sentences
from recgoat_jax.errors import DataError, MissingExtraError, UsageError
from recgoat_jax.nn.pooling import Pooling, pool_tokens, unit_length
from recgoat_jax.nn.transformer import Precision, TransformerEncoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class BertTextConfig:
    """Which model, and how its token vectors become one.

    Attributes:
        model: a directory, ``"all-MiniLM-L6-v2"``, or an id of the hub (`locate_model`).
        hub_revision: branch, tag or commit, where the model comes from the hub.
        pooling: None: as the model's directory says.
        normalize: whether vectors are scaled to length 1; None: as the directory says.
        max_length: tokens that are read of a text; None: as the directory says. At most what the model has positions
            for.
        prefix: put before every text, such as an instruction.
        precision: number format of the products. bfloat16 is for accelerators.
        tokens_per_batch: tokens that are computed at once, padding counted; None: 1,024 on CPU, where they stay in the
            caches, and 32,768 on an accelerator.
    """

    model: str | Path = MINILM
    hub_revision: str | None = None
    pooling: Pooling | None = None
    normalize: bool | None = None
    max_length: int | None = None
    prefix: str = ""
    precision: Precision = "float32"
    tokens_per_batch: int | None = None


class BertTextEncoder:
    """A `recgoat_jax.encoders.protocols.TextEncoder` on a directory of the hub's layout.

    Args:
        config: what to load.

    Attributes:
        model: the network, an `nnx.Module`: hidden states of all layers, trainable.

    Raises:
        UsageError: an unknown model, or a maximum length outside 3 to the model's positions.
        MissingExtraError: the extra ``text`` is not installed.
        DataError: an incomplete or broken directory, or a model of another family.
    """

    def __init__(self, config: BertTextConfig) -> None:
        directory = locate_model(config.model, revision=config.hub_revision)
        self.config = config
        self.model: TransformerEncoder = read_bert(directory, precision=config.precision)
        sentences = read_sentences(directory, pooling=config.pooling)
        positions = self.model.config.positions
        self._max_length = config.max_length or min(sentences.max_length or positions, positions)
        # The two marks around a text, and a token of it.
        if not 3 <= self._max_length <= positions:
            raise UsageError(
                f"text encoder '{config.model}': found max_length={self._max_length}; expected 3 to {positions}, the "
                "positions of the model."
            )
        self._pooling: Pooling = sentences.pooling
        self._normalize = sentences.normalize if config.normalize is None else config.normalize
        self._lower_case = sentences.lower_case
        self._tokenizer = _tokenizer(directory / TOKENIZER, self._max_length)
        is_id = not Path(config.model).expanduser().is_dir()
        self._name = str(config.model) if is_id else directory.resolve().name
        self._weights_hash = _sha256(directory / WEIGHTS, directory / TOKENIZER)
        self._definition, self._params = nnx.split(self.model)

    @property
    def name(self) -> str:
        """The id, or the name of the directory."""
        return self._name

    @property
    def revision(self) -> str:
        """Hash of weights and tokenizer, and what else changes the values."""
        return (
            f"sha256={self._weights_hash}; normalize={self._normalize}; precision={self.config.precision}; "
            f"prefix={self.config.prefix!r}"
        )

    @property
    def pooling(self) -> str:
        """How token vectors become one."""
        return self._pooling

    @property
    def max_length(self) -> int | None:
        """Tokens that are read of a text, the two marks around it counted."""
        return self._max_length

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.model.config.width

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "texts dim"]:
        """Vectors of texts, whatever they hold: an empty one has the marks of a text only, a long one is cut.

        Args:
            texts: any number, also none.

        Returns:
            float32 ``texts x dim``. A row is that of its text alone; which texts it is computed with moves its last
            bits only.
        """
        tokens = self.token_ids(texts)
        vectors = np.zeros((len(tokens), self.dim), np.float32)
        options = {"pooling": self._pooling, "normalize": self._normalize}
        size = self.config.tokens_per_batch or (1024 if jax.default_backend() == "cpu" else 32_768)
        computed = []
        for batch in length_batches([len(ids) for ids in tokens], longest=self._max_length, tokens=size):
            ids = np.zeros((batch.slots, batch.width), np.int32)
            lengths = np.zeros(batch.slots, np.int32)
            for slot, row in enumerate(batch.rows):
                lengths[slot] = len(tokens[row])
                ids[slot, : lengths[slot]] = tokens[row]
            computed.append((batch.rows, _embed(self._definition, self._params, ids, lengths, **options)))
        for rows, found in computed:
            vectors[rows] = np.asarray(found)[: len(rows)]
        return vectors

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Rows of the token table of each text, marks included, cut to the maximum length."""
        prepared = [valid_unicode(self.config.prefix + text) for text in texts]
        if self._lower_case:
            prepared = [text.lower() for text in prepared]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(prepared)]


@partial(jax.jit, static_argnames=("definition", "pooling", "normalize"))
def _embed(
    definition: nnx.GraphDef,
    params: nnx.State,
    ids: Int[Array, "texts tokens"],
    lengths: Int[Array, " texts"],
    *,
    pooling: Pooling,
    normalize: bool,
) -> Float[Array, "texts width"]:
    """Vectors of one padded batch."""
    mask: Bool[Array, "texts tokens"] = jax.numpy.arange(ids.shape[1]) < lengths[:, None]
    vectors = pool_tokens(nnx.merge(definition, params)(ids, mask).last, mask, pooling=pooling)
    return unit_length(vectors) if normalize else vectors


def _tokenizer(path: Path, max_length: int) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError.of("tokenizers", extra="text") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # The package raises no class of its own.
        raise DataError.at(
            path,
            found=f"no tokenizer ({error})",
            expected="the tokenizer of the model",
            action="Copy it again from where the model came from.",
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _sha256(*paths: Path) -> str:
    """Twelve digits of the hash of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


__all__ = ["BertTextConfig", "BertTextEncoder"]
