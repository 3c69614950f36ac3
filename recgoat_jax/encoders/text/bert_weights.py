"""A BERT checkpoint of the hub as a `TransformerEncoder`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from recgoat_jax.encoders.text.model_directory import CONFIG, WEIGHTS, read_json
from recgoat_jax.errors import DataError, MissingExtraError
from recgoat_jax.nn.transformer import Activation, Precision, TransformerConfig, TransformerEncoder

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}

_SIZES = {
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn_width": "intermediate_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
}


def read_bert(directory: Path, *, precision: Precision = "float32") -> TransformerEncoder:
    """Reads a model; its dropout is switched on by a key, as in training.

    Args:
        directory: with ``config.json`` and ``model.safetensors``.
        precision: number format of the products; weights stay float32.

    Returns:
        The encoder.

    Raises:
        MissingExtraError: safetensors is not installed.
        DataError: another family of models, a broken file, a weight that is missing or has another shape.
    """
    try:
        import safetensors
        from safetensors.flax import load_file
    except ImportError as error:
        raise MissingExtraError.of("safetensors", extra="text") from error
    config = read_config(directory / CONFIG, precision=precision)
    path = directory / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError.at(
            path,
            found=f"no safetensors file ({error})",
            expected="the weights of the model",
            action="Copy it again from where the model came from; the copy may be cut short.",
        ) from error
    abstract = nnx.eval_shape(lambda: TransformerEncoder(config, rngs=nnx.Rngs(0)))
    definition, state = nnx.split(abstract)
    nnx.replace_by_pure_dict(state, _Checkpoint(path, weights).tree(config))
    return nnx.merge(definition, state)


def read_config(path: Path, *, precision: Precision = "float32") -> TransformerConfig:
    """Sizes from ``config.json``.

    Raises:
        DataError: not of the BERT family, or a size is missing.
    """
    found = read_json(path)
    known = {"model_type": ["bert"], "hidden_act": list(_ACTIVATIONS), "position_embedding_type": ["absolute", None]}
    for name, values in known.items():
        if found.get(name) not in values:
            raise DataError.at(
                path,
                found=f"{name} = {found.get(name)!r}",
                expected=" or ".join(repr(value) for value in values if value),
                action="Encode with sentence-transformers: SentenceTransformersEncoder.",
            )
    missing = [name for name in _SIZES.values() if not isinstance(found.get(name), int)]
    if missing:
        raise DataError.at(
            path,
            found=f"no whole number for {', '.join(missing)}",
            expected="the sizes of the model",
            action="Copy it again from where the model came from.",
        )
    return TransformerConfig(
        **{ours: found[theirs] for ours, theirs in _SIZES.items()},
        eps=float(found.get("layer_norm_eps", 1e-12)),
        activation=_ACTIVATIONS[found["hidden_act"]],
        dropout_rate=float(found.get("hidden_dropout_prob", 0.0)),
        precision=precision,
    )


class _Checkpoint:
    """Weights by their names in the checkpoint, brought into the shapes of our module."""

    def __init__(self, path: Path, weights: Mapping[str, jax.Array]) -> None:
        self.path = path
        self.weights = weights
        # Models with a head on top keep the encoder under a name of its own.
        self.prefix = "bert." if any(name.startswith("bert.") for name in weights) else ""

    def tree(self, config: TransformerConfig) -> dict[str, Any]:
        """Nested weights, by the attribute names of `TransformerEncoder`."""
        width = config.width
        return {
            "token_table": self.array("embeddings.word_embeddings.weight", (config.vocabulary, width)),
            "position_table": self.array("embeddings.position_embeddings.weight", (config.positions, width)),
            "type_table": self.array("embeddings.token_type_embeddings.weight", (config.types, width)),
            "norm": self.norm("embeddings.LayerNorm", width),
            "blocks": {layer: self.block(f"encoder.layer.{layer}", config) for layer in range(config.layers)},
        }

    def block(self, name: str, config: TransformerConfig) -> dict[str, Any]:
        """One layer; the three projections stand side by side."""
        width, ffn_width = config.width, config.ffn_width
        parts = [self.linear(f"{name}.attention.self.{part}", width, width) for part in ("query", "key", "value")]
        return {
            "projections": {key: jnp.concatenate([part[key] for part in parts], axis=-1) for key in parts[0]},
            "attention_output": self.linear(f"{name}.attention.output.dense", width, width),
            "attention_norm": self.norm(f"{name}.attention.output.LayerNorm", width),
            "ffn_input": self.linear(f"{name}.intermediate.dense", width, ffn_width),
            "ffn_output": self.linear(f"{name}.output.dense", ffn_width, width),
            "ffn_norm": self.norm(f"{name}.output.LayerNorm", width),
        }

    def linear(self, name: str, inputs: int, outputs: int) -> dict[str, jax.Array]:
        """A linear map; the checkpoint stores its matrix as outputs x inputs."""
        kernel = self.array(f"{name}.weight", (outputs, inputs)).T
        return {"kernel": kernel, "bias": self.array(f"{name}.bias", (outputs,))}

    def norm(self, name: str, width: int) -> dict[str, jax.Array]:
        """A layer normalisation; checkpoints converted from TensorFlow say gamma and beta."""
        old = f"{self.prefix}{name}.gamma" in self.weights
        scale, bias = ("gamma", "beta") if old else ("weight", "bias")
        return {"scale": self.array(f"{name}.{scale}", (width,)), "bias": self.array(f"{name}.{bias}", (width,))}

    def array(self, name: str, shape: tuple[int, ...]) -> jax.Array:
        """One weight in float32."""
        found = self.weights.get(self.prefix + name)
        if found is None or found.shape != shape:
            raise DataError.at(
                self.path,
                found=f"no weight '{name}'" if found is None else f"the weight '{name}' with shape {found.shape}",
                expected=f"one of shape {shape}, as {CONFIG} says",
                action="Take the weights and the configuration of one and the same model.",
            )
        return jnp.asarray(found, np.float32)


__all__ = ["read_bert", "read_config"]
