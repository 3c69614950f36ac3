"""A transformer encoder of the BERT family: token ids and a mask in, the hidden states of every layer out.

With ``x_0 = LN(W[id] + P[position] + T[type])``, a layer with the post-norm of the original is

* ``a = LN(x + O softmax(Q x (K x)^T / sqrt(d_head)) V x)``, the softmax over the positions that the mask admits;
* ``x' = LN(a + W_2 f(W_1 a))``.

Sources: Vaswani et al., "Attention is all you need", 2017; Devlin et al., "BERT", NAACL 2019.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key

from recgoat_jax.nn.dropout import dropout

Activation = Literal["gelu", "gelu_tanh", "relu", "silu"]
"""``"gelu"`` is the exact form with the error function, ``"gelu_tanh"`` its approximation."""

Precision = Literal["float32", "bfloat16"]
"""Number format of the products; weights, means, variances and the softmax are float32 with either."""

_MASKED = -1e30
"""Score of a position that the mask leaves out: finite, so that a row without any position gives no NaN."""


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a transformer encoder.

    Attributes:
        vocabulary: rows of the token table.
        width: width of a token vector, a multiple of ``heads``.
        layers: blocks.
        heads: attention heads.
        ffn_width: inner width of the feed-forward part.
        positions: rows of the position table: the longest text.
        types: rows of the type table (sentence A, sentence B).
        eps: added to the variance in layer normalisation.
        activation: of the feed-forward part.
        dropout_rate: while training, on embeddings, attention coefficients and the output of both parts of a block.
        precision: number format of the products.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    ffn_width: int
    positions: int
    types: int = 2
    eps: float = 1e-12
    activation: Activation = "gelu"
    dropout_rate: float = 0.0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}; choose a divisor of the width.")


class TransformerBlock(nnx.Module):
    """Self-attention and a feed-forward part, each added to its input and then normalised (post-norm).

    Args:
        config: sizes; the tables' are not read.
        rngs: the ``params`` stream draws the weights.
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        self.heads = config.heads
        self.activation: Activation = config.activation
        self.dropout_rate = config.dropout_rate
        dtype = jnp.dtype(config.precision)
        # One product for the three projections: queries, keys, values side by side.
        self.projections = _linear(config.width, 3 * config.width, dtype, rngs)
        self.attention_output = _linear(config.width, config.width, dtype, rngs)
        self.attention_norm = LayerNorm(config.width, eps=config.eps)
        self.ffn_input = _linear(config.width, config.ffn_width, dtype, rngs)
        self.ffn_output = _linear(config.ffn_width, config.width, dtype, rngs)
        self.ffn_norm = LayerNorm(config.width, eps=config.eps)

    def __call__(
        self,
        x: Float[Array, "texts tokens width"],
        mask: Bool[Array, "texts queries tokens"],
        *,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "texts tokens width"]:
        """Applies the block.

        Args:
            x: ``texts x tokens x width``.
            mask: ``texts x queries x tokens``, True where a query reads a token; one row of queries serves all of them
                (padding), a triangle is causal attention.
            key: drives the dropouts; None for evaluation.

        Returns:
            An array like x.
        """
        keys = (None, None, None) if key is None else tuple(jax.random.split(key, 3))
        attended = self.attention_output(self._attend(x, mask, keys[0]))
        x = self.attention_norm(x + dropout(attended, keys[1], rate=self.dropout_rate))
        inner = self.ffn_output(_activate(self.ffn_input(x), self.activation))
        return self.ffn_norm(x + dropout(inner, keys[2], rate=self.dropout_rate))

    def _attend(
        self,
        x: Float[Array, "texts tokens width"],
        mask: Bool[Array, "texts queries tokens"],
        key: Key[Array, ""] | None,
    ) -> Float[Array, "texts tokens width"]:
        """``softmax(Q K^T / sqrt(d_head)) V`` of all heads, side by side."""
        texts, tokens, width = x.shape
        projected = self.projections(x).reshape(texts, tokens, 3, self.heads, width // self.heads)
        # Heads before tokens: on CPU a product over axes that are not the last two is copied together number by number.
        queries, keys, values = jnp.transpose(projected, (2, 0, 3, 1, 4))
        scores = jnp.einsum("nhqd,nhkd->nhqk", queries, keys, preferred_element_type=jnp.float32)
        scores = jnp.where(mask[:, None], scores * (width // self.heads) ** -0.5, _MASKED)
        weights = dropout(jax.nn.softmax(scores, axis=-1), key, rate=self.dropout_rate)
        attended = jnp.einsum("nhqk,nhkd->nhqd", weights.astype(x.dtype), values)
        return jnp.transpose(attended, (0, 2, 1, 3)).reshape(texts, tokens, width)


class TransformerOutput(NamedTuple):
    """Hidden states.

    Attributes:
        last: ``texts x tokens x width``, of the last layer.
        all: the embeddings, then the output of every layer; ``layers + 1`` arrays like ``last``.
    """

    last: Float[Array, "texts tokens width"]
    all: tuple[Float[Array, "texts tokens width"], ...]


class TransformerEncoder(nnx.Module):
    """Embeddings of tokens, positions and types, and a stack of blocks (BERT).

    Args:
        config: sizes.
        rngs: the ``params`` stream draws the weights, Normal(0, 0.02^2) as BERT's.
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        initial = nnx.initializers.normal(0.02)
        self.token_table = nnx.Param(initial(rngs.params(), (config.vocabulary, config.width)))
        self.position_table = nnx.Param(initial(rngs.params(), (config.positions, config.width)))
        self.type_table = nnx.Param(initial(rngs.params(), (config.types, config.width)))
        self.norm = LayerNorm(config.width, eps=config.eps)
        self.blocks = nnx.List([TransformerBlock(config, rngs=rngs) for _ in range(config.layers)])

    def __call__(
        self,
        ids: Int[Array, "texts tokens"],
        mask: Bool[Array, "texts tokens"],
        *,
        types: Int[Array, "texts tokens"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> TransformerOutput:
        """Encodes.

        Args:
            ids: ``texts x tokens``, rows of the token table; padding on the right, any id.
            mask: ``texts x tokens``, False for padding, which no token reads; what stands there in the result means
                nothing.
            types: rows of the type table; None: all zero.
            key: drives the dropouts; None for evaluation, which is deterministic.

        Returns:
            The hidden states; under ``jax.jit`` those that are not used cost nothing.

        Raises:
            ValueError: more tokens than the position table has rows.
        """
        tokens = ids.shape[1]
        if tokens > self.config.positions:
            raise ValueError(f"{tokens} tokens, but {self.config.positions} positions; cut the texts first.")
        keys = [None] * (self.config.layers + 1)
        if key is not None:
            keys = list(jax.random.split(key, self.config.layers + 1))
        embedded = self.token_table[...][ids] + self.position_table[...][:tokens]
        # A look-up of one and the same row would be a gather of the size of the input.
        embedded += self.type_table[0] if types is None else self.type_table[...][types]
        x = self.norm(embedded).astype(self.config.precision)
        states = [dropout(x, keys[0], rate=self.config.dropout_rate)]
        for block, block_key in zip(self.blocks, keys[1:], strict=True):
            states.append(block(states[-1], mask[:, None, :], key=block_key))
        return TransformerOutput(states[-1], tuple(states))


class LayerNorm(nnx.Module):
    """``scale (x - mean) / sqrt(variance + eps) + bias`` over the last axis (Ba, Kiros and Hinton, 2016).

    Mean and variance are float32, and the variance is that of the differences from the mean: the difference of two
    squares, the cheaper form, loses the digits that a small eps needs.

    Args:
        width: of the last axis.
        eps: added to the variance.
    """

    def __init__(self, width: int, *, eps: float) -> None:
        self.eps = eps
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        """Normalises; the result has the number format of x."""
        centred = x.astype(jnp.float32)
        centred = centred - jnp.mean(centred, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        normal = centred * jax.lax.rsqrt(variance + self.eps)
        return (normal * self.scale[...] + self.bias[...]).astype(x.dtype)


def _linear(inputs: int, outputs: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)


def _activate(x: Float[Array, "*batch width"], activation: Activation) -> Float[Array, "*batch width"]:
    match activation:
        case "gelu":
            return jax.nn.gelu(x, approximate=False)
        case "gelu_tanh":
            return jax.nn.gelu(x, approximate=True)
        case "relu":
            return jax.nn.relu(x)
        case "silu":
            return jax.nn.silu(x)
        case _:
            assert_never(activation)


__all__ = [
    "Activation",
    "LayerNorm",
    "Precision",
    "TransformerBlock",
    "TransformerConfig",
    "TransformerEncoder",
    "TransformerOutput",
]
